"""The Kubernetes events a node records about its pods and itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectReference:
    """What an event is about."""

    kind: str
    name: str
    namespace: str = ""
    uid: str = ""
    field_path: str = ""
    """`spec.containers{name}` for an event about one container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One occurrence; aggregation and delivery are the recorder's business."""

    regarding: ObjectReference
    type: Literal["Normal", "Warning"] = "Normal"
    reason: str
    message: str


EventRecorder = Callable[[Event], None]
"""Takes an event at once and never fails; what it does with it is its own business."""
