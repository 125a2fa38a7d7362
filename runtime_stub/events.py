"""This module is the event stream of GetContainerEvents: every subscriber gets every event from its subscription on.

Events that happen while nobody listens are not kept: a kubelet lists the runtime before it trusts a stream. A
subscriber that does not read is cut off rather than remembered without bound.
"""

import asyncio
from collections.abc import Callable

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.state.records import Event, EventType
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.state.views import container_status, sandbox_status
from runtime_stub.state.world import World

MAX_WAITING_EVENTS = 10_000

_TYPES = {
    EventType.CREATED: pb.CONTAINER_CREATED_EVENT,
    EventType.STARTED: pb.CONTAINER_STARTED_EVENT,
    EventType.STOPPED: pb.CONTAINER_STOPPED_EVENT,
    EventType.DELETED: pb.CONTAINER_DELETED_EVENT,
}


class Events:
    """The subscribers, and the making of messages for them."""

    def __init__(self, world: World, now: Callable[[], int]) -> None:
        self._world = world
        self._now = now
        self._queues: set[asyncio.Queue[pb.ContainerEventResponse]] = set()

    def publish(self, event: Event) -> None:
        """Tell every subscriber, with the state of the whole pod as it is now."""
        if not self._queues:
            return
        message = pb.ContainerEventResponse(
            container_id=event.container_id,
            container_event_type=_TYPES[event.type],
            created_at=self._now(),
            pod_sandbox_status=sandbox_status(event.sandbox),
            containers_statuses=[container_status(one) for one in self._world.containers_of(event.sandbox.id)],
        )
        for queue in self._queues:
            if queue.qsize() <= MAX_WAITING_EVENTS:  # one beyond the limit tells the subscriber that it lags
                queue.put_nowait(message)

    def subscribe(self) -> "Subscription":
        """Return the stream of every event from this moment on."""
        return Subscription(self._queues)


class Subscription:
    """One subscriber's stream of events; closed by whoever asked for it."""

    def __init__(self, queues: set[asyncio.Queue[pb.ContainerEventResponse]]) -> None:
        self._queues = queues
        self._queue: asyncio.Queue[pb.ContainerEventResponse] = asyncio.Queue()
        queues.add(self._queue)

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> pb.ContainerEventResponse:
        """Return the next event.

        Raises:
            Refusal: the subscriber has fallen too far behind.
        """
        event = await self._queue.get()
        if self._queue.qsize() >= MAX_WAITING_EVENTS:
            raise Refusal(Reason.EVENTS_LAGGED, events=MAX_WAITING_EVENTS)
        return event

    def close(self) -> None:
        """Hear no more."""
        self._queues.discard(self._queue)
