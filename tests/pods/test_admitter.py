"""Pods that a node does not take: status, event, metric, and no work done for them."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import pod_uid, with_metadata
from kubeletsim.pods.admission import NodeShape, Rejection
from tests.fakes.pods import container, make_pod
from tests.fakes.runtime import FakeRuntime, Life
from tests.pods.node import ROOMY, Node

pytestmark = pytest.mark.looptime

ONE_POD = NodeShape(name="vm", labels=ROOMY.labels, allocatable={**ROOMY.allocatable, "pods": 1})


def named(name: str, *, source: str = "file", age: int | None = None, **spec: object) -> Pod:
    pod = make_pod(name=name, uid=name, source=source, **spec)
    created = datetime.fromtimestamp(1_600_000_000 - age, UTC) if age is not None else None
    return with_metadata(pod, creationTimestamp=created)


async def test_a_rejected_pod_shows_why_and_costs_the_runtime_one_version(node: Node) -> None:
    pod = named("web", nodeSelector={"disk": "ssd"})

    async with node.running():
        await asyncio.sleep(1)
        node.runtime.calls.clear()
        await node.apply(pod)
        await asyncio.sleep(0.5)

        status = node.statuses.get(pod_uid(pod))
        assert status is not None
        text = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
        assert (status.phase, status.reason) == ("Failed", "NodeAffinity")
        assert status.message == f"Pod was rejected: {text}"
        assert status.qosClass == "BestEffort"
        assert status.startTime is not None
        (event,) = node.events
        assert (event.type, event.reason, event.message) == ("Warning", "NodeAffinity", text)
        assert [call.rpc for call in node.runtime.calls if not call.rpc.startswith("List")] == ["Version"]
        assert node.metric("admission_rejections_total", reason="NodeAffinity") == 1


async def test_a_rejected_pod_stays_rejected_and_leaves_nothing_when_it_is_removed(node: Node) -> None:
    pod = named("web", nodeSelector={"disk": "ssd"}, activeDeadlineSeconds=3)

    async with node.running():
        await node.apply(pod)
        await asyncio.sleep(100)
        assert not [call for call in node.runtime.calls if call.rpc == "RunPodSandbox"]
        assert not [span for span in node.exporter.get_finished_spans() if span.name.startswith("sync")]
        assert node.metric("desired_pods", static="true") == 1
        assert node.metric("active_pods", static="true") == 0
        assert len(node.events) == 1
        await node.apply()
        await asyncio.sleep(5)

    assert node.statuses.get(pod_uid(pod)) is None
    assert node.pods.pods() == []


async def test_the_older_pod_gets_the_last_place(tmp_path: Path, runtime: FakeRuntime) -> None:
    node = Node(tmp_path, runtime, shape=ONE_POD, sources=("api",))
    young, old = named("young", age=10, source="api"), named("old", age=1000, source="api")

    async with node.running():
        await node.apply(young, old, source="api")
        await node.until(lambda: node.phase(old) == "Running")

    assert node.phase(young) == "Failed"
    assert node.reasons(type_="Warning") == ["OutOfpods"]


async def test_a_place_is_free_again_when_its_pod_has_ended_or_was_removed(
    tmp_path: Path, runtime: FakeRuntime
) -> None:
    node = Node(tmp_path, runtime, shape=ONE_POD)
    node.runtime.lives["app"] = Life(exits_after_seconds=2)
    job, second, third = (named(name, restartPolicy="Never") for name in ("job", "second", "third"))

    async with node.running():
        await node.apply(job)
        await asyncio.sleep(10)
        assert node.phase(job) == "Succeeded"
        await node.apply(job, second)
        await asyncio.sleep(1)
        assert node.phase(second) != "Failed"
        await node.apply(job, third)
        await asyncio.sleep(10)

    assert node.phase(third) == "Succeeded"


async def test_a_static_pod_ends_a_lesser_pod_to_get_its_resources(tmp_path: Path, runtime: FakeRuntime) -> None:
    node = Node(tmp_path, runtime, sources=("api", "file"))
    resources = {"requests": {"cpu": "3"}}
    lesser = make_pod(container("app", resources=resources), name="lesser", uid="lesser", source="api")
    static = make_pod(container("app", resources=resources), name="static", uid="static")

    async with node.running():
        await node.apply(lesser, source="api")
        await node.until(lambda: node.phase(lesser) == "Running")
        await node.apply(static, source="file")
        await node.until(lambda: node.phase(static) == "Running")
        ended = node.statuses.get(pod_uid(lesser))

    assert ended is not None
    assert (ended.phase, ended.reason) == ("Failed", "Preempting")
    assert ended.message == "Preempted in order to admit critical pod"
    (first, *_) = ended.conditions or []
    assert (first.type, first.status, first.reason) == ("DisruptionTarget", "True", "TerminationByKubelet")
    assert node.metric("preemptions", preemption_signal="cpu") == 1


async def test_a_refusal_counts_last(node: Node) -> None:
    node.refusal = Rejection("NodeShutdown", "Pod was rejected as the node is shutting down.")
    plain, unfit = named("plain"), named("unfit", nodeSelector={"disk": "ssd"})

    async with node.running():
        await node.apply(plain, unfit)
        await asyncio.sleep(1)

    assert node.reasons() == ["NodeShutdown", "NodeAffinity"]


async def test_an_evicted_pod_fails_with_the_nodes_message_and_leaves_no_container(
    tmp_path: Path, runtime: FakeRuntime
) -> None:
    node = Node(tmp_path, runtime, sources=("api",))
    pod = named("web", source="api")

    async with node.running():
        await node.apply(pod, source="api")
        await node.until(lambda: node.phase(pod) == "Running")
        await node.admitter.evict(pod, grace_seconds=1, message="The node was low on resource: memory. ")
        await asyncio.sleep(5)
        assert node.workers.should_content_be_removed(pod_uid(pod))
        status = node.statuses.get(pod_uid(pod))

    assert status is not None
    assert (status.phase, status.reason, status.message) == (
        "Failed",
        "Evicted",
        "The node was low on resource: memory. ",
    )
    (first, *_) = status.conditions or []
    assert (first.type, first.reason) == ("DisruptionTarget", "TerminationByKubelet")
    assert "Evicted" in node.reasons(type_="Warning")


async def test_a_node_that_is_short_of_disk_rejects_others_than_critical_pods_before_it_looks_at_itself(
    node: Node,
) -> None:
    node.pressure.conditions = frozenset({"DiskPressure"})
    pod = make_pod(source="api")

    assert not await node.admitter.admit(pod)
    assert await node.admitter.admit(make_pod(name="static", uid="static"))

    status = node.statuses.get(pod_uid(pod))
    assert status is not None
    assert (status.reason, status.message) == (
        "Evicted",
        "Pod was rejected: The node had condition: [DiskPressure]. ",
    )
    assert node.runtime.names() == ["Version"]  # the static pod's
    assert node.metric("admission_rejections_total", reason="Evicted") == 1
