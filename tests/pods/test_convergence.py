"""Whatever happens to a node, once it is left in peace it runs exactly the pods it was told to run.

Random sequences of changed manifests, dying and ailing containers, failing calls, runtime outages, reboots and restarts
of the kubelet itself; then trouble ends, and within simulated minutes everything has to be as the manifests say. All
the while no two containers of one name may run in a pod.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import looptime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import init_containers, is_sidecar, pod_uid, regular_containers
from kubeletsim.model.runtime import ContainerID, ExecResult, SandboxState
from tests.fakes.pods import IMAGE, container, make_pod, sidecar
from tests.fakes.runtime import FakeRuntime, Life
from tests.pods.node import Node

CHECK = ("check",)
PROBE = {"exec": {"command": list(CHECK)}, "periodSeconds": 5, "failureThreshold": 1}
HOOK = {"exec": {"command": ["hook"]}}
PROBED = {"startupProbe": PROBE, "livenessProbe": PROBE, "readinessProbe": PROBE}
PODS = {
    "one": make_pod(name="one", uid="one"),
    "one, edited": make_pod(container("app", image="busybox:2"), name="one", uid="one-edited"),
    "two": make_pod(container("a"), container("b"), name="two", uid="two", hostNetwork=False),
    "init": make_pod(init=[container("i1"), sidecar("side"), container("i2")], name="init", uid="init"),
    "probed": make_pod(
        container("app", lifecycle={"postStart": HOOK, "preStop": HOOK}, **PROBED),
        init=[sidecar("side", startupProbe=PROBE)],
        name="probed",
        uid="probed",
    ),
}
LIVES = {"i1": Life(exits_after_seconds=0.2), "i2": Life(exits_after_seconds=1), "b": Life(stops_after_seconds=None)}
CALLS = ["RunPodSandbox", "PodSandboxStatus", "CreateContainer", "StartContainer", "StopContainer", "StopPodSandbox"]
CALLS += ["ListContainers", "ContainerStatus", "RemoveContainer", "ImageStatus", "PullImage", "ExecSync"]
PATIENCE_SECONDS = 900
"""More than the longest backoff, the longest wait of a static pod for its name, and a second try."""

wanted = st.sets(st.sampled_from(sorted(set(PODS) - {"one, edited"}))) | st.sets(
    st.sampled_from(sorted(set(PODS) - {"one"}))
)
steps = st.one_of(
    st.tuples(st.just("apply"), wanted),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.05, 0.3, 1.0, 3.0, 15.0])),
    st.tuples(st.just("exit"), st.sampled_from(["app", "a", "b", "side", "i2"])),
    st.tuples(st.just("fail"), st.sampled_from(CALLS)),
    st.tuples(st.just("outage"), st.sampled_from([0.5, 5.0, 40.0])),
    st.tuples(st.just("health"), st.sampled_from([0, 1])),
    st.just(("reboot", None)),
    st.just(("restart", None)),
)


@dataclass
class WatchedRuntime(FakeRuntime):
    """Notes at once when two containers of one name run in a pod; a worker would survive an exception."""

    doubles: list[tuple[str, str]] = field(default_factory=list)

    async def start_container(self, container_id: ContainerID) -> None:
        await super().start_container(container_id)
        names = Counter((one.labels["io.kubernetes.pod.uid"], one.name) for one in self.running())
        self.doubles += [name for name, count in names.items() if count > 1]


def expected(pods: list[Pod]) -> set[tuple[str, str]]:
    """Return what has to run in the end: regular containers and sidecars."""
    sidecars = {(pod_uid(pod), one.name) for pod in pods for one in init_containers(pod) if is_sidecar(one)}
    return sidecars | {(pod_uid(pod), one.name) for pod in pods for one in regular_containers(pod)}


class Story:
    """One random life of a node."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runtime = WatchedRuntime(lives=dict(LIVES), latencies={"RunPodSandbox": 0.1, "StartContainer": 0.05})
        self.runtime.add_image(IMAGE)
        self.pods: list[Pod] = []

    async def live(self, sequence: list[tuple[str, Any]]) -> None:
        """Go through the steps, then wait for peace; a restart of the kubelet begins a new node on the old runtime."""
        remaining = list(sequence)
        while True:
            node = Node(self.root, self.runtime)
            async with node.running():
                await node.apply(*self.pods)
                restarted = await self._go(node, remaining)
                if not restarted:
                    self.runtime.heal()
                    self.runtime.exec_results.clear()
                    await self._settle(node)
                    return

    async def _go(self, node: Node, remaining: list[tuple[str, Any]]) -> bool:
        while remaining:
            step, value = remaining.pop(0)
            match step:
                case "apply":
                    self.pods = [PODS[name] for name in sorted(value)]
                    await node.apply(*self.pods)
                case "wait":
                    await asyncio.sleep(value)
                case "exit":
                    self.runtime.exit(value)
                case "fail":
                    self.runtime.fail(value, "bad luck")
                case "health":
                    self.runtime.exec_results[CHECK] = ExecResult(stdout=b"", stderr=b"", exit_code=value)
                case "outage":
                    self.runtime.down = True
                    await asyncio.sleep(value)
                    self.runtime.down = False
                case "reboot":
                    self.runtime.reboot()
                case "restart":
                    return True
        return False

    async def _settle(self, node: Node) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self._is_at_peace():  # noqa: ASYNC110  there is no event for peace
                await asyncio.sleep(1)
        await asyncio.sleep(20)
        assert self._is_at_peace()
        assert set(node.workers.sync_known_pods(self.pods)) == {pod_uid(pod) for pod in self.pods}

    def _is_at_peace(self) -> bool:
        running = {(one.labels["io.kubernetes.pod.uid"], one.name) for one in self.runtime.running()}
        ready = sorted(one.uid for one in self.runtime.sandboxes() if one.state is SandboxState.READY)
        base = self.root / "kubelet" / "pods"
        directories = sorted(path.name for path in base.iterdir()) if base.is_dir() else []
        uids = sorted(pod_uid(pod) for pod in self.pods)
        return running == expected(self.pods) and ready == uids and directories == uids


def in_simulated_time(live: Callable[[], Any]) -> set[asyncio.Task[Any]]:
    """Run a coroutine on a loop whose time flies; return the tasks it left behind."""
    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        runner.run(live())
        return asyncio.all_tasks(runner.get_loop())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=12))
def test_a_node_left_in_peace_runs_what_it_was_told_to_run(sequence: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        story = Story(Path(root))

        assert in_simulated_time(lambda: story.live(sequence)) == set()
        assert story.runtime.doubles == []
