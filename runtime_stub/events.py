"""This module is the event stream of GetContainerEvents: every subscriber gets every event from its subscription on.

Events that happen while nobody listens are not kept: a kubelet lists the runtime before it trusts a stream. A
subscriber that does not read is cut off rather than remembered without bound.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

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

    async def subscribe(self) -> AsyncIterator[pb.ContainerEventResponse]:
        """Yield events until the caller leaves.

        Raises:
            Refusal: the caller is too slow.
        """
        queue: asyncio.Queue[pb.ContainerEventResponse] = asyncio.Queue()
        self._queues.add(queue)
        try:
            while True:
                event = await queue.get()
                if queue.qsize() >= MAX_WAITING_EVENTS:
                    raise Refusal(Reason.EVENTS_LAGGED, events=MAX_WAITING_EVENTS)
                yield event
        finally:
            self._queues.discard(queue)
