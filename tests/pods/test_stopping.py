"""Claims about stopping: all at once, sidecars last and backwards, nobody longer than granted, nothing twice."""

import asyncio
from typing import Any

import pytest
from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.errors import ActionFailure
from kubeletsim.model.events import Event
from kubeletsim.model.pod import all_containers, with_metadata
from kubeletsim.model.requests import ContainerConfig, ImageSpec, SandboxConfig
from kubeletsim.model.runtime import ContainerID, PodUID, SandboxID
from kubeletsim.pleg.reader import RuntimeReader
from kubeletsim.pods.actions import ContainerKill, KillReason
from kubeletsim.pods.hooks import HookRunner
from kubeletsim.pods.stopping import PodStopper, RunningPod
from tests.fakes.pods import UID, container, make_pod, sidecar
from tests.fakes.runtime import FakeRuntime, Life

pytestmark = pytest.mark.looptime
SANDBOX = SandboxConfig(name="web", namespace="default", uid=PodUID(UID))


class Stopping:
    """A pod whose containers all run, and its stopper."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.runtime = FakeRuntime()
        self.events: list[Event] = []
        hooks = HookRunner(
            self.runtime,
            observe=RuntimeReader(self.runtime, clock=LoopClock()).observe,
            record=self.events.append,
            registry=CollectorRegistry(),
        )
        self.stopper = PodStopper(self.runtime, hooks=hooks, clock=LoopClock(), record=self.events.append)
        self.running = RunningPod()

    async def start(self, **lives: Life) -> "Stopping":
        self.runtime.lives.update(lives)
        sandbox_id = await self.runtime.run_pod_sandbox(SANDBOX)
        ids = {}
        for one in all_containers(self.pod):
            config = ContainerConfig(name=one.name, image=ImageSpec(image="x"))
            ids[one.name] = await self.runtime.create_container(sandbox_id, config, SANDBOX)
            await self.runtime.start_container(ids[one.name])
        self.runtime.calls.clear()
        self.running = RunningPod(containers=tuple(ids.items()), sandboxes=(sandbox_id,))
        return self

    async def stop(self, **options: Any) -> list[ActionFailure]:
        return await self.stopper.stop_pod(self.pod, self.running, **options)

    def stops(self) -> dict[str, tuple[float, int]]:
        """Return when each container was asked to stop, and how long it got."""
        calls = [call for call in self.runtime.calls if call.rpc == "StopContainer"]
        return {call.args["container_id"].split("-")[0]: (call.at, call.args["timeout_seconds"]) for call in calls}


STUBBORN = Life(stops_after_seconds=None)


async def test_containers_stop_side_by_side_and_the_sandbox_after_them() -> None:
    stopping = await Stopping(make_pod(container("a"), container("b"))).start(a=STUBBORN, b=STUBBORN)

    assert await stopping.stop() == []

    assert stopping.stops() == {"a": (0, 2), "b": (0, 2)}
    assert [(call.rpc, call.at) for call in stopping.runtime.calls][-1] == ("StopPodSandbox", 2)
    assert [event.message for event in stopping.events] == ["Stopping container a", "Stopping container b"]


async def test_sidecars_wait_for_the_regular_containers_and_stop_backwards() -> None:
    pod = make_pod(container("app"), init=[sidecar("s1"), sidecar("s2")], terminationGracePeriodSeconds=30)
    stopping = await Stopping(pod).start(
        app=Life(stops_after_seconds=3), s2=Life(stops_after_seconds=4), s1=Life(stops_after_seconds=5)
    )

    await stopping.stop()

    assert stopping.stops() == {"app": (0, 30), "s2": (3, 27), "s1": (7, 23)}


async def test_a_sidecar_waits_no_longer_than_its_grace_and_then_gets_the_minimum() -> None:
    pod = make_pod(container("app"), init=[sidecar("side")], terminationGracePeriodSeconds=2)
    stopping = await Stopping(pod).start(app=STUBBORN, side=STUBBORN)

    await stopping.stop()

    assert stopping.stops() == {"app": (0, 2), "side": (2, 2)}


async def test_a_sidecar_whose_regular_containers_cannot_be_stopped_goes_on() -> None:
    pod = make_pod(container("app"), init=[sidecar("side")])
    stopping = await Stopping(pod).start()
    stopping.runtime.fail("StopContainer", "trouble")

    failures = await stopping.stop()

    assert set(stopping.stops()) == {"app", "side"}
    assert [str(failure) for failure in failures] == [
        'failed to "KillContainer" for "app" with KillContainerError: "rpc error: code = Unknown desc = trouble"'
    ]
    assert stopping.runtime.count("StopPodSandbox") == 1


@pytest.mark.parametrize(
    ("grace", "override", "granted"),
    [
        pytest.param(30, None, 30, id="the spec's"),
        pytest.param(30, 5, 5, id="the kill's"),
        pytest.param(0, None, 2, id="never less than two"),
        pytest.param(30, 0, 2, id="not even for a kill"),
    ],
)
async def test_the_grace_period_is_the_kills_or_the_specs(grace: int, override: int | None, granted: int) -> None:
    stopping = await Stopping(make_pod(terminationGracePeriodSeconds=grace)).start()

    await stopping.stop(grace_seconds=override)

    assert stopping.stops()["app"][1] == granted


async def test_a_deletion_with_its_own_grace_period_outranks_the_spec() -> None:
    pod = with_metadata(make_pod(terminationGracePeriodSeconds=30), deletionGracePeriodSeconds=7)
    stopping = await Stopping(pod).start()

    await stopping.stop()

    assert stopping.stops()["app"][1] == 7


async def test_a_failed_probe_may_have_a_grace_period_of_its_own() -> None:
    probe = {"exec": {"command": ["true"]}, "terminationGracePeriodSeconds": 9}
    stopping = await Stopping(make_pod(container("app", livenessProbe=probe), terminationGracePeriodSeconds=30)).start()
    (_, container_id) = stopping.running.containers[0]
    kill = ContainerKill(id=container_id, name="app", message="it failed", reason=KillReason.LIVENESS_PROBE)

    assert await stopping.stopper.stop_container(stopping.pod, kill) is None

    assert stopping.stops()["app"][1] == 9
    assert [event.message for event in stopping.events] == ["it failed"]


async def test_what_is_gone_counts_as_stopped() -> None:
    stopping = Stopping(make_pod())
    gone = RunningPod(containers=(("app", ContainerID("gone")),), sandboxes=(SandboxID("gone"),))

    assert await stopping.stopper.stop_pod(stopping.pod, gone) == []


async def test_a_sandbox_that_does_not_stop_is_a_failure_of_the_pod_and_the_others_are_stopped() -> None:
    stopping = await Stopping(make_pod()).start()
    stopping.running = RunningPod(sandboxes=(*stopping.running.sandboxes, SandboxID("gone")))
    stopping.runtime.fail("StopPodSandbox", "trouble")

    failures = await stopping.stop()

    assert [(failure.action, failure.target, failure.reason) for failure in failures] == [
        ("KillPodSandbox", UID, "KillPodSandboxError")
    ]
    assert stopping.runtime.count("StopPodSandbox") == 2


async def test_a_stop_that_is_cancelled_leaves_no_task_behind() -> None:
    stopping = await Stopping(make_pod(container("app"), init=[sidecar("side")])).start(app=STUBBORN)
    before = asyncio.all_tasks()
    task = asyncio.create_task(stopping.stop())
    await asyncio.sleep(1)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert asyncio.all_tasks() == before
