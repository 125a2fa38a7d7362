"""Claims about one sync: its span, its errors to the letter, its status, its files; run by hand, without workers."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lightkube.models.core_v1 import Pod, PodStatus
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from kubeletsim.model.errors import CRIError, KubeletSimError
from kubeletsim.model.pod import describe
from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.lifecycle import NetworkNotReady
from kubeletsim.pods.requests import pod_dir
from kubeletsim.pods.sync import SCOPE, SyncOutcome, UpdateType
from tests.fakes.pods import IMAGE, UID, container, make_pod, sidecar
from tests.fakes.runtime import FakeRuntime, Life
from tests.pods.node import Node

pytestmark = pytest.mark.looptime


@pytest.fixture
def node(tmp_path: Path) -> Node:
    runtime = FakeRuntime()
    runtime.add_image(IMAGE)
    return Node(tmp_path, runtime)


async def sync(node: Node, pod: Pod, update_type: UpdateType = UpdateType.SYNC, **options: Any) -> SyncOutcome:
    """Sync a pod with what the runtime shows now; the calls before are forgotten."""
    observed = await node.sync._observe(PodUID(UID))
    node.runtime.calls.clear()
    options.setdefault("going_down", lambda: False)
    return await node.sync.sync_pod(pod, observed, update_type=update_type, **options)


async def terminate(node: Node, pod: Pod, **options: Any) -> None:
    observed = await node.sync._observe(PodUID(UID))
    node.runtime.calls.clear()
    options.setdefault("grace_seconds", None)
    await node.sync.sync_terminating_pod(pod, observed, **options)


def last_span(node: Node, name: str = "syncPod") -> ReadableSpan:
    return [span for span in node.exporter.get_finished_spans() if span.name == name][-1]


START = ["ImageStatus", "ImageStatus", "CreateContainer", "StartContainer"]


async def test_a_sync_is_a_root_span_with_upstreams_attributes(node: Node) -> None:
    outer = node.provider.get_tracer("test")

    with outer.start_as_current_span("outer"):
        await sync(node, make_pod(), UpdateType.CREATE)

    span = last_span(node)
    assert span.parent is None
    assert (span.kind, span.instrumentation_scope.name if span.instrumentation_scope else "") == (
        SpanKind.INTERNAL,
        SCOPE,
    )
    assert list((span.attributes or {}).items()) == [
        ("k8s.pod.uid", UID),
        ("k8s.pod", "default/web"),
        ("k8s.pod.name", "web"),
        ("k8s.pod.update_type", "create"),
        ("k8s.namespace.name", "default"),
    ]
    assert (span.status.status_code, span.events) == (StatusCode.UNSET, ())


async def test_the_first_sync_starts_everything_and_the_next_finds_nothing_to_do(node: Node) -> None:
    first = await sync(node, make_pod(container("a"), container("b")))
    assert node.runtime.names() == ["Version", "RunPodSandbox", "PodSandboxStatus", *START, *START]

    second = await sync(node, make_pod(container("a"), container("b")))

    assert node.runtime.names() == ["Version"]
    assert (first.acted, second.acted) == (True, False)


async def test_only_static_pods_cost_a_version_and_a_failed_one_is_no_failure(node: Node) -> None:
    node.runtime.fail("Version", "trouble")

    await sync(node, make_pod())
    assert node.runtime.names()[0] == "Version"
    await sync(node, make_pod(source="api"))

    assert node.runtime.names() == []


FAILURES = [
    pytest.param(
        "RunPodSandbox",
        'failed to "CreatePodSandbox" for "{pod}" with CreatePodSandboxError: "Failed to create sandbox for pod '
        '\\"{pod}\\": rpc error: code = Unknown desc = no \\"luck\\""',
        ["FailedCreatePodSandBox"],
        id="sandbox",
    ),
    pytest.param(
        "PodSandboxStatus",
        'failed to SyncPod: rpc error: code = Unknown desc = no "luck"',
        ["FailedPodSandBoxStatus"],
        id="sandbox status",
    ),
    pytest.param(
        "CreateContainer",
        'failed to "StartContainer" for "app" with CreateContainerError: "no \\"luck\\""',
        ["Pulled", "Failed"],
        id="create",
    ),
    pytest.param(
        "StartContainer",
        'failed to "StartContainer" for "app" with RunContainerError: "no \\"luck\\""',
        ["Pulled", "Created", "Failed"],
        id="start",
    ),
]


@pytest.mark.parametrize(("rpc", "text", "events"), FAILURES)
async def test_a_call_that_fails_fails_the_sync_in_upstreams_words(
    node: Node, rpc: str, text: str, events: Sequence[str]
) -> None:
    pod = make_pod()
    node.runtime.fail(rpc, 'no "luck"')

    with pytest.raises(KubeletSimError) as caught:
        await sync(node, pod)

    expected = text.format(pod=describe(pod))
    assert str(caught.value) == expected
    assert node.reasons() == events
    span = last_span(node)
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, expected)
    (event,) = span.events
    assert (event.name, dict(event.attributes or {})) == (
        "exception",
        {"exception.type": "k8s.io/apimachinery/pkg/util/errors.aggregate", "exception.message": expected},
    )


async def test_several_failures_are_one_text_in_brackets_and_the_others_start(node: Node) -> None:
    node.runtime.fail("CreateContainer", "one")
    node.runtime.fail("CreateContainer", "two")

    with pytest.raises(KubeletSimError) as caught:
        await sync(node, make_pod(container("a"), container("b"), container("c")))

    assert str(caught.value) == (
        '[failed to "StartContainer" for "a" with CreateContainerError: "one", '
        'failed to "StartContainer" for "b" with CreateContainerError: "two"]'
    )
    assert [one.name for one in node.runtime.running()] == ["c"]


async def test_a_normal_init_container_that_does_not_start_ends_the_sync_and_a_sidecar_does_not(node: Node) -> None:
    pod = make_pod(init=[sidecar("side"), container("last")])
    await sync(node, pod)
    node.runtime.exit("side")
    await asyncio.sleep(1)
    node.runtime.fail("CreateContainer", "no")

    with pytest.raises(KubeletSimError, match='"side"'):
        await sync(node, pod)
    await asyncio.sleep(11)  # the sidecar has crashed once, and this was its first restart
    assert (await sync(node, pod)).acted
    await sync(node, pod)

    assert [one.name for one in node.runtime.running()] == ["side", "last"]


async def test_a_pod_that_is_going_down_begins_nothing(node: Node) -> None:
    outcome = await sync(node, make_pod(), going_down=lambda: True)

    assert node.runtime.names() == ["Version"]
    assert not outcome.acted


async def test_a_sandbox_that_fails_while_the_pod_is_going_down_is_no_failure(node: Node) -> None:
    node.runtime.latencies["RunPodSandbox"] = 1
    node.runtime.fail("RunPodSandbox", "network is gone")
    loop = asyncio.get_running_loop()

    await sync(node, make_pod(), going_down=lambda: loop.time() >= 1)

    assert node.runtime.names() == ["Version", "RunPodSandbox"]


async def test_the_containers_get_their_directories_and_logs_are_linked(node: Node) -> None:
    pod = make_pod(container("app", terminationMessagePath="/dev/termination-log"))
    logs = node.root / "logs" / f"default_web_{UID}" / "app"

    await sync(node, pod)

    assert logs.stat().st_mode & 0o777 == 0o755
    termination_logs = list((Path(pod_dir(PodUID(UID), node=node.facts)) / "containers" / "app").iterdir())
    assert [path.stat().st_mode & 0o777 for path in termination_logs] == [0o666]
    assert not (node.root / "links").exists()  # the fake runtime writes no log to link to

    (logs / "1.log").touch()
    node.runtime.exit("app")
    await sync(node, pod)
    (link,) = (node.root / "links").iterdir()
    assert link.name == f"web_default_app-{node.runtime.running()[0].id}.log"
    assert link.resolve() == (logs / "1.log").resolve()


async def test_restarts_are_counted_on_and_by_the_logs_when_the_runtime_forgot_them(node: Node) -> None:
    pod = make_pod()
    (node.root / "logs" / f"default_web_{UID}" / "app").mkdir(parents=True)
    (node.root / "logs" / f"default_web_{UID}" / "app" / "6.log").touch()

    await sync(node, pod)
    node.runtime.exit("app")
    await asyncio.sleep(1)
    await sync(node, pod)

    assert [one.attempt for one in node.runtime.containers()] == [7, 8]


async def test_a_pods_files_that_cannot_be_made_are_a_failed_mount(node: Node) -> None:
    pod = make_pod(volumes=[{"name": "v", "hostPath": {"path": str(node.root / "absent"), "type": "Directory"}}])

    with pytest.raises(KubeletSimError, match="is not a directory"):
        await sync(node, pod)

    assert node.reasons() == ["FailedMount"]
    assert node.runtime.names() == ["Version"]
    (event,) = last_span(node).events
    assert (event.attributes or {})["exception.type"] == "*errors.errorString"


async def test_without_a_network_only_pods_on_the_hosts_network_start(node: Node) -> None:
    node.network_errors = ["container runtime network not ready: NetworkReady=false"]

    with pytest.raises(NetworkNotReady) as caught:
        await sync(node, make_pod(hostNetwork=False))
    assert str(caught.value) == f"network is not ready: {node.network_errors[0]}"
    assert node.reasons() == ["NetworkNotReady"]
    assert node.runtime.names() == []

    assert (await sync(node, make_pod())).acted


async def test_a_pod_whose_work_is_done_says_so_and_asks_the_runtime_nothing(node: Node) -> None:
    pod = make_pod(restartPolicy="Never")
    node.runtime.lives["app"] = Life(exits_after_seconds=1)
    await sync(node, pod)
    await asyncio.sleep(1)

    outcome = await sync(node, pod)

    assert outcome == SyncOutcome(terminal=True)
    assert node.runtime.names() == []
    assert node.phase(pod) == "Succeeded"


async def test_why_a_container_waits_is_told_until_it_starts(node: Node) -> None:
    pod = make_pod()
    node.runtime.fail("CreateContainer", "no")

    def waiting() -> list[tuple[str | None, str | None]]:
        status = node.statuses.get(PodUID(UID))
        assert status is not None
        states = [one.state.waiting for one in status.containerStatuses or [] if one.state]
        return [(state.reason, state.message) for state in states if state]

    with pytest.raises(KubeletSimError):
        await sync(node, pod)
    assert waiting() == [("ContainerCreating", None)]  # a status is made at the beginning of a sync
    await sync(node, pod)
    assert waiting() == [("CreateContainerError", "no")]
    await sync(node, pod)
    assert waiting() == []


async def test_a_lost_sandbox_is_replaced_and_init_begins_again(node: Node) -> None:
    pod = make_pod(init=[container("init")])
    node.runtime.lives["init"] = Life(exits_after_seconds=0)
    await sync(node, pod)
    await sync(node, pod)
    node.runtime.reboot()
    await asyncio.sleep(1)

    await sync(node, pod)

    names = node.runtime.names()
    purge = ["ContainerStatus", "ContainerStatus", "RemoveContainer"]
    assert names == ["Version", "StopPodSandbox", *purge, "RunPodSandbox", "PodSandboxStatus", *START]
    assert [one.attempt for one in node.runtime.sandboxes()] == [0, 1]
    assert "SandboxChanged" in node.reasons()


async def test_only_the_newest_dead_init_container_is_kept(node: Node) -> None:
    pod = make_pod(init=[container("init")])
    node.runtime.lives["init"] = Life(exits_after_seconds=0, exit_code=1)
    for _ in range(4):
        with contextlib.suppress(KubeletSimError):
            await sync(node, pod)
        await asyncio.sleep(700)  # past any backoff

    assert len([one for one in node.runtime.containers() if one.name == "init"]) == 2


# Crash loops.


async def crash_waits(node: Node, *, ran_seconds: float = 1, crashes: int = 8) -> list[int]:
    """Return how long a container that crashes again and again is kept waiting, crash by crash."""
    pod = make_pod()
    node.runtime.lives["app"] = Life(exits_after_seconds=ran_seconds, exit_code=1)
    loop, waits = asyncio.get_running_loop(), []
    await sync(node, pod)
    for _ in range(crashes):
        await asyncio.sleep(ran_seconds)
        crashed_at = loop.time()
        while not node.runtime.running():
            with contextlib.suppress(KubeletSimError):
                await sync(node, pod)
            if not node.runtime.running():
                await asyncio.sleep(5)
        waits.append(round(loop.time() - crashed_at))
    return waits


async def test_the_first_restart_is_at_once_and_the_pauses_double_up_to_five_minutes(node: Node) -> None:
    assert await crash_waits(node) == [0, 10, 20, 40, 80, 160, 300, 300]


async def test_a_container_that_ran_for_more_than_ten_minutes_starts_anew(node: Node) -> None:
    assert await crash_waits(node, ran_seconds=601, crashes=4) == [0, 0, 0, 0]
    assert "BackOff" not in node.reasons()


async def test_a_crash_loops_text_is_upstreams(node: Node) -> None:
    pod = make_pod()
    node.runtime.lives["app"] = Life(exits_after_seconds=0, exit_code=1)
    await sync(node, pod)
    await sync(node, pod)

    with pytest.raises(KubeletSimError) as caught:
        await sync(node, pod)

    assert str(caught.value) == (
        'failed to "StartContainer" for "app" with CrashLoopBackOff: '
        f'"back-off 10s restarting failed container=app pod=web_default({UID})"'
    )
    assert node.runtime.names() == ["Version"]
    assert node.events[-1].message == f"Back-off restarting failed container app in pod web_default({UID})"


# The end of a pod.


async def test_the_end_is_a_root_span_without_an_update_type(node: Node) -> None:
    pod = make_pod()
    await sync(node, pod)

    await terminate(node, pod)
    await node.sync.sync_terminated_pod(pod, await node.sync._observe(PodUID(UID)))

    for name in ("syncTerminatingPod", "syncTerminatedPod"):
        span = last_span(node, name)
        assert span.parent is None
        assert list(span.attributes or {}) == ["k8s.pod.uid", "k8s.pod", "k8s.pod.name", "k8s.namespace.name"]


async def test_only_what_runs_is_stopped_and_then_all_is_looked_at_once_more(node: Node) -> None:
    pod = make_pod(container("a"), container("b"))
    await sync(node, pod)
    node.runtime.exit("b")

    await terminate(node, pod)

    reading = ["ListPodSandbox", "ListContainers", "PodSandboxStatus", "ContainerStatus", "ContainerStatus"]
    assert node.runtime.names() == ["StopContainer", "StopPodSandbox", *reading]


@pytest.mark.parametrize(
    ("rpc", "text", "type_"),
    [
        (
            "StopContainer",
            'failed to "KillContainer" for "app" with KillContainerError: "rpc error: code = Unknown desc = no"',
            "k8s.io/apimachinery/pkg/util/errors.aggregate",
        ),
        ("ListContainers", "rpc error: code = Unknown desc = no", "*status.Error"),
    ],
)
async def test_an_end_that_fails_is_an_error_on_its_span(node: Node, rpc: str, text: str, type_: str) -> None:
    pod = make_pod()
    await sync(node, pod)
    observed = await node.sync._observe(PodUID(UID))
    node.runtime.fail(rpc, CRIError("no"))

    with pytest.raises(KubeletSimError, match="no"):
        await node.sync.sync_terminating_pod(pod, observed, grace_seconds=1)

    span = last_span(node, "syncTerminatingPod")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, text)
    assert (span.events[0].attributes or {})["exception.type"] == type_


async def test_a_runtime_that_lies_about_a_stop_is_found_out(node: Node) -> None:
    pod = make_pod()
    await sync(node, pod)
    observed = await node.sync._observe(PodUID(UID))
    node.runtime.fail("StopContainer", "x", times=0)

    async def lie(*_: object, **__: object) -> None: ...

    node.runtime.stop_container = node.runtime.stop_pod_sandbox = lie  # type: ignore[method-assign]

    with pytest.raises(KubeletSimError, match=r"CRI violation: \[app\]"):
        await node.sync.sync_terminating_pod(pod, observed, grace_seconds=1)


async def test_a_kill_may_write_the_status(node: Node) -> None:
    pod = make_pod()
    await sync(node, pod)

    await terminate(node, pod, status_fn=lambda status: PodStatus(phase="Failed", reason="Evicted"))

    status = node.statuses.get(PodUID(UID))
    assert status is not None
    assert (status.phase, status.reason) == ("Failed", "Evicted")


@pytest.fixture
async def orphan(node: Node) -> Node:
    await sync(node, make_pod(container("a"), container("b")))
    node.exporter.clear()
    node.runtime.calls.clear()
    return node


async def test_a_pod_only_the_runtime_knows_is_killed_without_a_span(orphan: Node) -> None:
    running = await orphan.housekeeper._list_running_pods()
    orphan.exporter.clear()

    await orphan.sync.sync_terminating_runtime_pod(running[PodUID(UID)])

    spans = orphan.exporter.get_finished_spans()
    assert sorted(span.name.rpartition("/")[2] for span in spans) == [
        "StopContainer",
        "StopContainer",
        "StopPodSandbox",
    ]
    assert all(span.parent is None for span in spans)
    assert orphan.runtime.running() == []
