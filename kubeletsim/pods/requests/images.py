"""How images are named in requests: the reference grammar, the default tag, and what goes beside the text.

Upstream: pkg/util/parsers/parsers.go, applyDefaultImageTag in pkg/kubelet/images/image_manager.go; the grammar is the
distribution project's reference format.
"""

import re

from lightkube.models.core_v1 import Pod

from kubeletsim.model.errors import go_quote
from kubeletsim.model.pod import annotations
from kubeletsim.model.requests import ImageSpec
from kubeletsim.pods.requests.node import RequestError

DEFAULT_TAG = "latest"
MAX_NAME = 255
DEFAULT_HOST, LEGACY_DEFAULT_HOST, OFFICIAL = "docker.io", "index.docker.io", "library"

_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = rf"(?:{_HOST}/)?{_PATH_PART}(?:/{_PATH_PART})*"
_TAG = r"[\w][\w.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(rf"(?P<name>{_NAME})(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?", re.ASCII)
_BARE_ID = re.compile(r"[a-f0-9]{64}")


def with_default_tag(image: str) -> str:
    """Return the reference with `:latest` added where it has neither tag nor digest.

    Raises:
        RequestError: it is no image reference; the container's waiting reason is InvalidImageName.
    """
    match = _REFERENCE.fullmatch(image)
    if match is None or len(match["name"]) > MAX_NAME or _BARE_ID.fullmatch(image):
        raise RequestError(
            f"Failed to apply default image tag {go_quote(image)}: couldn't parse image name {go_quote(image)}: "
            f"{_complaint(image)}"
        )
    return image if match["tag"] or match["digest"] else f"{image}:{DEFAULT_TAG}"


def repository(image: str) -> str:
    """Return what credentials and records know an image by: its full name, without tag and digest.

    `busybox:1` is `docker.io/library/busybox`, as docker has it (ParseNormalizedNamed in the distribution project).

    Raises:
        RequestError: as `with_default_tag`.
    """
    match = _REFERENCE.fullmatch(with_default_tag(image))
    return "/".join(_split_host(match["name"] if match is not None else image))


def image_spec(pod: Pod, image: str) -> ImageSpec:
    """Return how ImageStatus and PullImage name an image: with its tag, and the pod's annotations beside it.

    Raises:
        RequestError: as `with_default_tag`.
    """
    return ImageSpec(image=with_default_tag(image), annotations=annotations(pod))


def _split_host(name: str) -> tuple[str, str]:
    """Return the registry, the default one if none is named, and what comes after it."""
    host, slash, rest = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost" or host.lower() != host):
        host, rest = DEFAULT_HOST, name
    elif host == LEGACY_DEFAULT_HOST:
        host = DEFAULT_HOST
    if host == DEFAULT_HOST and "/" not in rest:
        rest = f"{OFFICIAL}/{rest}"
    return host, rest


def _complaint(image: str) -> str:
    path = _split_host(image)[1].partition(":")[0]
    if path != path.lower():
        return f"invalid reference format: repository name ({path}) must be lowercase"
    return "invalid reference format"
