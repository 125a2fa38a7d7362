"""This module is the event stream of GetContainerEvents: every subscriber gets every event from its subscription on.

While nobody listens, events wait for up to five minutes, and the first subscriber gets them; more than ten thousand
never wait. A subscriber that does not read is cut off rather than remembered without bound. Upstream: containerd's
internal/eventq.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from opentelemetry import trace

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.state.records import Container, Event, EventType
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.state.views import container_status, sandbox_status
from runtime_stub.state.world import World

MAX_WAITING_EVENTS = 10_000
WAITING_SECONDS = 300.0
"""containerd's `discardAfter`."""
_LARGEST_POD = 100
"""Of a pod with more containers no event keeps the state it left: that would take the square of their number."""

_TYPES = {
    EventType.CREATED: pb.CONTAINER_CREATED_EVENT,
    EventType.STARTED: pb.CONTAINER_STARTED_EVENT,
    EventType.STOPPED: pb.CONTAINER_STOPPED_EVENT,
    EventType.DELETED: pb.CONTAINER_DELETED_EVENT,
}


class _Occurrence:
    """An event with the state of its pod at that time, from records that never change; a message once it is read."""

    __slots__ = ("_containers", "_event", "_message", "at", "lost_by")

    def __init__(self, event: Event, containers: list[Container] | None, *, at: int, lost_by: str | None) -> None:
        self._event = event
        self._containers = containers
        self._message: pb.ContainerEventResponse | None = None
        self.at = at
        self.lost_by = lost_by
        """The rule because of which nobody hears of it."""

    def message(self, world: World) -> pb.ContainerEventResponse:
        """Return what subscribers are told; of a huge pod with its state in the world as it is now."""
        if self._message is None:
            sandbox = self._event.sandbox
            containers = world.containers_of(sandbox.id) if self._containers is None else self._containers
            self._message = pb.ContainerEventResponse(
                container_id=self._event.container_id,
                container_event_type=_TYPES[self._event.type],
                created_at=self.at,
                pod_sandbox_status=sandbox_status(sandbox),
                containers_statuses=[container_status(one) for one in containers],
            )
        return self._message

    def note_loss(self) -> None:
        """Show on the span of a stream what its client does not hear."""
        trace.get_current_span().add_event(
            "stub.fault",
            {
                "stub.fault": "loseEvent",
                "stub.fault.rule": self.lost_by or "",
                "container.id": self._event.container_id,
                "event.type": self._event.type.name,
            },
        )


_Queue = asyncio.Queue[_Occurrence]


class Events:
    """The subscribers, and what waits for the first of them.

    Args:
        world: where the rest of an event's pod is found.
        now: the time in Unix nanoseconds.
    """

    def __init__(self, world: World, now: Callable[[], int]) -> None:
        self._world = world
        self._now = now
        self._queues: set[_Queue] = set()
        self._waiting: deque[_Occurrence] = deque(maxlen=MAX_WAITING_EVENTS)
        self.loses: Callable[[Event], str | None] = lambda _event: None
        """Names the rule that keeps an event from being told."""

    def publish(self, event: Event) -> None:
        """Tell every subscriber, with the state of the whole pod as it is now."""
        occurrence = _Occurrence(event, self._state_of(event.sandbox.id), at=self._now(), lost_by=self.loses(event))
        if not self._queues:
            self._forget_the_old()
            self._waiting.append(occurrence)
        for queue in self._queues:
            if queue.qsize() <= MAX_WAITING_EVENTS:  # one beyond the limit tells the subscriber that it lags
                queue.put_nowait(occurrence)

    def subscribe(self) -> "Subscription":
        """Return the stream of every event from this moment on, and of those that nobody has heard."""
        self._forget_the_old()
        subscription = Subscription(self._world, self._queues, self._waiting)
        self._waiting.clear()
        return subscription

    def _state_of(self, sandbox_id: str) -> list[Container] | None:
        """Return the containers of a pod as they are now; None for a huge one."""
        return None if self._world.count_of(sandbox_id) > _LARGEST_POD else self._world.containers_of(sandbox_id)

    def _forget_the_old(self) -> None:
        limit = self._now() - int(WAITING_SECONDS * 1e9)
        while self._waiting and self._waiting[0].at < limit:
            self._waiting.popleft()


class Subscription:
    """One subscriber's stream of events; closed by whoever asked for it."""

    def __init__(self, world: World, queues: set[_Queue], waiting: deque[_Occurrence]) -> None:
        self._world = world
        self._queues = queues
        self._queue: _Queue = asyncio.Queue()
        for occurrence in list(waiting)[1 - MAX_WAITING_EVENTS :]:  # these alone do not make it lag
            self._queue.put_nowait(occurrence)
        queues.add(self._queue)

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> pb.ContainerEventResponse:
        """Return the next event.

        Raises:
            Refusal: the subscriber has fallen too far behind.
        """
        while True:
            occurrence = await self._queue.get()
            if self._queue.qsize() >= MAX_WAITING_EVENTS:
                raise Refusal(Reason.EVENTS_LAGGED, events=MAX_WAITING_EVENTS)
            if occurrence.lost_by is None:
                return occurrence.message(self._world)
            occurrence.note_loss()

    def close(self) -> None:
        """Hear no more."""
        self._queues.discard(self._queue)
