"""The correlator: makes one event that counts of many that are the same, and holds back those who never stop.

Three steps for each event. One of ten or more different messages in ten minutes about one object for one reason is
*similar*, and the similar ones become a single event. An event seen before is not new: its count grows. At last each
object has a budget for its warnings and one for all else: 25 events at once, and after that one in five minutes.

Upstream: EventCorrelator in staging/src/k8s.io/client-go/tools/record/events_cache.go.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from kubeletsim.model.events import Event

REMEMBERED = 4096
"""How many keys each step remembers; the one not seen longest goes first."""
SIMILAR_EVENTS = 10
SIMILAR_SECONDS = 600.0
SPAM_BURST = 25
SPAM_REFILL_SECONDS = 300.0
COMBINED_PREFIX = "(combined from similar events): "

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedEvent:
    """An event as it is written down: how often it has happened, and since when."""

    event: Event
    name: str
    """Stays the same while the count grows."""
    first_at: float
    last_at: float
    """Unix seconds."""
    count: int = 1


@dataclass(slots=True)
class _Similar:
    messages: set[str] = field(default_factory=set)
    last_at: float = 0.0


@dataclass(slots=True)
class _Budget:
    left: float
    at: float


class EventCorrelator:
    """Remembers events and decides about the next."""

    def __init__(self) -> None:
        self._similar: _Recent[_Similar] = _Recent()
        self._counted: _Recent[CountedEvent] = _Recent()
        self._budgets: _Recent[_Budget] = _Recent()

    def correlate(self, event: Event, *, now: float) -> CountedEvent | None:
        """Return the event to write down, or None for one that is too much.

        Args:
            event: what happened.
            now: when it happened, in Unix seconds; may go back.
        """
        event, key = self._combine(event, now)
        counted = self._count(event, key, now)
        return counted if self._may_pass(event, now) else None

    def _combine(self, event: Event, now: float) -> tuple[Event, Hashable]:
        """Return the event under its own key, or the combined one under the key of all that are like it."""
        about = (event.regarding.kind, event.regarding.namespace, event.regarding.name, event.regarding.uid)
        alike = (*about, event.type, event.reason)
        similar = self._similar.get(alike)
        if similar is None or now - similar.last_at > SIMILAR_SECONDS:
            similar = _Similar()
        similar.messages.add(event.message)
        similar.last_at = now
        self._similar.put(alike, similar)
        if len(similar.messages) < SIMILAR_EVENTS:
            return event, (*alike, event.regarding.field_path, event.message)
        similar.messages.pop()  # one goes, so that the next different message is one too many again
        return replace(event, message=COMBINED_PREFIX + event.message), alike

    def _count(self, event: Event, key: Hashable, now: float) -> CountedEvent:
        before = self._counted.get(key)
        if before is None:
            name = f"{event.regarding.name}.{int(now * 1e9):x}"
            counted = CountedEvent(event=event, name=name, first_at=now, last_at=now)
        else:
            counted = replace(before, event=event, last_at=now, count=before.count + 1)
        self._counted.put(key, counted)
        return counted

    def _may_pass(self, event: Event, now: float) -> bool:
        about = (event.regarding.kind, event.regarding.namespace, event.regarding.name, event.regarding.uid, event.type)
        budget = self._budgets.get(about) or _Budget(left=SPAM_BURST, at=now)
        budget.left = min(SPAM_BURST, budget.left + max(0.0, now - budget.at) / SPAM_REFILL_SECONDS)
        budget.at = now
        passes = budget.left >= 1
        budget.left -= 1 if passes else 0
        self._budgets.put(about, budget)
        return passes


class _Recent(Generic[Value]):
    """A mapping that forgets what was not used for longest."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
