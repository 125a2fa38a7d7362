"""What watches the runtime, by the gates."""

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from kubeletsim.agent.watching import Watching
from kubeletsim.base.timing import LoopClock
from kubeletsim.model.runtime import PodUID
from tests.fakes.runtime import FakeRuntime

pytestmark = pytest.mark.looptime


def build(*gates: str) -> Watching:
    base: Any = SimpleNamespace(
        runtime=FakeRuntime(), clock=LoopClock(), rng=None, registry=CollectorRegistry(), gates=frozenset(gates)
    )
    return Watching.build(base)


async def test_events_are_followed_behind_their_gate_alone() -> None:
    assert set(build().health_checks) == {"PLEG"}
    assert set(build("EventedPLEG").health_checks) == {"PLEG", "EventedPLEG"}


@pytest.mark.parametrize("gates", [(), ("PLEGOnDemandRelist",)])
async def test_single_pods_are_looked_at_behind_theirs(gates: tuple[str, ...]) -> None:
    watching = build(*gates)

    watching.request_relist(PodUID("one"))

    assert watching.pleg._requests.qsize() == len(gates)
