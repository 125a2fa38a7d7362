"""This module is the rule: which calls it is about, when it acts, and what it does to them.

Rules are values. The file and the control API write them down (`runtime_stub.rule_schema`); what a field is called
there is what it is called here, in snake case and with its unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType

from runtime_stub.behaviour.distributions import Distribution
from runtime_stub.behaviour.rules.subject import EVENTS_RPC, Subject

START = "start"
"""The place before a call has done anything."""
ANSWER = "answer"
"""The place where a call has done everything and its answer would leave."""

Globs = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which calls: every field that is set must match, each with one of its patterns."""

    rpc: Globs = ()
    pod: Globs = ()
    namespace: Globs = ()
    labels: Mapping[str, Globs] = field(default_factory=lambda: MappingProxyType({}))
    container: Globs = ()
    image: Globs = ()
    event: Globs = ()

    def matches(self, subject: Subject) -> bool:
        """Tell whether a call is one of them."""
        if subject.event and not (self.event or EVENTS_RPC in self.rpc):
            return False  # events are nobody's by accident: `rpc: "*"` means calls
        return (
            _one_of(self.rpc, subject.rpc)
            and _one_of(self.pod, subject.pod)
            and _one_of(self.namespace, subject.namespace)
            and _one_of(self.container, subject.container)
            and _one_of(self.event, subject.event)
            and (not self.image or any(_one_of(self.image, name) for name in subject.images))
            and all(key in subject.labels and _one_of(globs, subject.labels[key]) for key, globs in self.labels.items())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """When, among the calls that match. Calls are counted from 1, each RPC on its own."""

    probability: float = 1.0
    every: int = 1
    """Only the n-th, 2n-th … of the calls that are not skipped."""
    skip: int = 0
    """Not the first so many."""
    first: int | None = None
    """Only the first so many that are not skipped."""
    times: int | None = None
    """Not after it has acted so often."""
    per: str = "rpc"
    """What is counted apart: `rpc`, or each `pod`, `container` or `image` of an RPC."""
    from_seconds: float = 0.0
    """Not earlier than so long after the rules came into force."""
    until_seconds: float | None = None

    def admits(self, number: int, *, acted: int, elapsed_seconds: float) -> bool:
        """Tell whether the rule may act on a call, before chance has its say."""
        counted = number - self.skip
        return (
            counted > 0
            and counted % self.every == 0
            and (self.first is None or counted <= self.first)
            and (self.times is None or acted < self.times)
            and elapsed_seconds >= self.from_seconds
            and (self.until_seconds is None or elapsed_seconds < self.until_seconds)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowness:
    """How long a call takes in place of what the profile says."""

    add: Distribution | None = None
    """So much more: spread over the call's pieces of work in proportion, or at the piece `at`."""
    total: Distribution | None = None
    """So long altogether; the pieces shrink or grow in proportion."""
    factor: float = 1.0
    """Each piece, or the piece `at`, takes so many times as long."""
    bytes_per_second: float | None = None
    """Layers of an image arrive at this rate."""
    at: str = ""
    """The name of a piece of work, such as `cni.setup`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a call a fault strikes."""

    at: str = START
    """`start`, `answer`, or the name of a piece of work, which takes its time and then fails."""
    occurrence: int = 1
    """At the how manieth time the call comes to that piece: the third layer of an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """The call fails with a gRPC status."""

    code: str
    message: str
    keep: bool = False
    """What the call has made so far stays behind, as when cleaning up fails, too."""


@dataclass(frozen=True, slots=True)
class Hang:
    """The call goes no further until its caller gives up."""


@dataclass(frozen=True, slots=True)
class Reset:
    """All connections to the runtime are cut; calls in flight end as they do when a runtime crashes."""


@dataclass(frozen=True, slots=True)
class Oversize:
    """The answer is larger than a client takes."""


@dataclass(frozen=True, slots=True)
class LostEvent:
    """A container event is told to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Status says that a condition is not met."""

    type: str
    reason: str = ""
    message: str = ""


Fault = Error | Hang | Reset | Oversize | LostEvent | Condition

KINDS: Mapping[type, str] = MappingProxyType(
    {
        Error: "error",
        Hang: "hang",
        Reset: "reset",
        Oversize: "oversize",
        LostEvent: "loseEvent",
        Condition: "condition",
    }
)
"""What faults are called in the file, on spans and in counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: a slowness, a fault, or both."""

    name: str
    match: Selector = Selector()
    when: Occasion = Occasion()
    latency: Slowness | None = None
    fault: Fault | None = None
    place: Place = Place()
    written: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), compare=False)
    """The rule as its author wrote it."""


def _one_of(globs: Globs, value: str) -> bool:
    return not globs or any(fnmatchcase(value, glob) for glob in globs)
