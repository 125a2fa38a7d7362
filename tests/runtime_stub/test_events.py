"""Events reach everybody who listens, and nobody is remembered without bound."""

import asyncio

import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.events import MAX_WAITING_EVENTS, Events
from runtime_stub.state.records import Event, EventType, Sandbox
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.state.world import World

CONFIG = pb.PodSandboxConfig(metadata=pb.PodSandboxMetadata(name="web"))
SANDBOX = Sandbox(id="s", wire_config=CONFIG.SerializeToString(), created_at=1, pid=1)
EVENT = Event(type=EventType.STARTED, container_id="s", sandbox=SANDBOX)


async def test_a_subscriber_hears_what_happens_from_then_on() -> None:
    events = Events(World(), lambda: 42)
    events.publish(EVENT)
    stream = events.subscribe()
    events.publish(EVENT)

    message = await anext(stream)
    assert (message.container_id, message.created_at, message.pod_sandbox_status.id) == ("s", 42, "s")


async def test_a_subscriber_that_does_not_read_is_cut_off() -> None:
    events = Events(World(), lambda: 42)
    stream = events.subscribe()
    for _ in range(MAX_WAITING_EVENTS + 10):
        events.publish(EVENT)

    with pytest.raises(Refusal) as refused:
        await anext(stream)
    assert refused.value.reason is Reason.EVENTS_LAGGED


async def test_a_closed_subscription_hears_no_more() -> None:
    events = Events(World(), lambda: 42)
    stream, other = events.subscribe(), events.subscribe()
    stream.close()
    events.publish(EVENT)

    assert (await anext(other)).container_id == "s"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 0)


class Clockwork:
    """A time that a test sets."""

    seconds = 0.0

    def __call__(self) -> int:
        return int(self.seconds * 1e9)


async def test_events_wait_five_minutes_for_the_first_subscriber() -> None:
    now = Clockwork()
    events = Events(World(), now)
    for now.seconds in (0, 100, 400):
        events.publish(EVENT)

    first, second = events.subscribe(), events.subscribe()

    assert [(await anext(first)).created_at for _ in range(2)] == [100_000_000_000, 400_000_000_000]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(second), 0)


async def test_what_waited_does_not_cut_the_first_subscriber_off() -> None:
    events = Events(World(), lambda: 42)
    for _ in range(MAX_WAITING_EVENTS + 10):
        events.publish(EVENT)

    assert (await anext(events.subscribe())).container_id == "s"


async def test_a_lost_event_is_passed_over() -> None:
    events = Events(World(), lambda: 42)
    events.loses = lambda event: "rule" if event.type is EventType.STARTED else None
    stream = events.subscribe()
    events.publish(EVENT)
    events.publish(Event(type=EventType.STOPPED, container_id="s", sandbox=SANDBOX))

    assert (await anext(stream)).container_event_type == pb.CONTAINER_STOPPED_EVENT
