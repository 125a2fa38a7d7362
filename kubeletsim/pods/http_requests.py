"""The HTTP requests of probes and hooks, made from a manifest's httpGet.

Upstream: pkg/probe/http/request.go, pkg/probe/util.go.
"""

from lightkube.models.core_v1 import HTTPGetAction

from kubeletsim.clients.network.dialing import join_host_port
from kubeletsim.clients.network.http_get import HTTPGet
from kubeletsim.model.errors import KubeletSimError, go_quote
from kubeletsim.model.pod import AnyContainer


class UnknownPort(KubeletSimError):
    """A port is neither a number that can be one nor the name of one of the container's ports."""


def http_request(action: HTTPGetAction, container: AnyContainer, *, pod_ip: str, user_agent: str) -> HTTPGet:
    """Return the request that an httpGet describes.

    Args:
        action: what the manifest says.
        container: whose ports may be named.
        pod_ip: where to ask when the manifest names no host.
        user_agent: who asks, unless the manifest's headers say.

    Raises:
        UnknownPort: there is no such port.
    """
    scheme = (action.scheme or "http").lower()
    path = action.path or ""
    address = join_host_port(action.host or pod_ip, resolve_port(action.port, container))
    headers = [(header.name, header.value) for header in action.httpHeaders or []]
    given = {name.lower() for name, _ in headers}
    for name, value in (("User-Agent", user_agent), ("Accept", "*/*")):
        if name.lower() not in given:
            headers.append((name, value))
    # An empty value is how a manifest asks for the header to be left out.
    sent = tuple((name, value) for name, value in headers if value or name.lower() not in ("user-agent", "accept"))
    return HTTPGet(url=f"{scheme}://{address}{path if path.startswith('/') else '/' + path}", headers=sent)


def resolve_port(port: int | str, container: AnyContainer) -> int:
    """Return a port given as a number, as digits, or by its name in the container.

    Raises:
        UnknownPort: there is none; the text is upstream's, which takes an unknown name for a misspelt number.
    """
    named = {one.name: one.containerPort for one in container.ports or [] if one.name}
    if isinstance(port, str):
        if port in named:
            port = named[port]
        elif port.isdecimal():
            port = int(port)
        else:
            raise UnknownPort(f"strconv.Atoi: parsing {go_quote(port)}: invalid syntax")
    if not 0 < port < 65536:
        raise UnknownPort(f"invalid port number: {port}")
    return port
