"""This module is the subject: what a call, or a container event, is about, as rules select it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

EVENTS_RPC = "GetContainerEvents"

_NO_LABELS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Everything is empty that a call is not about: ListContainers is about no pod."""

    rpc: str
    pod: str = ""
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: _NO_LABELS)
    """The pod's, and on top of them the container's."""
    container: str = ""
    images: tuple[str, ...] = ()
    """All names of the image: as it was asked for, in full, without its registry."""
    event: str = ""
    """For GetContainerEvents: CREATED, STARTED, STOPPED or DELETED; empty for the call itself."""
    id: str = ""
    """The id that the call is about, as far as it has been made already."""

    @property
    def key(self) -> str:
        """What distinguishes this subject in each run alike; ids do not."""
        image = self.images[0] if self.images and not self.pod else ""
        return f"{self.rpc}/{self.namespace}/{self.pod}/{self.container}/{image}/{self.event}"

    def part(self, per: str) -> str:
        """Return that part of the key by which a rule counts: `rpc`, `pod`, `container` or `image`."""
        match per:
            case "pod":
                return f"{self.namespace}/{self.pod}"
            case "container":
                return f"{self.namespace}/{self.pod}/{self.container}"
            case "image":
                return self.images[0] if self.images else ""
            case _:
                return ""

    def __str__(self) -> str:
        """Return the subject as log lines mention it: `StartContainer of shop/web/app`."""
        about = "/".join(part for part in (self.namespace, self.pod, self.container) if part)
        about = about or (self.images[0] if self.images else "")
        name = f"{self.event} event" if self.event else self.rpc
        return f"{name} of {about}" if about else name
