"""The keyring: credentials by the place they are for, and which of them fit an image.

A place is a registry's host, with or without a path below it, and its host may have wildcards in its parts. More than
one may fit: all are tried, the more specific place first. Upstream: pkg/credentialprovider/keyring.go.
"""

import fnmatch
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from kubeletsim.model.requests import AuthConfig

log = logging.getLogger(__name__)

DEFAULT_REGISTRY = "index.docker.io"
DEFAULT_HOSTS = ("docker.io", DEFAULT_REGISTRY)
API_PREFIXES = ("/v1/", "/v2/")


@dataclass(frozen=True, slots=True)
class Login:
    """A user and what proves it."""

    username: str
    password: str = field(repr=False)

    def auth_config(self) -> AuthConfig:
        """Return what goes to the runtime."""
        return AuthConfig(username=self.username, password=self.password)


class Keyring:
    """Credentials by place."""

    def __init__(self, *configs: Mapping[str, Login]) -> None:
        self._logins: dict[str, list[Login]] = {}
        for config in configs:
            for place, login in config.items():
                key = _key(place)
                if key is None:
                    log.error("Entry %r in dockercfg invalid, ignoring", place)
                else:
                    self._logins.setdefault(key, []).append(login)

    def lookup(self, repository: str) -> list[Login]:
        """Return the credentials that fit an image, given its full name without tag and digest."""
        # In reverse order of text, quay.io/coreos comes before quay.io.
        fitting = [key for key in sorted(self._logins, reverse=True) if location_matches(key, repository)]
        if not fitting and _is_in_default_registry(repository):
            fitting = [DEFAULT_REGISTRY]
        return [login for key in fitting for login in self._logins.get(key, ())]


def location_matches(pattern: str, location: str) -> bool:
    """Tell whether a place such as `*.example.com/team` covers another one, such as an image's name.

    The ports must be the same, the hosts have equally many parts, which match one by one, and the path of the pattern
    is a prefix of the other's.
    """
    want, have = _split(pattern), _split(location)
    if want is None or have is None:
        return False
    (want_host, want_port), (have_host, have_port) = _host_and_port(want), _host_and_port(have)
    want_parts, have_parts = want_host.split("."), have_host.split(".")
    return (
        want_port == have_port
        and len(want_parts) == len(have_parts)
        and have.path.startswith(want.path)
        and all(map(fnmatch.fnmatchcase, have_parts, want_parts))
    )


def _key(place: str) -> str | None:
    """Return a place without scheme, and without the path that only names the registry's API; None for no place."""
    split = _split(place.removeprefix("https://").removeprefix("http://"))
    if split is None:
        return None
    path = split.path[len("/v1") :] if split.path.startswith(API_PREFIXES) else split.path
    return split.netloc + (path if path != "/" else "")


def _split(place: str) -> SplitResult | None:
    try:
        return urlsplit(f"https://{place}")
    except ValueError:
        return None


def _host_and_port(split: SplitResult) -> tuple[str, str]:
    host, colon, port = split.netloc.rpartition(":")
    if not colon or port.endswith("]"):
        return split.netloc, ""
    return host.removeprefix("[").removesuffix("]"), port


def _is_in_default_registry(repository: str) -> bool:
    host, slash, _ = repository.partition("/")
    return bool(host) and (not slash or host in DEFAULT_HOSTS or not ("." in host or ":" in host))
