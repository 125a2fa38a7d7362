"""Claims about one sync: its span, its errors to the letter, its status; run by hand, without workers."""

import asyncio
from collections.abc import Sequence

import pytest
from lightkube.models.core_v1 import PodStatus
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from kubeletsim.model.errors import CRIError, KubeletSimError
from kubeletsim.model.pod import describe, pod_uid
from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.failures import MountFailure
from kubeletsim.pods.lifecycle import NetworkNotReady
from kubeletsim.pods.sync import SCOPE, SyncOutcome, UpdateType
from tests.fakes.pods import UID, container, make_pod
from tests.fakes.runtime import Life
from tests.pods.node import Node

pytestmark = pytest.mark.looptime
START = ["ImageStatus", "ImageStatus", "CreateContainer", "StartContainer"]


def last_span(node: Node, name: str = "syncPod") -> ReadableSpan:
    return [span for span in node.exporter.get_finished_spans() if span.name == name][-1]


async def test_a_sync_is_a_root_span_with_upstreams_attributes(node: Node) -> None:
    outer = node.provider.get_tracer("test")

    with outer.start_as_current_span("outer"):
        await node.sync_once(make_pod(), UpdateType.CREATE)

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
    first = await node.sync_once(make_pod(container("a"), container("b")))
    assert node.runtime.names() == ["Version", "RunPodSandbox", "PodSandboxStatus", *START, *START]

    second = await node.sync_once(make_pod(container("a"), container("b")))

    assert node.runtime.names() == ["Version"]
    assert (first.acted, second.acted) == (True, False)


async def test_while_images_are_pulled_the_status_says_that_the_sandbox_is_ready(node: Node) -> None:
    node.runtime.hangs.add("PullImage")
    pod = make_pod(container("app", image="absent:1"))
    sync = asyncio.create_task(node.sync_once(pod, UpdateType.CREATE), name="sync")
    await asyncio.sleep(1)

    status = node.statuses.get(pod_uid(pod))
    sync.cancel()
    assert status is not None
    assert {one.type: one.status for one in status.conditions or ()}["PodReadyToStartContainers"] == "True"


async def test_only_static_pods_cost_a_version_and_a_failed_one_is_no_failure(node: Node) -> None:
    node.runtime.fail("Version", "trouble")

    await node.sync_once(make_pod())
    assert node.runtime.names()[0] == "Version"
    await node.sync_once(make_pod(source="api"))

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
        await node.sync_once(pod)

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


async def test_a_sync_of_a_pod_that_is_told_to_end_goes_on_but_no_longer_looks_at_the_node(node: Node) -> None:
    outcome = await node.sync_once(make_pod(), going_down=lambda: True)

    assert node.runtime.names() == ["RunPodSandbox", "PodSandboxStatus", *START]
    assert outcome.acted


async def test_a_volume_that_is_not_mounted_keeps_the_pod_from_starting(node: Node) -> None:
    app = container("app", volumeMounts=[{"name": "v", "mountPath": "/v"}])
    volume = {"name": "v", "hostPath": {"path": str(node.root / "absent"), "type": "Directory"}}
    pod = make_pod(app, volumes=[volume])

    with pytest.raises(MountFailure, match="unmounted volumes=\\[v\\]"):
        await node.sync_once(pod)

    assert set(node.reasons()) == {"FailedMount"}
    assert node.runtime.names() == ["Version"]
    (event,) = last_span(node).events
    assert (event.attributes or {})["exception.type"] == "*fmt.wrapError"


async def test_a_pods_directories_that_cannot_be_made_are_told(node: Node) -> None:
    (node.root / "kubelet").write_text("in the way")

    with pytest.raises(MountFailure):
        await node.sync_once(make_pod())

    assert node.reasons() == ["Failed"]
    assert node.runtime.names() == ["Version"]


async def test_a_pods_volumes_are_gone_when_it_has_ended(node: Node) -> None:
    app = container("app", volumeMounts=[{"name": "v", "mountPath": "/v"}])
    pod = make_pod(app, volumes=[{"name": "v", "emptyDir": {}}])
    await node.sync_once(pod)
    (volumes,) = (node.root / "kubelet" / "pods").glob("*/volumes/kubernetes.io~empty-dir")
    assert [path.name for path in volumes.iterdir()] == ["v"]

    await node.terminate_once(pod)
    await node.sync.sync_terminated_pod(pod, await node.observe(pod_uid(pod)))

    assert list(volumes.iterdir()) == []


async def test_without_a_network_only_pods_on_the_hosts_network_start(node: Node) -> None:
    node.network_errors = ["container runtime network not ready: NetworkReady=false"]

    with pytest.raises(NetworkNotReady) as caught:
        await node.sync_once(make_pod(hostNetwork=False))
    assert str(caught.value) == f"network is not ready: {node.network_errors[0]}"
    assert node.reasons() == ["NetworkNotReady"]
    assert node.runtime.names() == []

    assert (await node.sync_once(make_pod())).acted


async def test_a_pod_whose_work_is_done_says_so_and_asks_the_runtime_nothing(node: Node) -> None:
    pod = make_pod(restartPolicy="Never")
    node.runtime.lives["app"] = Life(exits_after_seconds=1)
    await node.sync_once(pod)
    await asyncio.sleep(1)

    outcome = await node.sync_once(pod)

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
        await node.sync_once(pod)
    assert waiting() == [("ContainerCreating", None)]  # a status is made at the beginning of a sync
    await node.sync_once(pod)
    assert waiting() == [("CreateContainerError", "no")]
    await node.sync_once(pod)
    assert waiting() == []


# The end of a pod.


async def test_the_end_is_a_root_span_without_an_update_type(node: Node) -> None:
    pod = make_pod()
    await node.sync_once(pod)

    await node.terminate_once(pod)
    await node.sync.sync_terminated_pod(pod, await node.observe(PodUID(UID)))

    for name in ("syncTerminatingPod", "syncTerminatedPod"):
        span = last_span(node, name)
        assert span.parent is None
        assert list(span.attributes or {}) == ["k8s.pod.uid", "k8s.pod", "k8s.pod.name", "k8s.namespace.name"]


async def test_only_what_runs_is_stopped_and_then_all_is_looked_at_once_more(node: Node) -> None:
    pod = make_pod(container("a"), container("b"))
    await node.sync_once(pod)
    node.runtime.exit("b")

    await node.terminate_once(pod)

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
    await node.sync_once(pod)
    observed = await node.observe(PodUID(UID))
    node.runtime.fail(rpc, CRIError("no"))

    with pytest.raises(KubeletSimError, match="no"):
        await node.sync.sync_terminating_pod(pod, observed, grace_seconds=1)

    span = last_span(node, "syncTerminatingPod")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, text)
    assert (span.events[0].attributes or {})["exception.type"] == type_


async def test_a_runtime_that_lies_about_a_stop_is_found_out(node: Node) -> None:
    pod = make_pod()
    await node.sync_once(pod)
    observed = await node.observe(PodUID(UID))
    node.runtime.fail("StopContainer", "x", times=0)

    async def lie(*_: object, **__: object) -> None: ...

    node.runtime.stop_container = node.runtime.stop_pod_sandbox = lie  # type: ignore[method-assign]

    with pytest.raises(KubeletSimError, match=r"CRI violation: \[app\]"):
        await node.sync.sync_terminating_pod(pod, observed, grace_seconds=1)


async def test_a_kill_may_write_the_status(node: Node) -> None:
    pod = make_pod()
    await node.sync_once(pod)

    await node.terminate_once(pod, status_fn=lambda status: PodStatus(phase="Failed", reason="Evicted"))

    status = node.statuses.get(PodUID(UID))
    assert status is not None
    assert (status.phase, status.reason) == ("Failed", "Evicted")


@pytest.fixture
async def orphan(node: Node) -> Node:
    await node.sync_once(make_pod(container("a"), container("b")))
    node.exporter.clear()
    node.runtime.calls.clear()
    return node


async def test_a_pod_only_the_runtime_knows_is_killed_without_a_span(orphan: Node) -> None:
    running = await orphan.list_running_pods()
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


async def test_pull_secrets_that_cannot_be_had_are_told_and_the_pull_goes_on(node: Node) -> None:
    secrets = [{"name": "one"}, {}, {"name": "two"}]

    await node.sync_once(make_pod(imagePullSecrets=secrets))

    told = [(event.type, event.message) for event in node.events if event.reason == "FailedToRetrieveImagePullSecret"]
    text = "Unable to retrieve some image pull secrets (one, two); attempting to pull the image may not succeed."
    assert told == [("Warning", text)]
    assert len(node.runtime.running()) == 1
