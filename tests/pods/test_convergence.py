"""Whatever happens to a node, once it is left in peace it runs exactly the pods it was told to run.

Random sequences of changed manifests, dying and ailing containers, restarts of the runtime that break connections in
the middle of calls, lost answers, failing calls, jumps of the machine's clock, reboots and restarts of the kubelet
itself; then trouble ends, and within simulated minutes everything has to be as the manifests say. All the while no two
containers of one name may run in a pod, and in the end no task, sandbox, container or directory is left over.

CI lives through some of these lives; `make lives` goes through a thousand of them.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import looptime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lightkube.models.core_v1 import Pod
from opentelemetry.trace import NoOpTracer

from kubeletsim.model.events import ObjectReference
from kubeletsim.model.pod import init_containers, is_sidecar, pod_uid, regular_containers
from kubeletsim.model.runtime import ContainerState, ExecResult, SandboxState
from kubeletsim.pleg.evented import EventedPLEG
from kubeletsim.upkeep.container_logs import ContainerLogs
from kubeletsim.upkeep.container_removal import ContainerRemover
from kubeletsim.upkeep.container_sweeper import ContainerSweeper
from kubeletsim.upkeep.gc import ContainerGCPolicy
from kubeletsim.upkeep.runtime_state import RuntimeState
from tests.fakes.pods import IMAGE, container, make_pod, sidecar
from tests.fakes.runtime import Life
from tests.fakes.unsteady import JumpingClock, UnsteadyRuntime
from tests.pods.node import Node

LIVES_IN_CI = 100
LIVES = int(os.environ.get("KUBELETSIM_LIVES", LIVES_IN_CI))

CHECK = ("check",)
PROBE = {"exec": {"command": list(CHECK)}, "periodSeconds": 5, "failureThreshold": 1}
HOOK = {"exec": {"command": ["hook"]}}
PROBED = {"startupProbe": PROBE, "livenessProbe": PROBE, "readinessProbe": PROBE}
ALL_ON_42 = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}
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
    "gang": make_pod(
        container("trigger", restartPolicy="Always", restartPolicyRules=[ALL_ON_42]),
        container("mate", imagePullPolicy="Always"),
        init=[container("i1")],
        name="gang",
        uid="gang",
    ),
}
ENDS = {"i1": Life(exits_after_seconds=0.2), "i2": Life(exits_after_seconds=1), "b": Life(stops_after_seconds=None)}
ACTS = ["RunPodSandbox", "CreateContainer", "StartContainer", "StopContainer", "StopPodSandbox", "RemoveContainer"]
LOOKS = ["PodSandboxStatus", "ListPodSandbox", "ListContainers", "ContainerStatus", "ImageStatus"]
CALLS = [*ACTS, *LOOKS, "RemovePodSandbox", "PullImage", "ExecSync"]
LATENCIES = dict.fromkeys(ACTS, 0.1) | dict.fromkeys(LOOKS, 0.01) | {"PullImage": 0.5, "ExecSync": 0.05}
PATIENCE_SECONDS = 1800
"""More than the longest backoff, the longest wait of a static pod for its name, and a second try of both."""
TIDY_SECONDS = 150
"""Two turns of garbage collection after that, and the turn that is under way."""

wanted = st.sets(st.sampled_from(sorted(set(PODS) - {"one, edited"}))) | st.sets(
    st.sampled_from(sorted(set(PODS) - {"one"}))
)
steps = st.one_of(
    st.tuples(st.just("apply"), wanted),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.05, 0.15, 0.3, 1.0, 3.0, 15.0, 70.0])),
    st.tuples(st.just("exit"), st.sampled_from(["app", "a", "b", "side", "i2", "trigger", "mate"])),
    st.just(("restart all", None)),
    st.tuples(st.just("fail"), st.sampled_from(CALLS)),
    st.tuples(st.just("lose"), st.sampled_from(CALLS)),
    st.tuples(st.just("runtime restart"), st.tuples(st.sampled_from([0.5, 5.0, 40.0]), st.booleans())),
    st.tuples(st.just("jump"), st.sampled_from([-7200.0, -90.0, -2.0, 2.0, 90.0, 7200.0])),
    st.tuples(st.just("health"), st.sampled_from([0, 1])),
    st.just(("reboot", None)),
    st.just(("kubelet restart", None)),
)


def expected(pods: list[Pod]) -> set[tuple[str, str]]:
    """Return what has to run in the end: regular containers and sidecars."""
    sidecars = {(pod_uid(pod), one.name) for pod in pods for one in init_containers(pod) if is_sidecar(one)}
    return sidecars | {(pod_uid(pod), one.name) for pod in pods for one in regular_containers(pod)}


@dataclass
class Story:
    """One random life of a node."""

    root: Path
    evented: bool
    """Whether the node hears of its containers, rather than listing them."""
    clock: JumpingClock = field(default_factory=JumpingClock)
    pods: list[Pod] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runtime = UnsteadyRuntime(clock=self.clock, lives=dict(ENDS), latencies=dict(LATENCIES))
        self.runtime.add_image(IMAGE)

    async def live(self, sequence: list[tuple[str, Any]]) -> None:
        """Go through the steps, then wait for peace; a restart of the kubelet begins a new node on the old runtime."""
        remaining = list(sequence)
        while True:
            node = Node(self.root, self.runtime, clock=self.clock, traced=False)
            async with asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(run, name="upkeep") for run in self._others(node)]
                async with node.running(watch=not self.evented):
                    await node.apply(*self.pods)
                    restarted = await self._go(node, remaining)
                    if not restarted:
                        await self._settle(node)
                for task in others:
                    task.cancel()
            if not restarted:
                return

    def _others(self, node: Node) -> list[Any]:
        """Return what runs beside the node's pod parts: upkeep and, with events, the PLEG."""
        sweeper = ContainerSweeper(
            self.runtime,
            remover=ContainerRemover(self.runtime, logs=self._logs),
            logs=self._logs,
            policy=ContainerGCPolicy(),
            content_should_go=node.workers.should_content_be_removed,
            sources_ready=node.config.sources_ready,
            tracer=NoOpTracer(),
            record=node.events.append,
            node=ObjectReference(kind="Node", name="vm"),
            clock=self.clock,
            rng=node.rng,
        )
        evented = EventedPLEG(
            self.runtime,
            generic=node.pleg,
            cache=node.cache,
            clock=self.clock,
            rng=node.rng,
            registry=node.registry,
        )
        checks = {"PLEG": node.pleg.health_problem}
        state = RuntimeState(self.runtime, clock=self.clock, rng=node.rng, health_checks=checks)
        node.loop._runtime_errors = state.runtime_errors
        return [sweeper.run(), state.run(), *([evented.run()] if self.evented else [])]

    @property
    def _logs(self) -> ContainerLogs:
        return ContainerLogs(pod_logs_dir=self.root / "logs", links_dir=self.root / "links")

    async def _go(self, node: Node, remaining: list[tuple[str, Any]]) -> bool:
        while remaining:
            step, value = remaining.pop(0)
            if step == "kubelet restart":
                return True
            if step == "apply":
                self.pods = [PODS[name] for name in sorted(value)]
                await node.apply(*self.pods)
            else:
                await self._disturb(step, value)
        return False

    async def _disturb(self, step: str, value: Any) -> None:
        match step:
            case "wait":
                await asyncio.sleep(value)
            case "exit":
                self.runtime.exit(value)
            case "restart all":
                self.runtime.exit("trigger", code=42)
            case "fail":
                self.runtime.fail(value, "bad luck")
            case "lose":
                self.runtime.lose_answer(value)
            case "health":
                self.runtime.exec_results[CHECK] = ExecResult(stdout=b"", stderr=b"", exit_code=value)
            case "runtime restart":
                seconds, forgets = value
                self.runtime.go_down(forgets=forgets)
                await asyncio.sleep(seconds)
                self.runtime.down = False
            case "jump":
                self.clock.jump(value)
            case "reboot":
                self.runtime.reboot()

    async def _settle(self, node: Node) -> None:
        self.runtime.heal()
        self.runtime.exec_results.clear()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not self._is_at_peace(node):  # noqa: ASYNC110  there is no event for peace
                    await asyncio.sleep(1)
        except TimeoutError:
            stories = {pod_uid(pod): node.workers.story(pod_uid(pod))[-8:] for pod in self.pods}
            pytest.fail(f"no peace: {sorted(self._running())} run, {stories}")
        await asyncio.sleep(TIDY_SECONDS)
        assert self._is_at_peace(node)
        assert set(node.workers.sync_known_pods(self.pods)) == {pod_uid(pod) for pod in self.pods}
        self._assert_tidy()

    def _running(self) -> set[tuple[str, str]]:
        return {(one.labels["io.kubernetes.pod.uid"], one.name) for one in self.runtime.running()}

    def _is_at_peace(self, node: Node) -> bool:
        ready = sorted(one.uid for one in self.runtime.sandboxes() if one.state is SandboxState.READY)
        phases = [node.phase(pod) for pod in self.pods]
        return (
            self._running() == expected(self.pods)
            and ready == sorted(pod_uid(pod) for pod in self.pods)
            and phases == ["Running"] * len(self.pods)
        )

    def _assert_tidy(self) -> None:
        """Nothing is left of pods that are not wanted, and of others no more than the last dead one of each name."""
        uids = sorted(pod_uid(pod) for pod in self.pods)
        assert _names(self.root / "kubelet" / "pods") == uids
        assert [name.rpartition("_")[2] for name in _names(self.root / "logs")] == uids
        containers = self.runtime.containers()
        assert {one.labels["io.kubernetes.pod.uid"] for one in containers} <= set(uids)
        dead = [(one.labels["io.kubernetes.pod.uid"], one.name) for one in containers if one.state is not RUNNING]
        assert len(dead) == len(set(dead))
        filled = {one.sandbox_id for one in self.runtime.listed()}
        useless = [one.id for one in self.runtime.sandboxes() if one.state is not READY and one.id not in filled]
        assert useless == []
        assert {one.uid for one in self.runtime.sandboxes()} <= set(uids)


RUNNING, READY = ContainerState.RUNNING, SandboxState.READY


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def in_simulated_time(live: Callable[[], Any]) -> set[asyncio.Task[Any]]:
    """Run a coroutine on a loop whose time flies; return the tasks it left behind."""
    with asyncio.Runner(loop_factory=lambda: looptime.new_event_loop(noop_cycles=2)) as runner:
        runner.run(live())
        return asyncio.all_tasks(runner.get_loop())


@settings(
    max_examples=LIVES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)
@given(st.lists(steps, max_size=14), st.booleans())
def test_a_node_left_in_peace_runs_what_it_was_told_to_run(sequence: list[tuple[str, Any]], evented: bool) -> None:
    with tempfile.TemporaryDirectory() as root:
        story = Story(Path(root), evented)

        assert in_simulated_time(lambda: story.live(sequence)) == set()
        assert story.runtime.doubles == []
