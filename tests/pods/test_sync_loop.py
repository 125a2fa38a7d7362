"""Claims about the loop as a whole: its gate, its ticks, what it does about each event, and what outlives a crash."""

import asyncio
from pathlib import Path

import pytest

from kubeletsim.model.errors import CRIError
from kubeletsim.model.pod import pod_uid, with_metadata
from kubeletsim.model.runtime import PodUID
from kubeletsim.server.healthz import sync_loop_check
from kubeletsim.upkeep.runtime_state import RuntimeState
from tests.fakes.pods import UID, container, make_pod
from tests.fakes.runtime import FakeRuntime, Life
from tests.pods.node import Node
from tests.pods.traces import observed_tree, orphan_calls

pytestmark = pytest.mark.looptime
BACKGROUND = ("ListPodSandbox", "ListContainers", "PodSandboxStatus", "ContainerStatus", "Version")


def acts(runtime: FakeRuntime) -> list[str]:
    return runtime.names(ignoring=(*BACKGROUND, "ImageStatus"))


# The gate.


async def test_while_the_runtime_has_errors_nothing_is_taken_and_the_pauses_double(node: Node) -> None:
    asked: list[float] = []

    def errors() -> list[str]:
        asked.append(asyncio.get_running_loop().time())
        return ["container runtime is down"]

    node.loop._runtime_errors = errors
    async with node.running():
        await node.apply(make_pod())
        await asyncio.sleep(20)

    assert asked == pytest.approx([0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3, 16.3])
    assert acts(node.runtime) == []
    assert node.loop.last_sync_loop() is None


async def test_a_node_that_cannot_list_its_runtime_for_three_minutes_stands_still_and_says_so(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    state = RuntimeState(node.runtime, clock=node.clock, rng=node.rng, health_checks={"PLEG": node.pleg.health_problem})
    node.loop._runtime_errors = state.runtime_errors
    healthy = sync_loop_check(node.loop.last_sync_loop, sync_frequency_seconds=60, clock=node.clock)
    async with node.running(), asyncio.TaskGroup() as tasks:
        checking = tasks.create_task(state.run())
        await asyncio.sleep(5)
        node.runtime.fail("ListContainers", "out of order", times=10_000)  # Status still answers
        await asyncio.sleep(170)
        await node.apply(make_pod())
        await node.until(lambda: "RunPodSandbox" in acts(node.runtime))
        assert "last seen" not in caplog.text

        await asyncio.sleep(120)
        assert "Skipping pod synchronization: PLEG is not healthy: pleg was last seen active 3m" in caplog.text
        assert "threshold is 3m0s" in caplog.text
        await node.apply(make_pod(), make_pod(name="two", uid="two"))
        await asyncio.sleep(240)
        assert node.runtime.count("RunPodSandbox") == 1
        assert healthy.run() == "sync Loop took longer than expected"

        checking.cancel()


async def test_when_the_runtime_is_back_the_loop_goes_on_and_the_next_pause_is_short_again(node: Node) -> None:
    node.errors.append("container runtime is down")
    async with node.running():
        await node.apply(make_pod())
        await asyncio.sleep(5)
        node.errors.clear()
        await asyncio.sleep(5)
        assert acts(node.runtime) == ["RunPodSandbox", "CreateContainer", "StartContainer"]
        stamp = node.loop.last_sync_loop()
        assert stamp is not None
        assert stamp >= 9

        node.errors.append("again")
        await asyncio.sleep(30)
        assert node.loop.last_sync_loop() == pytest.approx(stamp, abs=1.1)


async def test_an_idle_loop_turns_at_least_each_second(node: Node) -> None:
    async with node.running():
        await asyncio.sleep(10.5)

        assert node.loop.last_sync_loop() == pytest.approx(10)


# Ticks.


async def test_housekeeping_waits_for_every_source_and_then_lists_what_runs_each_two_seconds(
    tmp_path: Path, runtime: FakeRuntime
) -> None:
    node = Node(tmp_path, runtime, sources=("file", "http"))
    async with node.running():
        await node.apply(source="file")
        await asyncio.sleep(5)
        assert not [call for call in runtime.calls if call.args.get("state") is not None]

        await node.apply(source="http")
        await asyncio.sleep(5)

    lists = [(call.rpc, call.at) for call in runtime.calls if call.args.get("state") is not None]
    assert lists == [("ListPodSandbox", 6), ("ListContainers", 6), ("ListPodSandbox", 8), ("ListContainers", 8)]


async def test_housekeeping_that_fails_by_a_bug_does_not_stop_the_loop(node: Node) -> None:
    async def broken() -> None:
        raise RuntimeError("a bug")

    node.housekeeper.clean_up = broken  # type: ignore[method-assign]
    async with node.running():
        await node.apply(make_pod())
        await asyncio.sleep(5)

    assert node.phase(make_pod()) == "Running"


async def test_a_quiet_pod_is_looked_at_again_within_one_and_a_half_periods(node: Node) -> None:
    node.runtime.latencies["StartContainer"] = 0.1
    async with node.running():
        await node.apply(make_pod())
        await asyncio.sleep(1000)

    syncs = [line for line in observed_tree(node.exporter.get_finished_spans(), "web") if line.startswith("syncPod")]
    assert 2 + 1000 / 91 <= len(syncs) <= 2 + 1000 / 60


# What becomes of pods.


async def test_a_pod_starts_runs_and_is_gone_with_its_directory_when_it_is_removed(node: Node) -> None:
    pod = make_pod()
    async with node.running():
        await node.apply(pod)
        await asyncio.sleep(5)
        assert node.phase(pod) == "Running"
        assert (node.root / "kubelet" / "pods" / UID).is_dir()

        await node.apply()
        await asyncio.sleep(10)

    assert node.runtime.running() == []
    assert not (node.root / "kubelet" / "pods" / UID).exists()
    assert node.phase(pod) is None
    assert node.workers.sync_known_pods([]) == {}


async def test_nothing_is_removed_before_every_source_has_reported(tmp_path: Path, runtime: FakeRuntime) -> None:
    node = Node(tmp_path, runtime, sources=("file", "http"))
    async with node.running():
        await node.apply(make_pod(), source="file")
        await asyncio.sleep(3)
        await node.apply(source="file")
        await asyncio.sleep(10)
        assert len(runtime.running()) == 1

        await node.apply(source="http")
        await asyncio.sleep(10)

    assert runtime.running() == []


async def test_an_edited_static_pod_is_stopped_first_and_then_begun_under_its_new_uid(node: Node) -> None:
    old, new = make_pod(), with_metadata(make_pod(), uid="new")
    async with node.running():
        await node.apply(old)
        await asyncio.sleep(3)
        await node.apply(new)
        await asyncio.sleep(30)

    kinds = [line.split()[0] for line in observed_tree(node.exporter.get_finished_spans(), "web") if line[0] != " "]
    assert kinds.index("syncTerminatedPod") < kinds.index("syncPod", kinds.index("syncTerminatedPod"))
    assert [one.uid for one in node.runtime.sandboxes() if one.state.value == 0] == ["new"]


async def test_a_pod_removed_and_added_again_at_once_begins_anew(node: Node) -> None:
    pod = make_pod()
    async with node.running():
        await node.apply(pod)
        await asyncio.sleep(3)
        await node.apply()
        await node.apply(pod)
        await asyncio.sleep(20)

    assert len(node.runtime.running()) == 1
    assert [one.attempt for one in node.runtime.sandboxes()] == [0, 1]
    assert node.metric("restarted_pods_total", static="true") == 1


async def test_a_deletion_timestamp_ends_a_pod_within_its_grace(node: Node) -> None:
    pod = make_pod(terminationGracePeriodSeconds=30, source="api")
    node.runtime.lives["app"] = Life(stops_after_seconds=None)
    async with node.running():
        await node.apply(pod)
        await asyncio.sleep(3)
        deleted = with_metadata(pod, deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=4)
        await node.apply(deleted)
        await asyncio.sleep(7)

    assert node.runtime.running() == []


async def test_a_finished_job_ends_and_its_status_stays(node: Node) -> None:
    pod = make_pod(restartPolicy="OnFailure")
    node.runtime.lives["app"] = Life(exits_after_seconds=1)
    async with node.running():
        await node.apply(pod)
        await asyncio.sleep(20)

    assert node.phase(pod) == "Succeeded"
    assert acts(node.runtime) == ["RunPodSandbox", "CreateContainer", "StartContainer", "StopPodSandbox"]


async def test_dead_containers_are_trimmed_to_the_newest(node: Node) -> None:
    node.runtime.lives["app"] = Life(exits_after_seconds=1, exit_code=1)
    async with node.running():
        await node.apply(make_pod())
        await asyncio.sleep(300)

    assert node.runtime.count("CreateContainer") >= 4
    assert len(node.runtime.containers()) <= 2


# What goes wrong outside.


async def test_a_runtime_that_goes_away_and_comes_back_costs_no_pod_and_doubles_none(node: Node) -> None:
    pods = [make_pod(name=f"p{n}", uid=f"uid{n}") for n in range(3)]
    async with node.running():
        await node.apply(*pods)
        await asyncio.sleep(3)
        node.runtime.down = True
        await asyncio.sleep(40)
        node.runtime.heal()
        await asyncio.sleep(90)

    assert len(node.runtime.running()) == 3
    assert node.runtime.count("RunPodSandbox") == 3


async def test_a_pod_added_while_the_runtime_is_away_starts_when_it_is_back(node: Node) -> None:
    async with node.running():
        await asyncio.sleep(2)
        node.runtime.down = True
        await node.apply(make_pod())
        await asyncio.sleep(20)
        node.runtime.heal()
        await asyncio.sleep(20)

    assert len(node.runtime.running()) == 1


async def test_after_a_reboot_of_the_machine_every_pod_gets_a_new_sandbox(node: Node) -> None:
    async with node.running():
        await node.apply(make_pod())
        await asyncio.sleep(3)
        node.runtime.reboot()
        await asyncio.sleep(10)

    assert [one.attempt for one in node.runtime.sandboxes()] == [0, 1]
    assert len(node.runtime.running()) == 1


async def test_the_running_pods_are_adopted_after_a_restart_of_the_kubelet(
    tmp_path: Path, runtime: FakeRuntime
) -> None:
    first = Node(tmp_path, runtime)
    async with first.running():
        await first.apply(make_pod(container("a"), container("b")))
        await asyncio.sleep(5)
    before = [one.id for one in runtime.running()]
    runtime.calls.clear()

    second = Node(tmp_path, runtime)
    async with second.running():
        await second.apply(make_pod(container("a"), container("b")))
        await asyncio.sleep(30)

    assert [one.id for one in runtime.running()] == before
    assert acts(runtime) == []
    assert second.phase(make_pod()) == "Running"


async def test_pods_of_an_earlier_run_that_nobody_wants_are_killed_without_a_span(
    tmp_path: Path, runtime: FakeRuntime
) -> None:
    first = Node(tmp_path, runtime)
    async with first.running():
        await first.apply(make_pod(), make_pod(name="other", uid="other"))
        await asyncio.sleep(5)

    second = Node(tmp_path, runtime)
    async with second.running():
        await second.apply(make_pod())
        await asyncio.sleep(10)

    assert len(runtime.running()) == 1
    spans = second.exporter.get_finished_spans()
    assert orphan_calls(spans).count("StopContainer") == 1
    assert orphan_calls(spans).count("StopPodSandbox") == 1
    assert observed_tree(spans, "other") == []
    assert second.metric("orphaned_runtime_pods_total") == 1
    assert not (tmp_path / "kubelet" / "pods" / "other").exists()


async def test_a_pod_whose_stop_fails_is_stopped_in_the_end(node: Node) -> None:
    async with node.running():
        await node.apply(make_pod())
        await asyncio.sleep(3)
        node.runtime.fail("StopContainer", CRIError("busy"), times=3)
        await node.apply()
        await asyncio.sleep(30)

    assert node.runtime.running() == []
    assert node.workers.sync_known_pods([]) == {}


async def test_the_gauges_say_what_is_wanted_and_what_is_worked_on(node: Node) -> None:
    async with node.running():
        await node.apply(make_pod(), make_pod(name="api", uid="api", source="file"))
        await asyncio.sleep(5)

    assert node.metric("desired_pods", static="true") == 2
    assert node.metric("active_pods", static="true") == 2
    assert node.metric("working_pods", lifecycle="sync", config="desired", static="true") == 2
    assert node.metric("started_containers_total", container_type="container") == 2
    assert node.metric("started_pods_total") == 2
    assert node.metric("running_pods") == 2
    assert node.metric("pod_start_duration_seconds_count") == 4  # at first sight, and when they run
    assert node.metric("pod_worker_start_duration_seconds_count") == 2


async def test_debugging_containers_are_counted_and_mirror_pods_there_are_none(node: Node) -> None:
    async with node.running():
        await node.apply(make_pod(ephemeralContainers=[container("debug")]))
        await asyncio.sleep(5)

    assert node.metric("managed_ephemeral_containers") == 1
    assert node.registry.get_sample_value("kubelet_mirror_pods") == 0


async def test_a_containers_end_is_counted_by_its_code(node: Node) -> None:
    async with node.running():
        await node.apply(make_pod())
        await asyncio.sleep(3)
        node.runtime.exit("app", code=3)
        await asyncio.sleep(30)

    labels = {"container_type": "container", "exit_code": "3", "reason": "Error"}
    assert node.metric("terminated_containers_total", **labels) == 1


async def test_pods_are_shown_with_their_newest_status(node: Node) -> None:
    async with node.running():
        await node.apply(make_pod())
        await asyncio.sleep(5)

    (shown,) = [node.statuses.shown(pod) for pod in node.pods.pods()]
    assert shown.status is not None
    assert (shown.status.phase, pod_uid(shown)) == ("Running", PodUID(UID))
