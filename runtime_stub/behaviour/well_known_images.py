"""This module is what everybody expects of well-known images: what they run and where they answer."""

from runtime_stub.behaviour.catalogue import ImageEntry
from runtime_stub.behaviour.service import Service

_NGINX_ROOT = "/usr/share/nginx/html"
_HTTPD_ROOT = "/usr/local/apache2/htdocs"
_NGINX_FILES = {
    f"{_NGINX_ROOT}/index.html": "<!DOCTYPE html><title>Welcome to nginx!</title><h1>Welcome to nginx!</h1>\n",
    f"{_NGINX_ROOT}/50x.html": "<!DOCTYPE html><title>Error</title><h1>An error occurred.</h1>\n",
}
_REDIS_REPLIES = {"PING": "+PONG\r\n", "QUIT": "+OK\r\n"}


def _nginx(name: str, port: int) -> ImageEntry:
    service = Service(port=port, protocol="http", root=_NGINX_ROOT)
    title = "nginx: master process nginx -g daemon off;"
    return ImageEntry(name=name, title=title, serves=(service,), files=_NGINX_FILES)


WELL_KNOWN = (
    ImageEntry(name="*pause*", serves=()),
    _nginx("*/nginx", 80),
    _nginx("*/nginx-unprivileged", 8080),
    ImageEntry(
        name="*/httpd",
        serves=(Service(port=80, protocol="http", root=_HTTPD_ROOT),),
        banner="[core:notice] [pid 1:tid 1] AH00094: Command line: 'httpd -D FOREGROUND'\n",
        files={f"{_HTTPD_ROOT}/index.html": "<html><body><h1>It works!</h1></body></html>\n"},
    ),
    ImageEntry(name="*/redis", serves=(Service(port=6379, protocol="tcp", replies=_REDIS_REPLIES),)),
    ImageEntry(name="*/valkey", serves=(Service(port=6379, protocol="tcp", replies=_REDIS_REPLIES),)),
    ImageEntry(
        name="*/memcached", serves=(Service(port=11211, protocol="tcp", replies={"version": "VERSION 1.6\r\n"}),)
    ),
    ImageEntry(name="*/postgres", serves=(Service(port=5432, protocol="tcp"),)),
    ImageEntry(name="*/mysql", serves=(Service(port=3306, protocol="tcp"),)),
    ImageEntry(name="*/mariadb", serves=(Service(port=3306, protocol="tcp"),)),
    ImageEntry(
        name="*etcd",
        serves=(
            Service(port=2379, protocol="any", paths={"/health": 200}),
            Service(port=2380, protocol="tcp"),
        ),
    ),
    ImageEntry(name="*/liveness", serves=(Service(port=8080, protocol="http", fails_after_seconds=10),)),
    ImageEntry(name="*goproxy", serves=(Service(port=8080, protocol="tcp"),)),
    ImageEntry(name="*/http-echo", serves=(Service(port=5678, protocol="http", body="hello-world\n"),)),
    ImageEntry(name="*agnhost", command=("/agnhost",), serves=()),
)
"""Asked after the configuration's entries; the first that matches counts."""
