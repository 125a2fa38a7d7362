"""Claims about one turn of housekeeping, taken by hand: what it calls, what it removes, what it leaves alone."""

import asyncio

import pytest

from kubeletsim.model.pod import pod_uid
from kubeletsim.pods.sync import UpdateType
from tests.fakes.pods import UID, make_pod
from tests.pods.node import Node

pytestmark = pytest.mark.looptime


async def test_a_turn_costs_two_lists_of_what_runs(node: Node) -> None:
    await node.housekeeper.clean_up()

    assert [(call.rpc, call.args["state"].name) for call in node.runtime.calls] == [
        ("ListPodSandbox", "READY"),
        ("ListContainers", "RUNNING"),
    ]


async def test_directories_of_unknown_pods_go_and_those_of_known_ones_stay(node: Node) -> None:
    await node.sync_once(make_pod(name="running", uid="running"))
    pods = node.root / "kubelet" / "pods"
    for uid in ("gone", UID):
        (pods / uid / "volumes").mkdir(parents=True)
    node.pods.set(make_pod())

    await node.housekeeper.clean_up()

    assert sorted(path.name for path in pods.iterdir()) == sorted([UID, "running"])


async def test_a_runtime_that_does_not_answer_stops_the_turn_before_anything_is_removed(node: Node) -> None:
    (node.root / "kubelet" / "pods" / "perhaps-running").mkdir(parents=True)
    node.runtime.down = True

    await node.housekeeper.clean_up()

    assert (node.root / "kubelet" / "pods" / "perhaps-running").is_dir()


async def test_an_orphan_is_killed_once_however_often_housekeeping_comes_by(node: Node) -> None:
    await node.sync_once(make_pod())

    await node.housekeeper.clean_up()
    await node.housekeeper.clean_up()

    assert node.metric("orphaned_runtime_pods_total") == 1
    assert node.metric("working_pods", lifecycle="terminating", config="runtime_only", static="unknown") == 1


async def test_a_pod_whose_worker_ended_while_it_is_wanted_is_begun_anew(node: Node) -> None:
    pod = make_pod()
    node.pods.set(pod)

    await node.housekeeper.clean_up()

    assert set(node.workers.sync_known_pods([pod])) == {pod_uid(pod)}
    assert node.metric("restarted_pods_total", static="true") == 1


async def test_statuses_go_with_their_pods(node: Node) -> None:
    pod = make_pod()
    await node.sync_once(pod)
    node.pods.set(pod)
    node.workers.update_pod(UpdateType.CREATE, pod=pod)
    await node.housekeeper.clean_up()
    assert node.phase(pod) is not None

    node.pods.remove(pod)
    await node.housekeeper.clean_up()  # the worker never began, so it is forgotten at once
    await asyncio.sleep(0)

    assert node.phase(pod) is None
