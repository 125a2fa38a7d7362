"""This module is the image store: content by id, and the tags and digests under which it is known.

One id may have many names, also of different registries; a tag names one id at a time. Removing an image by any of its
names removes all of them, as the CRI demands. Upstream: internal/cri/store/image.
"""

from dataclasses import replace

from runtime_stub.state.identifiers import LookupFailure, Shelf
from runtime_stub.state.records import Change, Image
from runtime_stub.state.references import InvalidReference, Reference, parse_reference

DIGEST_PREFIX = "sha256:"


class Images:
    """Every image that is present."""

    def __init__(self) -> None:
        self._images: Shelf[Image] = Shelf()
        self._ids: dict[str, str] = {}  # by tag and by digest
        self._bare: Shelf[str] = Shelf()  # ids by their digits alone, for short ids

    def __len__(self) -> int:
        return len(self._images)

    def all(self) -> list[Image]:
        """Return every image, oldest first."""
        return self._images.values()

    def restore(self, image: Image) -> None:
        """Take in an image that an earlier run wrote down."""
        self._put(image)

    def add(
        self,
        reference: Reference,
        *,
        id_: str,
        digest: str,
        size_bytes: int,
        pinned: bool = False,
        user: str = "",
    ) -> Change:
        """Record that content was pulled under a name; a tag that meant another image moves to this one."""
        name = str(reference)
        tag = () if reference.digest else (name,)
        changes = [self._without_tag(name, keep=id_)] if tag else []
        known = self._images.get(id_) or Image(id=id_, size_bytes=size_bytes, user=user)
        image = replace(
            known,
            tags=_with(known.tags, *tag),
            digests=_with(known.digests, f"{reference.name}@{digest}"),
            pinned=known.pinned or pinned,
        )
        self._put(image)
        return Change(saved=(*(saved for change in changes for saved in change.saved), image))

    def find(self, text: str) -> Image | None:
        """Return the image that a text names: an id, a unique beginning of one, a tag, a digest, or a short name."""
        if (image := self._images.get(text)) is not None:
            return image
        try:
            if (id_ := self._ids.get(str(parse_reference(text)))) is not None:
                return self._images[id_]
        except InvalidReference:
            pass  # it may still be an id
        try:
            return self._images[self._bare.resolve(text.removeprefix(DIGEST_PREFIX))]
        except LookupFailure:
            return None

    def remove(self, image: Image) -> Change:
        """Forget an image under all its names."""
        for name in (*image.tags, *image.digests):
            self._ids.pop(name, None)
        del self._images[image.id]
        del self._bare[image.id.removeprefix(DIGEST_PREFIX)]
        return Change(removed=(image,))

    def _put(self, image: Image) -> None:
        self._images[image.id] = image
        self._bare[image.id.removeprefix(DIGEST_PREFIX)] = image.id
        for name in (*image.tags, *image.digests):
            self._ids[name] = image.id

    def _without_tag(self, tag: str, *, keep: str) -> Change:
        holder = self._ids.get(tag)
        if holder is None or holder == keep:
            return Change()
        image = replace(self._images[holder], tags=tuple(one for one in self._images[holder].tags if one != tag))
        self._images[holder] = image
        return Change(saved=(image,))


def _with(names: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*names, *more)))
