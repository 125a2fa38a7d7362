"""Claims about reading pods: what belongs together is found together, newest first; what went away is left out."""

import asyncio

import pytest

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.errors import CRIError, NotFound
from kubeletsim.model.requests import ContainerConfig, ImageSpec, SandboxConfig
from kubeletsim.model.runtime import ContainerState, PodUID
from kubeletsim.pleg.reader import RuntimeReader
from tests.fakes.runtime import FakeRuntime

pytestmark = pytest.mark.looptime
UID = PodUID("uid-1")


async def add_pod(runtime: FakeRuntime, *containers: str, uid: str = UID, attempt: int = 0) -> None:
    labels = {"io.kubernetes.pod.uid": uid, "io.kubernetes.pod.name": "web", "io.kubernetes.pod.namespace": "default"}
    sandbox = SandboxConfig(name="web", namespace="default", uid=PodUID(uid), attempt=attempt, labels=labels)
    sandbox_id = await runtime.run_pod_sandbox(sandbox)
    for name in containers:
        config = ContainerConfig(name=name, image=ImageSpec(image="busybox"), labels=labels)
        await runtime.start_container(await runtime.create_container(sandbox_id, config, sandbox))
        await asyncio.sleep(1)
    runtime.calls.clear()


async def test_lists_become_pods_by_uid() -> None:
    runtime = FakeRuntime()
    await add_pod(runtime, "a", "b")
    await add_pod(runtime, "c", uid="uid-2")

    pods = await RuntimeReader(runtime, clock=LoopClock()).list_pods()

    assert {uid: [one.name for one in pod.containers] for uid, pod in pods.items()} == {
        "uid-1": ["b", "a"],
        "uid-2": ["c"],
    }
    assert (pods[UID].name, pods[UID].namespace) == ("web", "default")


async def test_observing_a_pod_takes_two_lists_and_a_status_each() -> None:
    runtime = FakeRuntime()
    await add_pod(runtime, "a", "b")

    observed = await RuntimeReader(runtime, clock=LoopClock()).observe(UID)

    assert runtime.names() == [
        "ListPodSandbox",
        "ListContainers",
        "PodSandboxStatus",
        "ContainerStatus",
        "ContainerStatus",
    ]
    assert runtime.calls[0].args["labels"] == {"io.kubernetes.pod.uid": UID}
    assert [one.name for one in observed.containers] == ["b", "a"]
    assert observed.ips == observed.sandboxes[0].ips != ()


async def test_a_pod_the_runtime_does_not_know_is_empty() -> None:
    observed = await RuntimeReader(FakeRuntime(), clock=LoopClock()).observe(UID)

    assert (observed.uid, observed.sandboxes, observed.containers) == (UID, (), ())


async def test_only_what_runs_is_listed_when_only_that_is_wanted() -> None:
    runtime = FakeRuntime()
    await add_pod(runtime, "a", "b")
    runtime.exit("a")

    pods = await RuntimeReader(runtime, clock=LoopClock()).list_pods(running_only=True)

    assert [(one.name, one.state) for one in pods[UID].containers] == [("b", ContainerState.RUNNING)]


@pytest.mark.parametrize("rpc", ["PodSandboxStatus", "ContainerStatus"])
async def test_what_goes_away_between_list_and_status_is_left_out_but_trouble_is_not(rpc: str) -> None:
    runtime = FakeRuntime()
    await add_pod(runtime, "a")
    reader = RuntimeReader(runtime, clock=LoopClock())

    runtime.fail(rpc, NotFound("gone", code="NotFound"))
    observed = await reader.observe(UID)
    assert len(observed.sandboxes) + len(observed.containers) == 1

    runtime.fail(rpc, "trouble")
    with pytest.raises(CRIError, match="trouble"):
        await reader.observe(UID)
