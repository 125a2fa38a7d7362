"""Claims about probes on a whole node: what they cause, what they show, and whose child their calls are."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lightkube.models.core_v1 import ContainerStatus, Pod

from kubeletsim.model.errors import DeadlineExceeded
from kubeletsim.model.pod import pod_uid, with_metadata
from kubeletsim.model.runtime import ExecResult, PodUID
from tests.fakes.pods import IMAGE, UID, container, make_pod, sidecar
from tests.fakes.runtime import FakeRuntime, Life
from tests.pods.node import Node

pytestmark = pytest.mark.looptime

BAD = ExecResult(stdout=b"not ", stderr=b"well", exit_code=1)
STUBBORN = Life(stops_after_seconds=None)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    runtime = FakeRuntime(latencies={"RunPodSandbox": 0.1, "StartContainer": 0.05})
    runtime.add_image(IMAGE)
    return Node(tmp_path, runtime)


def check(*command: str, **fields: Any) -> dict[str, Any]:
    """Return a probe of a command, once a second."""
    return {"exec": {"command": list(command or ("check",))}, "periodSeconds": 1, **fields}


def shown(node: Node, name: str = "app") -> ContainerStatus:
    status = node.statuses.get(PodUID(UID))
    assert status is not None
    every = [*(status.containerStatuses or []), *(status.initContainerStatuses or [])]
    return next(one for one in every if one.name == name)


def is_ready(node: Node) -> bool:
    status = node.statuses.get(PodUID(UID))
    conditions = (status.conditions if status is not None else None) or []
    return any(one.type == "Ready" and one.status == "True" for one in conditions)


async def settle(node: Node, pod: Pod, *, seconds: float = 5, source: str = "file") -> None:
    await asyncio.sleep(0.5)
    await node.apply(pod, source=source)
    await asyncio.sleep(seconds)


async def test_a_failing_liveness_probe_restarts_its_container_and_no_other(node: Node) -> None:
    pod = make_pod(container("app", livenessProbe=check()), container("other"))
    async with node.running():
        await settle(node, pod)
        node.runtime.exec_results["check",] = BAD
        await asyncio.sleep(4)
        node.runtime.exec_results.clear()
        await asyncio.sleep(5)

    assert {one.name: one.attempt for one in node.runtime.running()} == {"app": 1, "other": 0}
    unhealthy = [event.message for event in node.events if event.reason == "Unhealthy"]
    assert len(unhealthy) >= 3
    assert set(unhealthy) == {"Liveness probe failed: not well"}
    assert "Container app failed liveness probe, will be restarted" in [event.message for event in node.events]
    assert shown(node).restartCount == 1


async def test_a_failed_liveness_probe_is_not_run_again_before_there_is_a_new_container(node: Node) -> None:
    probe = check(failureThreshold=1, terminationGracePeriodSeconds=20)
    node.runtime.lives["app"] = STUBBORN
    async with node.running():
        await settle(node, make_pod(container("app", livenessProbe=probe)))
        node.runtime.exec_results["check",] = BAD
        await asyncio.sleep(15)
        failed = sum(event.reason == "Unhealthy" for event in node.events)
        (stop,) = [call for call in node.runtime.calls if call.rpc == "StopContainer"]

    assert failed == 1
    assert stop.args["timeout_seconds"] == 20


async def test_readiness_flips_with_the_probe_and_takes_the_pod_with_it(node: Node) -> None:
    async with node.running():
        await settle(node, make_pod(container("app", readinessProbe=check())))
        assert (shown(node).ready, is_ready(node)) == (True, True)

        node.runtime.exec_results["check",] = BAD
        await asyncio.sleep(5)
        assert (shown(node).ready, is_ready(node)) == (False, False)

        node.runtime.exec_results.clear()
        await asyncio.sleep(3)
        assert (shown(node).ready, is_ready(node)) == (True, True)

    assert node.runtime.count("StopContainer") == 0


async def test_a_pod_that_is_ending_shows_that_it_is_not_ready_any_more(tmp_path: Path, runtime: FakeRuntime) -> None:
    node = Node(tmp_path, runtime, sources=("api",))
    node.runtime.lives["app"] = STUBBORN
    pod = make_pod(container("app", readinessProbe=check(), livenessProbe=check("live")), source="api")
    async with node.running():
        await settle(node, pod, source="api")
        node.runtime.exec_results["check",] = BAD
        deletion = {"deletionTimestamp": datetime.fromtimestamp(node.clock.now(), UTC), "deletionGracePeriodSeconds": 9}
        await node.apply(with_metadata(pod, **deletion), source="api")
        await asyncio.sleep(1)
        lively = sum(call.args.get("command") == ("live",) for call in node.runtime.calls)
        await asyncio.sleep(5)

        assert (shown(node).ready, is_ready(node)) == (False, False)
        assert sum(call.args.get("command") == ("live",) for call in node.runtime.calls) <= lively + 1
        await asyncio.sleep(20)
    assert node.runtime.running() == []


async def test_liveness_and_readiness_wait_for_the_startup_probe(node: Node) -> None:
    node.runtime.exec_results["begun",] = BAD
    probes = {"startupProbe": check("begun", failureThreshold=30), "livenessProbe": check(), "readinessProbe": check()}
    async with node.running():
        await settle(node, make_pod(container("app", **probes)))
        assert node.runtime.count("ExecSync") >= 3
        assert {call.args["command"] for call in node.runtime.calls if call.rpc == "ExecSync"} == {("begun",)}
        assert (shown(node).started, shown(node).ready) == (False, False)

        node.runtime.exec_results.clear()
        await asyncio.sleep(4)
        assert (shown(node).started, shown(node).ready) == (True, True)
        begun = sum(call.args.get("command") == ("begun",) for call in node.runtime.calls)
        await asyncio.sleep(5)
        assert sum(call.args.get("command") == ("begun",) for call in node.runtime.calls) == begun


async def test_a_startup_probe_that_never_succeeds_restarts_the_container(node: Node) -> None:
    node.runtime.exec_results["begun",] = BAD
    async with node.running():
        await settle(node, make_pod(container("app", startupProbe=check("begun", failureThreshold=2))), seconds=6)

    assert max(one.attempt for one in node.runtime.containers()) >= 1
    assert "Container app failed startup probe, will be restarted" in [event.message for event in node.events]


async def test_a_sidecars_startup_probe_holds_up_what_comes_after_it(node: Node) -> None:
    node.runtime.exec_results["begun",] = BAD
    pod = make_pod(container("app"), init=[sidecar("side", startupProbe=check("begun", failureThreshold=30))])
    async with node.running():
        await settle(node, pod)
        assert [one.name for one in node.runtime.running()] == ["side"]

        node.runtime.exec_results.clear()
        await asyncio.sleep(4)
        assert [one.name for one in node.runtime.running()] == ["side", "app"]


async def test_a_finished_container_is_probed_no_more_but_has_its_pod_synced_each_second(node: Node) -> None:
    # Seen with kubelet 1.36.2: each sync brings the probe back, and the first thing it does is to cause the next sync.
    node.runtime.lives["job"] = Life(exits_after_seconds=2)
    pod = make_pod(container("job", livenessProbe=check()), container("app"), restartPolicy="Never")
    async with node.running():
        await settle(node, pod, seconds=10)
        node.runtime.calls.clear()
        await asyncio.sleep(30)

    assert node.runtime.count("ExecSync") == 0
    assert 28 <= node.runtime.count("Version") <= 32


async def test_readiness_is_asked_for_no_more_once_housekeeping_has_missed_the_manifest(node: Node) -> None:
    slow = {"preStop": {"sleep": {"seconds": 20}}}
    pod = make_pod(container("app", readinessProbe=check(), lifecycle=slow), terminationGracePeriodSeconds=30)
    async with node.running():
        await settle(node, pod, seconds=6)
        node.runtime.calls.clear()
        await node.apply()
        await asyncio.sleep(15)

    assert 0 < node.runtime.count("ExecSync") <= 2


async def test_after_a_restart_in_one_sync_a_container_counts_as_started_until_its_startup_probe_looks(
    node: Node,
) -> None:
    pod = make_pod(
        container("app", startupProbe=check(periodSeconds=10), livenessProbe=check("live", failureThreshold=1))
    )
    async with node.running():
        await asyncio.sleep(15)
        await settle(node, pod, seconds=20)
        assert shown(node).started
        node.runtime.exec_results["live",] = BAD
        seen = []
        for _ in range(200):
            await asyncio.sleep(0.1)
            seen.append((shown(node).restartCount, shown(node).started))
            if seen[-1][0]:
                node.runtime.exec_results.pop(("live",), None)

    assert seen.index((1, True)) < seen.index((1, False))


@pytest.mark.parametrize(("age_seconds", "at_first"), [(4, True), (30, False)])
async def test_after_a_restart_of_the_kubelet_a_container_counts_as_ready_at_first_just_if_it_is_young(
    node: Node, age_seconds: float, at_first: bool
) -> None:
    pod = make_pod(container("app", readinessProbe=check()))
    async with node.running():
        await settle(node, pod, seconds=age_seconds)
    restarted = Node(node.root, node.runtime)
    seen = []
    async with restarted.running():
        await restarted.apply(pod)
        for _ in range(40):
            await asyncio.sleep(0.1)
            if restarted.statuses.get(PodUID(UID)) is not None:
                seen.append(is_ready(restarted))

    assert seen[0] is at_first
    assert seen[-1]


async def test_exec_probes_calls_are_children_of_the_sync_that_brought_the_pod(node: Node) -> None:
    async with node.running():
        await settle(node, make_pod(container("app", livenessProbe=check())))

    spans = node.exporter.get_finished_spans()
    first = next(span for span in spans if span.name == "syncPod")
    parents = {span.parent.span_id if span.parent else None for span in spans if span.name.endswith("/ExecSync")}
    assert parents == {first.context.span_id}
    assert (first.attributes or {})["k8s.pod.update_type"] == "create"


async def test_a_probe_that_takes_too_long_has_failed_and_one_that_cannot_run_says_nothing(node: Node) -> None:
    node.runtime.fail("ExecSync", DeadlineExceeded("timeout 1s exceeded", code="DeadlineExceeded"))
    node.runtime.fail("ExecSync", "no such shell", times=3)
    async with node.running():
        await settle(node, make_pod(container("app", livenessProbe=check("sleep", "9", failureThreshold=2))))

    assert [event.message for event in node.events if event.reason == "Unhealthy"] == [
        'Liveness probe failed: command timed out: "sleep 9" timed out after 1s',
        "Liveness probe errored and resulted in unknown state: rpc error: code = Unknown desc = no such shell",
    ]
    assert node.runtime.count("StopContainer") == 0


async def test_a_removed_pod_leaves_no_worker_and_no_series(node: Node) -> None:
    pod = make_pod(container("app", livenessProbe=check(), readinessProbe=check(), startupProbe=check()))
    async with node.running():
        await settle(node, pod)
        total = {"container": "app", "pod": "web", "namespace": "default", "pod_uid": UID}
        labels = {"probe_type": "Readiness", "result": "successful", **total}
        assert node.probe_registry.get_sample_value("prober_probe_total", labels)

        await node.apply()
        await asyncio.sleep(20)

        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("probe/")]
        assert node.probe_registry.get_sample_value("prober_probe_total", labels) is None
        assert node.probes.results(pod_uid(pod)).startup_succeeded == frozenset()


async def test_a_container_that_was_there_before_the_node_is_not_restarted_for_it(node: Node) -> None:
    pod = make_pod(container("app", livenessProbe=check(), readinessProbe=check()))
    async with node.running():
        await settle(node, pod, seconds=60)
    fresh = Node(node.root, node.runtime)
    async with fresh.running():
        await settle(fresh, pod)
        assert shown(fresh).ready

    assert [one.attempt for one in fresh.runtime.running()] == [0]
