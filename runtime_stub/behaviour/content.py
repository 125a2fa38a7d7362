"""This module is the image that a reference yields: invented, but always the same for the same reference.

The content's key is the repository path and the tag, without the registry, so that the same image pulled from a mirror
is the same image; a catalogue may give several names one key. An image pulled by digest has that digest. Sizes and
layers follow from the content's hash; a busybox is small, anything else has 8 to 120 MB in 2 to 8 layers.
"""

import hashlib
from dataclasses import dataclass

from runtime_stub.state.references import Reference

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"

UNRESOLVABLE_TLD = ".invalid"
"""RFC 2606: no host below it ever resolves."""

DNS_SERVER = "10.0.0.10:53"
"""Who the runtime asks for names, according to its error messages."""

_SMALL_IMAGES = {"busybox": 2_160_000, "pause": 320_000}
_MIN_BYTES = 8_000_000
_SPAN_BYTES = 112_000_000


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an image."""

    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Content:
    """What a registry would hold for a reference."""

    digest: str
    """Of the manifest: what `repo@sha256:…` means."""
    config_digest: str
    """Of the configuration: the image's id."""
    layers: tuple[Layer, ...]

    @property
    def size_bytes(self) -> int:
        """Compressed size of all layers."""
        return sum(layer.size_bytes for layer in self.layers)


def content_of(reference: Reference, *, key: str = "") -> Content:
    """Return the content of a reference.

    Args:
        reference: one with a digest has that digest.
        key: what images of equal content share; empty for path and tag.
    """
    digest = reference.digest or _digest(f"manifest {key or f'{reference.path}:{reference.tag}'}")
    seed = hashlib.sha256(digest.encode()).digest()
    basename = reference.path.rpartition("/")[2]
    if (size := next((size for name, size in _SMALL_IMAGES.items() if basename.startswith(name)), 0)) > 0:
        layers = [size]
    else:
        total = _MIN_BYTES + int.from_bytes(seed[:4]) % _SPAN_BYTES
        shares = [1 + byte for byte in seed[4 : 6 + seed[31] % 7]]
        layers = [total * share // sum(shares) for share in shares]
    return Content(
        digest=digest,
        config_digest=_digest(f"config {digest}"),
        layers=tuple(Layer(_digest(f"layer {n} {digest}"), size) for n, size in enumerate(layers)),
    )


def resolves(reference: Reference) -> bool:
    """Tell whether the reference's registry has an address."""
    host = reference.domain.rpartition(":")[0] or reference.domain
    return not host.endswith(UNRESOLVABLE_TLD)


def resolve_error(reference: Reference) -> str:
    """Return the resolver's text for a registry without an address."""
    host = reference.registry_host.partition(":")[0]
    return f"dial tcp: lookup {host} on {DNS_SERVER}: no such host"


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
