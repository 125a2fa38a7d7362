"""This module is the catalogue: what is known of images besides their names. All of it is data.

An entry says which images it is about and what they are like: whose content they share, which user they run as, what
they run, where they answer, which files they hold. The configuration's entries come before those of well-known images,
and the first that matches counts. An image without an entry runs as root, runs a server and has the files of a small
Linux.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType

from runtime_stub.behaviour.content import Content, content_of
from runtime_stub.behaviour.service import Service
from runtime_stub.state.references import Reference

NO_FILES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What opens a registry: a user with a password, or a token."""

    username: str = ""
    password: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEntry:
    """What images of a name are like."""

    name: str
    """Repository path, or path and tag, without the registry; `*` stands for anything: `*/nginx`, `tools/web:1.*`."""
    content: str = ""
    """Images with the same content key are one image. Empty: the path and the tag."""
    user: str = ""
    """`uid`, `uid:group`, `name` or `name:group`, as an image's configuration has it."""
    command: tuple[str, ...] = ()
    """Entry point, which arguments follow; empty: a server, in a busybox a shell."""
    arguments: tuple[str, ...] = ()
    """What follows the entry point unless the container says otherwise."""
    title: str = ""
    """What its server calls itself in the list of processes; empty: its command line."""
    environment: Mapping[str, str] = field(default_factory=lambda: NO_FILES)
    """Variables that a container's own go over."""
    working_directory: str = ""
    """Where commands begin unless the container says otherwise; empty: the root."""
    credentials: tuple[Credential, ...] = ()
    """Any of these a pull has to bring along; none: anybody may pull."""
    published: Content | None = None
    """Digests and layers of a real image; None: they follow from the name."""
    serves: tuple[Service, ...] | None = None
    """What the image's own command answers, and where. None: anything healthy, on the ports that the pod declares."""
    banner: str = ""
    """What the image's own command writes to stderr when it starts."""
    files: Mapping[str, str] = field(default_factory=lambda: NO_FILES)
    """Contents by absolute path, on top of the files that every image has."""


class Catalogue:
    """Entries in the order in which they are asked."""

    def __init__(self, entries: Iterable[ImageEntry] = ()) -> None:
        self._entries = tuple(entries)

    def entry(self, reference: Reference) -> ImageEntry:
        """Return what is known of an image; an entry without facts when nothing is."""
        names = (reference.path, f"{reference.path}:{reference.tag}" if reference.tag else reference.path)
        found = (one for one in self._entries if any(fnmatchcase(name, one.name) for name in names))
        return next(found, ImageEntry(name=reference.path))

    def content(self, reference: Reference) -> Content:
        """Return what a registry would hold for an image."""
        entry = self.entry(reference)
        if entry.published is not None and reference.digest in ("", entry.published.digest):
            return entry.published
        return content_of(reference, key=entry.content)
