"""This module is the scene: what a handler lends to a plan for one call."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from runtime_stub.behaviour.plan import Scalar

Step = Callable[[], Awaitable[None] | None]


def nothing() -> None:
    """Do nothing; the clean-up of scenes that leave nothing behind."""


@dataclass(slots=True, kw_only=True)
class Scene:
    """Facts, steps, conditions and groups under the names that plans use."""

    subject: str = ""
    """What the call is about: a pod, a container, an image. The same in each run: latencies are drawn by it."""
    facts: dict[str, Scalar] = field(default_factory=dict)
    """What attributes show; a step may add to them, and attributes of open spans follow."""
    steps: Mapping[str, Step] = field(default_factory=dict)
    conditions: Mapping[str, Callable[[], bool]] = field(default_factory=dict)
    """Asked at the moment when the plan comes to them."""
    groups: Mapping[str, Callable[[], Iterable["Scene"]]] = field(default_factory=dict)
    leave: Callable[[], None] = nothing
    """Called when the call fails and what it has made is to stay behind."""
    clean_up: Callable[[], None] = nothing
    """Called when the plan is through with the scene, whether or not it came to its end."""
