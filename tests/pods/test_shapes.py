"""Pods of other shapes than the recorded ones lead to the calls that the rules ask for, sync by sync."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lightkube.models.core_v1 import Pod

from kubeletsim.model.errors import CRIError
from kubeletsim.model.requests import ContainerConfig, SandboxConfig
from kubeletsim.model.runtime import ContainerID, ExecResult, SandboxID
from tests.fakes.pods import IMAGE, as_from_source
from tests.fakes.runtime import FakeRuntime, Life
from tests.pods.node import Node
from tests.pods.traces import observed_lines, orphan_calls
from tests.shapes import Shape, aligned, load

pytestmark = pytest.mark.looptime

LATENCIES = {
    "RunPodSandbox": 0.13,
    "PullImage": 0.25,
    "CreateContainer": 0.01,
    "StartContainer": 0.06,
    "StopPodSandbox": 0.06,
}
SHAPES = load()


class ScriptedRuntime(FakeRuntime):
    """A runtime whose containers and commands do what their scripts say: `sleep`, `exit`, `true`, `false`."""

    async def create_container(
        self, sandbox_id: SandboxID, config: ContainerConfig, sandbox_config: SandboxConfig
    ) -> ContainerID:
        seconds, code = _script(config.command[-1])
        forever = seconds >= 10_000
        self.lives[config.name] = Life(
            exits_after_seconds=None if forever else seconds, exit_code=code, stops_after_seconds=None
        )
        if config.command[0] == "/nosuch":
            self.fail("StartContainer", "no such file or directory")
        return await super().create_container(sandbox_id, config, sandbox_config)

    async def start_container(self, container_id: ContainerID) -> None:
        try:
            await super().start_container(container_id)
        except CRIError:
            self._end(self._container(container_id, "StartContainer"), code=128, at=self.clock.now())
            raise

    async def exec_sync(self, container_id: ContainerID, command: Sequence[str], *, timeout_seconds: int) -> ExecResult:
        code = 1 if command[0] == "false" else 0
        self.exec_results[tuple(command)] = ExecResult(stdout=b"", stderr=b"", exit_code=code)
        self.latencies["ExecSync"] = float(command[1]) if command[0] == "sleep" else 0.04
        return await super().exec_sync(container_id, command, timeout_seconds=timeout_seconds)


def _script(text: str) -> tuple[float, int]:
    """Return how long a script runs, and its exit code."""
    seconds = re.search(r"sleep ([\d.]+)", text)
    code = re.search(r"exit (\d+)", text)
    return float(seconds[1]) if seconds else 0.0, int(code[1]) if code else 0


@pytest.fixture
def node(tmp_path: Path) -> Node:
    runtime = ScriptedRuntime(latencies=dict(LATENCIES))
    runtime.add_image(IMAGE)
    return Node(tmp_path, runtime)


def pod_of(shape: Shape, **changes: Any) -> Pod:
    return as_from_source({**shape.pod, **changes}, name=f"{shape.name}-vm", uid=f"uid-of-{shape.name}")


@pytest.mark.parametrize("shape", [pytest.param(shape, id=shape.name) for shape in SHAPES])
async def test_a_pod_leads_to_the_calls_of_its_shape(node: Node, shape: Shape) -> None:
    async with node.running():
        await asyncio.sleep(12.5)  # probes of a young node begin late
        await node.apply(pod_of(shape))
        await asyncio.sleep(shape.removed_after_seconds or 15)
        await node.apply()
        await asyncio.sleep(15)

    observed = observed_lines(node.exporter.get_finished_spans(), f"{shape.name}-vm")
    assert aligned(observed, shape.tree) == list(shape.tree), shape.claim


STARTED = "Version RunPodSandbox PodSandboxStatus ImageStatus ImageStatus CreateContainer StartContainer"
STOPPED = "StopContainer StopPodSandbox ListPodSandbox ListContainers PodSandboxStatus ContainerStatus"
SLEEPER = next(shape for shape in SHAPES if shape.name == "no-grace")


def lines(node: Node) -> list[str]:
    return observed_lines(node.exporter.get_finished_spans(), "no-grace-vm")


async def test_an_edited_pod_ends_and_its_successor_begins_by_a_sync_when_it_is_looked_at_again(node: Node) -> None:
    async with node.running():
        await asyncio.sleep(0.5)
        await node.apply(pod_of(SLEEPER))
        await asyncio.sleep(3)
        await node.apply(as_from_source(dict(SLEEPER.pod), name="no-grace-vm", uid="uid-of-the-next"))
        await asyncio.sleep(20)

    assert lines(node) == [
        f"create: {STARTED}",
        "sync: Version",
        f"terminating: {STOPPED}",
        "terminated:",
        f"sync: {STARTED}",  # what waited for its name is only reminded of, ten seconds and more later
        "sync: Version",
    ]


async def test_a_pod_that_is_added_again_while_it_ends_begins_anew_in_a_new_sandbox(node: Node) -> None:
    async with node.running():
        await asyncio.sleep(0.5)
        await node.apply(pod_of(SLEEPER))
        await asyncio.sleep(3)
        await node.apply()
        await asyncio.sleep(0.5)
        await node.apply(pod_of(SLEEPER))
        await asyncio.sleep(8)

    assert lines(node) == [
        f"create: {STARTED}",
        "sync: Version",
        f"terminating: {STOPPED}",
        "terminated:",
        f"create: {STARTED}".replace("Version", "Version StopPodSandbox"),
        "sync: Version",
    ]


async def test_a_change_under_the_same_uid_replaces_the_container_in_one_update(node: Node) -> None:
    changed = {**SLEEPER.pod["spec"], "containers": [{**SLEEPER.pod["spec"]["containers"][0], "image": "other:1"}]}
    async with node.running():
        await asyncio.sleep(0.5)
        await node.apply(pod_of(SLEEPER))
        await asyncio.sleep(3)
        await node.apply(pod_of(SLEEPER, spec=changed))
        await asyncio.sleep(5)

    replaced = "Version StopContainer ImageStatus PullImage ImageStatus ImageStatus CreateContainer StartContainer"
    assert lines(node)[2:] == [f"update: {replaced}", "sync: Version"]


async def test_a_restarted_kubelet_adopts_what_runs_and_finishes_what_is_done(node: Node) -> None:
    done = next(shape for shape in SHAPES if shape.name == "completed")
    async with node.running():
        await asyncio.sleep(0.5)
        await node.apply(pod_of(SLEEPER), pod_of(done))
        await asyncio.sleep(6)

    restarted = Node(node.root, node.runtime)
    async with restarted.running():
        await restarted.apply(pod_of(SLEEPER), pod_of(done))
        await asyncio.sleep(6)

    assert lines(restarted) == ["create: Version", "sync: Version"]
    assert observed_lines(restarted.exporter.get_finished_spans(), "completed-vm") == ["create:", *done.tree[-2:]]


async def test_a_pod_that_only_the_runtime_knows_is_stopped_without_a_span_of_its_own(node: Node) -> None:
    async with node.running():
        await asyncio.sleep(0.5)
        await node.apply(pod_of(SLEEPER))
        await asyncio.sleep(6)

    restarted = Node(node.root, node.runtime)
    async with restarted.running():
        await restarted.apply()
        await asyncio.sleep(8)

    assert lines(restarted) == []
    stops = [name for name in orphan_calls(restarted.exporter.get_finished_spans()) if name.startswith("Stop")]
    assert stops == ["StopContainer", "StopPodSandbox"]


async def test_a_pod_on_the_pod_network_is_tried_each_second_or_two_until_there_is_one(node: Node) -> None:
    node.network_errors.append("container runtime network not ready: NetworkReady=false")
    async with node.running():
        await asyncio.sleep(0.5)
        await node.apply(pod_of(SLEEPER, spec={**SLEEPER.pod["spec"], "hostNetwork": False}))
        await asyncio.sleep(6)
        await node.apply()
        await asyncio.sleep(4)

    why = "(network is not ready: container runtime network not ready: NetworkReady=false):"
    first, *more, terminating, terminated = lines(node)
    assert first == f"create {why}"
    assert 3 <= len(more) <= 6
    assert set(more) == {f"sync {why}"}
    assert [terminating, terminated] == ["terminating: ListPodSandbox ListContainers", "terminated:"]
