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
