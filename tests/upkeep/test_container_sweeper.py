"""The container sweeper's calls, in the order of the recordings, and what becomes of logs and failures."""

import asyncio
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from kubeletsim.model.errors import CRIError
from kubeletsim.model.events import ObjectReference
from kubeletsim.model.runtime import ContainerState
from kubeletsim.upkeep.container_logs import ContainerLogs
from kubeletsim.upkeep.container_removal import ContainerRemover
from kubeletsim.upkeep.container_sweeper import SCOPE, ContainerSweeper
from kubeletsim.upkeep.gc import ContainerGCPolicy

GOLDEN = Path(__file__).parent.parent / "golden"
ROOT = "Containers/GarbageCollect"
NODE = ObjectReference(kind="Node", name="node-1", uid="node-1")


def recorded_turns(scenario: str) -> list[list[str]]:
    roots = json.loads((GOLDEN / f"{scenario}.json").read_text())["roots"]
    return [[child["name"].rpartition("/")[2] for child in root["children"]] for root in roots if root["name"] == ROOT]


@pytest.fixture
def logs(tmp_path):
    (tmp_path / "links").mkdir()
    return ContainerLogs(pod_logs_dir=tmp_path / "pods", links_dir=tmp_path / "links")


@pytest.fixture
def sweeper(node, pods, recorder, clock, logs):
    return ContainerSweeper(
        node.cri,
        remover=ContainerRemover(node.cri, logs=logs),
        logs=logs,
        policy=ContainerGCPolicy(),
        content_should_go=pods.content_should_go,
        has_stopped=pods.has_stopped,
        sources_ready=lambda: pods.sources_ready,
        tracer=recorder.tracer(SCOPE),
        record=recorder.events.append,
        node=NODE,
        clock=clock,
        rng=random.Random(1),
    )


@pytest.mark.looptime
async def test_a_quiet_node_costs_the_three_lists_of_the_recording(sweeper, recorder):
    await sweeper.sweep()

    assert (
        recorder.children(ROOT) == recorded_turns("noimage") == [["ListContainers", "ListContainers", "ListPodSandbox"]]
    )


@pytest.mark.looptime
async def test_a_crashing_pod_is_swept_in_the_recorded_order(sweeper, node, pods, recorder):
    """crash.json: first another pod's dead sandbox goes, a minute later the crashed container and its sandbox."""
    await node.sandbox("other")
    pods.gone = {"uid-other"}
    await sweeper.sweep()
    await node.container("crash", "app")
    pods.gone = {"uid-crash"}
    await sweeper.sweep()

    assert recorder.children(ROOT) == recorded_turns("crash")


@pytest.mark.looptime
async def test_two_dead_sandboxes_are_stopped_and_removed_one_after_the_other_as_recorded(
    sweeper, node, pods, recorder
):
    await node.sandbox("one")
    await node.sandbox("two")
    pods.gone = {"uid-one", "uid-two"}
    await sweeper.sweep()

    assert recorder.children(ROOT) == recorded_turns("init")
    assert node.cri.sandboxes() == []


@pytest.mark.looptime
async def test_the_span_is_a_bare_root_like_the_recorded_one(sweeper, recorder):
    with recorder.tracer("caller").start_as_current_span("whoever started the agent"):
        await sweeper.sweep()

    span = next(span for span in recorder.spans() if span.name == ROOT)
    golden = next(s for s in json.loads((GOLDEN / "spans.json").read_text()) if s["name"] == ROOT)
    assert span.parent is None
    assert span.kind.name == golden["kind"]
    assert span.instrumentation_scope.name == golden["scope"]
    assert dict(span.attributes) == golden["attributes"]
    assert span.status.status_code.name == "UNSET"


@pytest.mark.looptime
async def test_turns_come_at_start_and_each_minute(sweeper, recorder):
    task = asyncio.create_task(sweeper.run())
    await asyncio.sleep(125)
    task.cancel()

    starts = [call.at for call in sweeper._cri.calls if call.rpc == "ListPodSandbox"]
    assert [round(at) for at in starts] == [0, 60, 120]


@pytest.mark.looptime
async def test_a_live_pods_newest_dead_container_stays_and_older_ones_go(sweeper, node):
    containers = []
    for attempt in range(3):
        containers.append(await node.container("web", "app", attempt=attempt))
        await asyncio.sleep(1)
    await sweeper.sweep()

    assert [container.id for container in node.cri.containers()] == containers[-1:]


@pytest.mark.looptime
async def test_nothing_of_unknown_pods_goes_before_the_sources_have_reported(sweeper, node, pods, tmp_path):
    await node.container("web", "app")
    directory = tmp_path / "pods" / "default_web_uid-web"
    directory.mkdir()
    pods.gone, pods.sources_ready = {"uid-web"}, False

    await sweeper.sweep()
    assert len(node.cri.containers()) == 1
    assert directory.exists()

    pods.sources_ready = True
    await sweeper.sweep()
    assert node.cri.containers() == []
    assert not directory.exists()


@pytest.mark.looptime
async def test_a_container_in_unknown_state_is_stopped_before_it_is_removed(sweeper, node, pods):
    container_id = await node.container("web", "app", running=True)
    held = node.cri._containers[container_id]
    held.status = replace(
        held.status,
        state=ContainerState.UNKNOWN,
        annotations={"io.kubernetes.pod.terminationGracePeriod": "7"},
    )
    pods.gone = {"uid-web"}

    await sweeper.sweep()

    stop = next(call for call in node.cri.calls if call.rpc == "StopContainer")
    assert stop.args["timeout_seconds"] == 7
    assert node.cri.containers() == []


@pytest.mark.looptime
async def test_one_failing_removal_hinders_no_other_and_is_tried_again(sweeper, node, pods, recorder):
    await node.container("one", "a")
    await node.container("two", "b")
    pods.gone = {"uid-one", "uid-two"}
    node.cri.fail("RemoveContainer", "device busy")
    node.cri.fail("StopPodSandbox", "network busy")

    await sweeper.sweep()
    assert len(node.cri.containers()) == 1
    await sweeper.sweep()

    assert node.cri.containers() == []
    assert node.cri.sandboxes() == []
    assert recorder.reasons() == []


@pytest.mark.looptime
async def test_a_runtime_that_cannot_list_gives_an_event_a_turn_and_the_loop_lives(sweeper, node, recorder):
    node.cri.fail("ListContainers", CRIError("no answer"), times=2)
    await sweeper.sweep()
    await sweeper.sweep()

    (event,) = recorder.events
    assert (event.reason, event.type, event.regarding) == ("ContainerGCFailed", "Warning", NODE)
    assert event.message == "[rpc error: code = Unknown desc = no answer, rpc error: code = Unknown desc = no answer]"


@pytest.mark.looptime
async def test_a_link_to_a_missing_log_goes_unless_its_container_is_alive(sweeper, node, tmp_path):
    node.cri._new_id = lambda stem: f"{stem}0000000"
    alive = await node.container("web", "aaa", running=True)
    links = tmp_path / "links"
    kept = links / f"web_default_aaa-{alive}.log"
    gone = links / "web_default_aaa-deadbeef.log"
    odd = links / "whatever.log"
    for link in (kept, gone, odd):
        link.symlink_to(tmp_path / "nowhere.log")
    whole = links / "web_default_aaa-cafecafe.log"
    whole.symlink_to(tmp_path)

    await sweeper.sweep()

    assert sorted(links.iterdir()) == sorted([kept, whole])


@pytest.mark.looptime
async def test_a_short_disk_costs_the_remains_of_pods_that_have_stopped_and_of_no_others(sweeper, node, pods, recorder):
    await node.container("done", "app")
    await node.container("alive", "app")
    pods.stopped.add("uid-done")

    await sweeper.delete_unused()

    assert [one.labels["io.kubernetes.pod.name"] for one in await node.cri.list_containers()] == ["alive"]
    assert recorder.children(ROOT) == []
    node.cri.down = True
    await sweeper.delete_unused()  # a failure is logged
