"""Docker's configuration files: `config.json` and the older `.dockercfg`, where a kubelet looks for them.

They are looked for in the kubelet's root directory, its working directory, the home directory (below `.docker` for
config.json) and `/`; the first that can be read counts, and it is read again after five minutes.
Upstream: pkg/credentialprovider/config.go, the default provider in provider.go.
"""

import base64
import binascii
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import KubeletSimError
from kubeletsim.pods.credentials.keyring import Login

log = logging.getLogger(__name__)

LIFETIME_SECONDS = 300.0
CONFIG_JSON, DOCKERCFG, SECRET_JSON = "config.json", ".dockercfg", ".dockerconfigjson"


class DockerConfigError(KubeletSimError):
    """A file is no Docker configuration. Never quotes the file."""


class DockerConfigFiles:
    """The credentials of whichever file is there.

    Args:
        root_dir: the kubelet's; it is looked into first.
        home: the home directory of the kubelet's user; None without one.
        clock: its monotonic time says when to look again.
    """

    def __init__(self, root_dir: Path, *, home: Path | None, clock: Clock) -> None:
        places = (root_dir, Path(), *([home] if home is not None else []), Path("/"))
        docker_places = (root_dir, Path(), *([home / ".docker"] if home is not None else []), Path("/.docker"))
        self._candidates = (
            *(place / CONFIG_JSON for place in docker_places),
            *(place / DOCKERCFG for place in places),
            *(place / SECRET_JSON for place in places),
        )
        self._clock = clock
        self._logins: Mapping[str, Login] = {}
        self._expires_at = float("-inf")

    def logins(self) -> Mapping[str, Login]:
        """Return the credentials by place, at most five minutes old; empty without a file."""
        now = self._clock.monotonic()
        if now >= self._expires_at:
            self._logins = next(self._readable(), {})
            self._expires_at = now + LIFETIME_SECONDS
        return self._logins

    def _readable(self) -> Iterator[Mapping[str, Login]]:
        for path in self._candidates:
            try:
                yield decode_docker_config(path.read_bytes(), nested=path.name != DOCKERCFG)
            except FileNotFoundError:
                continue
            except OSError as error:
                log.debug("Cannot read %s: %s", path, error)
            except DockerConfigError:
                log.warning("Ignoring %s, which is no Docker configuration", path)  # the text might quote a password
            else:
                log.debug("Found Docker configuration %s", path)


def decode_docker_config(content: bytes, *, nested: bool) -> dict[str, Login]:
    """Return the credentials of a file by place; `nested` where they are below `auths`, as in config.json.

    Raises:
        DockerConfigError: the content is something else.
    """
    try:
        document = json.loads(content)
    except ValueError:
        raise DockerConfigError("must be JSON") from None
    if not isinstance(document, dict):
        raise DockerConfigError("must be an object")
    entries = document.get("auths", {}) if nested else document
    if not isinstance(entries, dict):
        raise DockerConfigError("auths must be an object")
    return {place: _login(entry) for place, entry in entries.items()}


def _login(entry: Any) -> Login:
    if not isinstance(entry, dict):
        raise DockerConfigError("an entry must be an object")
    texts = [entry.get(name) or "" for name in ("username", "password", "auth")]
    if not all(isinstance(text, str) for text in texts):
        raise DockerConfigError("username, password and auth must be texts")
    username, password, auth = texts
    if not auth:
        return Login(username, password)
    try:
        username, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise DockerConfigError("auth must be base64 of user:password") from None
    if not colon:
        raise DockerConfigError("auth must be base64 of user:password")
    return Login(username, password)
