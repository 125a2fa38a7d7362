"""This module is the pulling of an image: what PullImage, and a sandbox without its pause image, lend to the plan."""

from collections.abc import Iterable

from runtime_stub.behaviour.catalogue import Catalogue, Credential
from runtime_stub.behaviour.content import LAYER_TYPE, Content, Layer, resolve_error, resolves
from runtime_stub.machine import Machine
from runtime_stub.services.scene import Scene
from runtime_stub.state.records import Image
from runtime_stub.state.references import InvalidReference, Reference, parse_reference
from runtime_stub.state.refusals import Reason, Refusal

_BYTES_PER_MEGABYTE = 1_000_000


class Puller:
    """Brings images into the machine.

    Args:
        machine: where they go.
        id_prefix: what comes before the digits of an image's id.
        catalogue: what images are like.
    """

    def __init__(self, machine: Machine, *, id_prefix: str, catalogue: Catalogue) -> None:
        self._machine = machine
        self._catalogue = catalogue
        self._id_prefix = id_prefix
        self._kept: dict[str, int] = {}
        """Sizes by digest of the layers that have come of images that are not whole yet."""

    @property
    def kept_bytes(self) -> int:
        """How large the layers are that pulls have brought so far, of those under way and those that broke off."""
        return sum(self._kept.values())

    def id_of(self, reference: Reference) -> str:
        """Return the id that an image has, or would have."""
        return self._id_prefix + self._content(reference).config_digest.removeprefix("sha256:")

    def store(self, text: str, *, pinned: bool = False) -> Image:
        """Make an image present without a pull's delay.

        Raises:
            InvalidReference: the text names no image.
        """
        reference = parse_reference(text)
        content, id_ = self._content(reference), self.id_of(reference)
        self._machine.apply(
            self._machine.images.add(
                reference,
                id_=id_,
                digest=content.digest,
                size_bytes=content.size_bytes,
                pinned=pinned,
                user=self._catalogue.entry(reference).user,
            )
        )
        image = self._machine.images.find(id_)
        assert image is not None  # noqa: S101  # it was added a moment ago
        return image

    def scene(self, text: str, *, pinned: bool = False, credential: Credential | None = None) -> Scene:
        """Return the scene of an image being pulled.

        Args:
            text: which image.
            pinned: it is not to be collected.
            credential: what the caller brings along for the registry.

        Raises:
            Refusal: the text names no image.
        """
        try:
            reference = parse_reference(text)
        except InvalidReference as error:
            raise Refusal(Reason.IMAGE_REFERENCE_INVALID, image=text, cause=str(error)) from error
        content, id_ = self._content(reference), self.id_of(reference)
        scene = Scene(subject=str(reference), facts={**_facts(reference, content), "asked": text, "image_id": id_})

        def resolve() -> None:
            if not resolves(reference):
                raise Refusal(
                    Reason.REGISTRY_UNRESOLVED,
                    image=str(reference),
                    url=reference.manifest_url,
                    registry=reference.registry_host,
                    ping=reference.ping_url,
                    cause=resolve_error(reference),
                )
            required = self._catalogue.entry(reference).credentials
            if required and credential not in required:
                tag = reference.digest or reference.tag
                raise Refusal(Reason.PULL_DENIED, image=str(reference), name=reference.name, tag=tag)
            scene.facts["http_status"] = 200

        def layers() -> Iterable[Scene]:
            return [self._layer_scene(reference, layer) for layer in content.layers if layer.digest not in self._kept]

        def commit() -> None:
            self.store(text, pinned=pinned)
            for layer in content.layers:
                self._kept.pop(layer.digest, None)

        scene.steps = {"resolve": resolve, "commit": commit}
        scene.conditions = {"absent": lambda: self._machine.images.find(id_) is None}
        scene.groups = {"layers": layers}
        return scene

    def _content(self, reference: Reference) -> Content:
        return self._catalogue.content(reference)

    def _layer_scene(self, reference: Reference, layer: Layer) -> Scene:
        def keep() -> None:
            self._kept[layer.digest] = layer.size_bytes

        return Scene(facts=_layer_facts(reference, layer), steps={"keep": keep})


def _facts(reference: Reference, content: Content) -> dict[str, str | int | float | bool | tuple[str, ...]]:
    return {
        "image": str(reference),
        "registry": reference.registry_host.partition(":")[0],
        "manifest_url": reference.manifest_url,
        "config_url": reference.blob_url(content.config_digest),
        "manifest_digest": content.digest,
        "config_digest": content.config_digest,
    }


def _layer_facts(reference: Reference, layer: Layer) -> dict[str, str | int | float | bool | tuple[str, ...]]:
    return {
        "registry": reference.registry_host.partition(":")[0],
        "url": reference.blob_url(layer.digest),
        "media_type": LAYER_TYPE,
        "digest": layer.digest,
        "size": layer.size_bytes,
        "megabytes": layer.size_bytes / _BYTES_PER_MEGABYTE,
        "http_status": 200,
    }
