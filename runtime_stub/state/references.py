"""This module is the image reference: `nginx` means `docker.io/library/nginx:latest`.

A name with both tag and digest is known by its digest alone, as containerd's ParseDockerRef has it. Upstream:
github.com/distribution/reference.
"""

import re
from dataclasses import dataclass

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
MAX_NAME_CHARS = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN = r"(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"  # noqa: E501  # one pattern
_PATH_PATTERN = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_DOMAIN_PATTERN = re.compile(_DOMAIN)
_TAG_PATTERN = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST_PATTERN = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}|sha384:[0-9a-f]{96}")
_HEX_ID = re.compile(r"[0-9a-f]{64}")


class InvalidReference(ValueError):  # becomes a Refusal where the call is known
    """The text names no image; the message is the reference library's."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference; either tag or digest is set, never both."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The repository: `docker.io/library/nginx`."""
        return f"{self.domain}/{self.path}"

    @property
    def registry_host(self) -> str:
        """Where the repository's registry answers."""
        return "registry-1.docker.io" if self.domain == DEFAULT_DOMAIN else self.domain

    @property
    def ping_url(self) -> str:
        """What tells a client whether the registry is there."""
        return f"https://{self.registry_host}/v2/"

    @property
    def manifest_url(self) -> str:
        """What a client asks the registry for first."""
        return f"https://{self.registry_host}/v2/{self.path}/manifests/{self.digest or self.tag}"

    def blob_url(self, digest: str) -> str:
        """Return where a blob of the repository is fetched from."""
        return f"https://{self.registry_host}/v2/{self.path}/blobs/{digest}"

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def parse_reference(text: str) -> Reference:
    """Return the reference that a user's text means.

    Raises:
        InvalidReference: it means none.
    """
    rest, _, digest = text.partition("@")
    if ("@" in text and not _DIGEST_PATTERN.fullmatch(digest)) or _HEX_ID.fullmatch(text):
        raise InvalidReference("invalid reference format")
    head, slash, tail = rest.rpartition("/")
    last, colon, tag = tail.partition(":")
    if colon and not _TAG_PATTERN.fullmatch(tag):
        raise InvalidReference("invalid reference format")
    domain, path = _split_domain(f"{head}{slash}{last}")
    if not _DOMAIN_PATTERN.fullmatch(domain) or not _PATH_PATTERN.fullmatch(path):
        capitals = f": repository name ({path}) must be lowercase" if path != path.lower() else ""
        raise InvalidReference(f"invalid reference format{capitals}")
    if len(domain) + 1 + len(path) > MAX_NAME_CHARS:
        raise InvalidReference(f"repository name must not be more than {MAX_NAME_CHARS} characters")
    return Reference(domain, path, "" if digest else tag or DEFAULT_TAG, digest)


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_domain = slash and (any(mark in first for mark in ".:") or first == "localhost" or first != first.lower())
    domain, path = (first, rest) if is_domain else (DEFAULT_DOMAIN, name)
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    return domain, path
