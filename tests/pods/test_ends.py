"""Pods that end by themselves or by their deadline, or begin again: when, with which calls, with which status."""

import asyncio
from pathlib import Path

import pytest
from lightkube.models.core_v1 import Pod, PodCondition

from kubeletsim.model.pod import pod_uid
from tests.fakes.pods import container, make_pod
from tests.fakes.runtime import FakeRuntime, Life
from tests.pods.node import Node

pytestmark = pytest.mark.looptime
LOOKS = ("ListPodSandbox", "ListContainers", "PodSandboxStatus", "ContainerStatus", "Version", "ImageStatus")


def conditions(node: Node, pod: Pod) -> dict[str, PodCondition]:
    status = node.statuses.get(pod_uid(pod))
    assert status is not None
    return {condition.type: condition for condition in status.conditions or []}


def calls(node: Node, rpc: str) -> list[float]:
    return [call.at for call in node.runtime.calls if call.rpc == rpc]


@pytest.mark.parametrize(
    ("policy", "exit_code", "phase", "reason"),
    [
        ("Never", 0, "Succeeded", "Completed"),
        ("Never", 3, "Failed", "Error"),
        ("OnFailure", 0, "Succeeded", "Completed"),
    ],
)
async def test_a_pod_that_needs_no_restart_ends_with_its_containers(
    node: Node, policy: str, exit_code: int, phase: str, reason: str
) -> None:
    node.runtime.lives["app"] = Life(exits_after_seconds=5, exit_code=exit_code)
    pod = make_pod(restartPolicy=policy)

    async with node.running():
        await node.apply(pod)
        await asyncio.sleep(30)

        status = node.statuses.get(pod_uid(pod))
        assert status is not None
        assert (status.phase, status.reason) == (phase, None)
        (app,) = status.containerStatuses or []
        assert app.state is not None
        assert app.state.terminated is not None
        assert (app.state.terminated.exitCode, app.state.terminated.reason) == (exit_code, reason)
        assert (app.restartCount, app.ready, app.started) == (0, False, False)
        found = conditions(node, pod)
        ended = "PodCompleted" if phase == "Succeeded" else "PodFailed"
        for type_ in ("Ready", "ContainersReady"):
            assert (found[type_].status, found[type_].reason) == ("False", ended)
        assert found["Initialized"].status == "True"
        assert found["PodReadyToStartContainers"].status == "False"
        assert len(calls(node, "StartContainer")) == 1
        assert not calls(node, "StopContainer")
        assert len(calls(node, "StopPodSandbox")) == 1


async def test_a_pod_that_restarts_on_failure_succeeds_in_the_end(node: Node) -> None:
    node.runtime.lives["app"] = Life(exits_after_seconds=1, exit_code=1)
    pod = make_pod(restartPolicy="OnFailure")

    async with node.running():
        await node.apply(pod)
        await node.until(lambda: len(calls(node, "StartContainer")) == 1)
        node.runtime.lives["app"] = Life(exits_after_seconds=1)
        await node.until(lambda: node.phase(pod) == "Succeeded")

    assert len(calls(node, "StartContainer")) == 2


async def test_the_phase_waits_for_the_last_container_and_one_failure_decides_it(node: Node) -> None:
    node.runtime.lives.update(bad=Life(exits_after_seconds=2, exit_code=1), good=Life(exits_after_seconds=20))
    pod = make_pod(container("bad"), container("good"), restartPolicy="Never")

    async with node.running():
        await node.apply(pod)
        await asyncio.sleep(10)
        assert node.phase(pod) == "Running"
        await asyncio.sleep(15)
        assert node.phase(pod) == "Failed"


async def test_a_pod_that_has_ended_does_not_begin_again_when_the_kubelet_does(
    tmp_path: Path, runtime: FakeRuntime
) -> None:
    runtime.lives["app"] = Life(exits_after_seconds=1)
    pod = make_pod(restartPolicy="Never")
    first = Node(tmp_path, runtime)
    async with first.running():
        await first.apply(pod)
        await asyncio.sleep(10)

    second = Node(tmp_path, runtime)
    async with second.running():
        await second.apply(pod)
        await asyncio.sleep(30)

    assert second.phase(pod) == "Succeeded"
    assert len(calls(second, "RunPodSandbox")) == len(calls(second, "StartContainer")) == 1


async def test_a_pod_is_ended_within_two_seconds_of_its_deadline(node: Node) -> None:
    node.runtime.lives["app"] = Life(stops_after_seconds=None)
    pod = make_pod(activeDeadlineSeconds=30, terminationGracePeriodSeconds=5)

    async with node.running():
        await node.apply(pod)
        await asyncio.sleep(60)

    status = node.statuses.get(pod_uid(pod))
    assert status is not None
    assert (status.phase, status.reason) == ("Failed", "DeadlineExceeded")
    assert status.message == "Pod was active on the node longer than the specified deadline"
    assert status.startTime is not None
    (stopped,) = calls(node, "StopContainer")
    deadline = status.startTime.timestamp() + 30 - node.clock.epoch
    assert deadline <= stopped <= deadline + 2
    (stop,) = (call for call in node.runtime.calls if call.rpc == "StopContainer")
    assert stop.args["timeout_seconds"] == 5
    assert conditions(node, pod)["Ready"].reason == "PodFailed"
    reasons = {event.reason: event.type for event in node.events}
    assert reasons["DeadlineExceeded"] == "Normal"


async def test_after_its_deadline_nothing_of_a_pod_is_started_again(node: Node) -> None:
    node.runtime.lives["app"] = Life(exits_after_seconds=3, exit_code=1)
    pod = make_pod(activeDeadlineSeconds=20)

    async with node.running():
        await node.apply(pod)
        await asyncio.sleep(120)
        assert node.phase(pod) == "Failed"

    assert max(calls(node, "StartContainer")) < 22


async def test_a_pod_that_ends_before_its_deadline_keeps_its_outcome(node: Node) -> None:
    node.runtime.lives["app"] = Life(exits_after_seconds=3)
    pod = make_pod(activeDeadlineSeconds=20, restartPolicy="Never")

    async with node.running():
        await node.apply(pod)
        await asyncio.sleep(60)

    assert node.phase(pod) == "Succeeded"
    assert "DeadlineExceeded" not in node.reasons()


async def test_an_exit_that_asks_for_it_restarts_every_container_in_the_same_sandbox(node: Node) -> None:
    rule = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}
    trigger = container("trigger", restartPolicy="Never", restartPolicyRules=[rule])
    pod = make_pod(trigger, container("other"), init=[container("i")], terminationGracePeriodSeconds=30)
    node.runtime.lives.update(i=Life(exits_after_seconds=0.1), other=Life(stops_after_seconds=None))
    async with node.running():
        await node.apply(pod)
        await node.until(lambda: node.phase(pod) == "Running")
        before = {one.name: one.id for one in node.runtime.running()}
        node.runtime.calls.clear()
        node.runtime.exit("trigger", code=42)
        await node.until(lambda: len(node.runtime.running()) == 2 and not before.items() & _ids(node.runtime).items())
        await asyncio.sleep(2)

    assert node.runtime.names(ignoring=LOOKS) == [
        "StopContainer",
        *("RemoveContainer",) * 3,
        *("CreateContainer", "StartContainer") * 3,
    ]
    (stop,) = (call for call in node.runtime.calls if call.rpc == "StopContainer")
    assert stop.args["timeout_seconds"] == 2  # without any grace, which is the least there is
    assert [event.message for event in node.events if event.reason == "Killing"] == ["killing"]
    status = node.statuses.get(pod_uid(pod))
    assert status is not None
    assert [(one.name, one.restartCount) for one in status.containerStatuses or []] == [("other", 1), ("trigger", 1)]
    assert len(node.runtime.sandboxes()) == 1
    assert node.phase(pod) == "Running"


def _ids(runtime: FakeRuntime) -> dict[str, str]:
    return {one.name: one.id for one in runtime.running()}
