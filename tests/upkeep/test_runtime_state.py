"""The runtime check: upstream's words for what is wrong, and when it stops being believed."""

import asyncio
import random

import pytest

from kubeletsim.model.runtime import RuntimeCondition, RuntimeStatus
from kubeletsim.upkeep.runtime_state import RuntimeState

NOT_YET = "container runtime status check may not have completed yet"


@pytest.fixture
def state(node, clock):
    return RuntimeState(node.cri, clock=clock, rng=random.Random(1))


@pytest.mark.looptime
async def test_before_the_first_status_nothing_is_known(state):
    assert state.runtime_errors() == [NOT_YET]
    assert state.network_errors() == ["network state unknown"]


@pytest.mark.looptime
async def test_a_ready_runtime_has_no_errors_and_wakes_what_waits_for_it(state):
    waiting = asyncio.create_task(state.wait_ready())
    await state.check()
    await waiting

    assert state.runtime_errors() == []
    assert state.network_errors() == []


@pytest.mark.looptime
async def test_status_is_asked_for_every_five_seconds(state, node):
    task = asyncio.create_task(state.run())
    await asyncio.sleep(11)
    task.cancel()

    assert [round(call.at) for call in node.cri.calls] == [0, 5, 10]


@pytest.mark.looptime
async def test_a_runtime_that_went_away_is_believed_for_thirty_seconds(state, node):
    task = asyncio.create_task(state.run())
    await asyncio.sleep(1)
    node.cri.down = True
    await asyncio.sleep(28)
    assert state.runtime_errors() == []
    await asyncio.sleep(2)
    assert state.runtime_errors() == ["container runtime is down"]

    node.cri.down = False
    await asyncio.sleep(5)
    assert state.runtime_errors() == []
    task.cancel()


@pytest.mark.looptime
async def test_a_missing_network_holds_back_the_network_alone(state, node):
    node.cri.conditions["NetworkReady"] = False
    await state.check()

    assert state.runtime_errors() == []
    assert state.network_errors() == ["container runtime network not ready: NetworkReady=false reason: message:"]


class Telling:
    """A runtime that says just this."""

    def __init__(self, *conditions: RuntimeCondition) -> None:
        self.conditions = conditions

    async def status(self) -> RuntimeStatus:
        return RuntimeStatus(conditions=self.conditions)


@pytest.mark.looptime
async def test_a_runtime_that_is_not_ready_says_why_and_counts_as_no_good_status(clock):
    condition = RuntimeCondition(type="RuntimeReady", status=False, reason="Starting", message="cni not initialized")
    state = RuntimeState(Telling(condition), clock=clock, rng=random.Random(1))
    await state.check()

    assert state.runtime_errors() == [
        NOT_YET,
        "container runtime not ready: RuntimeReady=false reason:Starting message:cni not initialized",
    ]
    assert state.network_errors() == ["container runtime network not ready: <nil>"]


@pytest.mark.looptime
async def test_health_checks_are_named_in_front_of_what_they_say(node, clock):
    problem: list[str] = ["pleg has yet to be successful"]
    state = RuntimeState(
        node.cri,
        clock=clock,
        rng=random.Random(1),
        health_checks={"PLEG": lambda: problem[0] if problem else None},
    )
    await state.check()
    assert state.runtime_errors() == ["PLEG is not healthy: pleg has yet to be successful"]
    problem.clear()
    assert state.runtime_errors() == []


@pytest.mark.looptime
async def test_a_lasting_condition_is_logged_once(state, node, caplog):
    node.cri.conditions["NetworkReady"] = False
    for _ in range(3):
        await state.check()

    assert [record.getMessage() for record in caplog.records] == [
        "container runtime network not ready: NetworkReady=false reason: message:"
    ]
