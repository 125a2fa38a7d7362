"""What a kubelet demands of a runtime, in the order in which it meets it; each profile must do.

A kubelet, crictl and critest share one client library; what that library insists on is law, and so is what a kubelet
1.36 dies of, or silently goes without. Sources: cri-client's remote_runtime.go and remote_image.go, kubelet's
cmd/kubelet/app/server.go, pkg/kubelet/kuberuntime.
"""

# ruff: noqa: ASYNC240  # looking at a file does not hold up a test

import asyncio
import ipaddress
import re
import stat
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path

import aiohttp
import grpc
import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.settings import Settings
from tests.runtime_stub.conftest import IMAGE, Client, connected

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) (stdout|stderr) ([FP]) (.*)")
VERSION = re.compile(r"v?\d+(\.\d+)+([-+].*)?")
MISSING = "0" * 64


@pytest.fixture(params=["containerd", "crio", "plain"])
async def client(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Client]:
    async with connected(replace(settings, profile=request.param)) as client:
        yield client


async def code_of(call: Awaitable[object]) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_it_starts_with_a_runtime_that_has_nothing(client: Client) -> None:
    version = await client.runtime.Version(pb.VersionRequest(version="0.1.0"))
    filesystem = await client.images.ImageFsInfo(pb.ImageFsInfoRequest())
    drivers = {(await client.runtime.RuntimeConfig(pb.RuntimeConfigRequest())).linux.cgroup_driver for _ in range(3)}

    assert version.version == "0.1.0", "or the kubelet exits"
    assert version.runtime_name
    assert VERSION.fullmatch(version.runtime_version)
    assert VERSION.fullmatch(version.runtime_api_version) or version.runtime_api_version == "v1"
    mountpoint = Path(filesystem.image_filesystems[0].fs_id.mountpoint)
    assert mountpoint.is_absolute(), "the kubelet looks from somewhere else"
    assert mountpoint.is_dir()
    assert filesystem.image_filesystems[0].used_bytes.value > 0
    assert filesystem.image_filesystems[0].inodes_used.value > 0
    assert drivers == {pb.CGROUPFS}
    assert not (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items
    assert not (await client.runtime.ListContainers(pb.ListContainersRequest())).containers


async def test_the_node_is_ready_and_knows_its_handlers(client: Client) -> None:
    answer = await client.runtime.Status(pb.StatusRequest())

    conditions = {one.type: one.status for one in answer.status.conditions}
    assert conditions["RuntimeReady"]
    assert conditions["NetworkReady"]
    (default,) = [one for one in answer.runtime_handlers if one.name == ""]
    assert default.features.recursive_read_only_mounts
    assert default.features.user_namespaces
    assert answer.features.supplemental_groups_policy


async def test_a_sandbox_has_what_the_client_library_requires(client: Client) -> None:
    sandbox_id = await client.run_sandbox()
    request = pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id)
    status = (await client.runtime.PodSandboxStatus(request)).status

    assert status.id == sandbox_id
    assert re.fullmatch("[0-9a-f]{64}", sandbox_id)
    assert all((status.metadata.name, status.metadata.namespace, status.metadata.uid))
    assert status.created_at > 0
    assert status.state == pb.SANDBOX_READY
    ipaddress.ip_address(status.network.ip)

    await client.runtime.StopPodSandbox(pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id))
    status = (await client.runtime.PodSandboxStatus(request)).status
    assert (status.state, status.network.ip) == (pb.SANDBOX_NOTREADY, "")


async def test_a_container_has_what_the_client_library_requires(client: Client) -> None:
    id_ = await client.create(await client.run_sandbox(), client.container("sh", "-c", "exit 3"))
    created = await client.status(id_)
    await client.start(id_)
    exited = await client.status(id_)
    while exited.state != pb.CONTAINER_EXITED:
        exited = await client.status(id_)

    assert all((created.id, created.metadata.name, created.image.image, created.image_ref, created.image_id))
    assert created.created_at > 0
    assert (created.started_at, created.finished_at) == (0, 0), "times are 0 before they happen"
    assert created.log_path
    assert (exited.exit_code, exited.reason) == (3, "Error")
    assert created.created_at <= exited.started_at <= exited.finished_at


async def test_a_list_gives_labels_and_annotations_back_unaltered(client: Client) -> None:
    container = client.container("sleep", "9")
    container.annotations["io.kubernetes.container.hash"] = "a1b2\n\u00fc"
    sandbox_id = await client.run_sandbox()
    await client.create(sandbox_id, container)

    (item,) = (await client.runtime.ListContainers(pb.ListContainersRequest())).containers
    (sandbox,) = (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items

    assert dict(item.labels) == dict(container.labels)
    assert dict(item.annotations) == dict(container.annotations)
    assert (item.pod_sandbox_id, item.state) == (sandbox_id, pb.CONTAINER_CREATED)
    assert item.HasField("image")
    assert item.created_at > 0
    assert dict(sandbox.annotations) == dict(client.pod().annotations)


async def test_an_image_has_one_id_wherever_it_is_mentioned(client: Client) -> None:
    pulled = await client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image="nginx")))
    image = (await client.images.ImageStatus(pb.ImageStatusRequest(image=pb.ImageSpec(image="nginx")))).image
    id_ = await client.create(await client.run_sandbox(), client.container(image="nginx"))
    (item,) = (await client.runtime.ListContainers(pb.ListContainersRequest())).containers

    assert image.size > 0
    assert {pulled.image_ref, image.id, item.image_id, (await client.status(id_)).image_id} == {image.id}
    absent = await client.images.ImageStatus(pb.ImageStatusRequest(image=pb.ImageSpec(image="absent")))
    assert not absent.HasField("image"), "absence is no error"


async def test_an_exec_tells_exit_codes_outputs_and_timeouts_apart(client: Client) -> None:
    id_ = await client.run("sleep", "1000")

    async def exec_sync(*command: str, timeout: int = 0) -> pb.ExecSyncResponse:
        request = pb.ExecSyncRequest(container_id=id_, cmd=command, timeout=timeout)
        return await client.runtime.ExecSync(request)  # type: ignore[no-any-return]

    answer = await exec_sync("sh", "-c", "echo out; echo err >&2; exit 7")
    assert (answer.stdout, answer.stderr, answer.exit_code) == (b"out\n", b"err\n", 7)
    late = asyncio.ensure_future(exec_sync("sleep", "100", timeout=1))
    code = await code_of(late)
    if code is grpc.StatusCode.OK:
        assert (late.result().exit_code, late.result().stderr) == (-1, b"command timed out"), "CRI-O answers a failure"
    else:
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED, "any other code is an unknown result of a probe"


@pytest.mark.parametrize(
    ("rpc", "request_"),
    [
        ("StopPodSandbox", pb.StopPodSandboxRequest(pod_sandbox_id=MISSING)),
        ("RemovePodSandbox", pb.RemovePodSandboxRequest(pod_sandbox_id=MISSING)),
        ("StopContainer", pb.StopContainerRequest(container_id=MISSING)),
        ("RemoveContainer", pb.RemoveContainerRequest(container_id=MISSING)),
    ],
)
async def test_ending_what_is_gone_succeeds(client: Client, rpc: str, request_: object) -> None:
    assert await code_of(getattr(client.runtime, rpc)(request_)) is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("rpc", "request_"),
    [
        ("PodSandboxStatus", pb.PodSandboxStatusRequest(pod_sandbox_id=MISSING)),
        ("ContainerStatus", pb.ContainerStatusRequest(container_id=MISSING)),
        ("ContainerStats", pb.ContainerStatsRequest(container_id=MISSING)),
        ("PodSandboxStats", pb.PodSandboxStatsRequest(pod_sandbox_id=MISSING)),
        ("StartContainer", pb.StartContainerRequest(container_id=MISSING)),
        ("ExecSync", pb.ExecSyncRequest(container_id=MISSING, cmd=["true"])),
        ("Exec", pb.ExecRequest(container_id=MISSING, cmd=["true"], stdout=True)),
        ("Attach", pb.AttachRequest(container_id=MISSING, stdout=True)),
        ("PortForward", pb.PortForwardRequest(pod_sandbox_id=MISSING)),
        ("UpdateContainerResources", pb.UpdateContainerResourcesRequest(container_id=MISSING)),
        ("UpdatePodSandboxResources", pb.UpdatePodSandboxResourcesRequest(pod_sandbox_id=MISSING)),
        ("ReopenContainerLog", pb.ReopenContainerLogRequest(container_id=MISSING)),
        ("CheckpointContainer", pb.CheckpointContainerRequest(container_id=MISSING)),
    ],
)
async def test_only_not_found_means_gone(client: Client, rpc: str, request_: object) -> None:
    assert await code_of(getattr(client.runtime, rpc)(request_)) is grpc.StatusCode.NOT_FOUND


async def lines_of(path: Path, count: int) -> list[str]:
    """Return the lines of a log once there are so many."""
    async with asyncio.timeout(60):
        while not path.exists() or len(lines := path.read_text().splitlines()) < count:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)
    return lines


async def test_a_log_has_the_format_that_the_kubelet_reads(client: Client) -> None:
    id_ = await client.run("sh", "-c", "echo one; echo two >&2; head -c 20000 /dev/zero | tr '\\0' x; echo; sleep 1000")
    path = Path((await client.status(id_)).log_path)

    lines = await lines_of(path, 4)

    found = [LOG_LINE.fullmatch(line) for line in lines]
    assert all(found), lines
    assert [(one[2], one[3], len(one[4])) for one in found if one] == [
        ("stdout", "F", 3),
        ("stderr", "F", 3),
        ("stdout", "P", 16384),
        ("stdout", "F", 20000 - 16384),
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path == Path(client.log_directory) / "app" / "0.log"


async def test_a_renamed_log_is_written_on_until_it_is_reopened(client: Client) -> None:
    id_ = await client.run("sh", "-c", "while true; do echo x; sleep 0.01; done")
    path = Path((await client.status(id_)).log_path)
    old = path.with_name("0.log.old")
    await lines_of(path, 1)

    path.rename(old)
    await lines_of(old, len(old.read_text().splitlines()) + 2)
    assert not path.exists()
    await client.runtime.ReopenContainerLog(pb.ReopenContainerLogRequest(container_id=id_))
    assert path.exists(), "it is there before the answer"
    await lines_of(path, 2)


async def test_streams_are_urls_on_loopback_that_work_once(client: Client) -> None:
    id_ = await client.run("sleep", "1000")
    exec_ = await client.runtime.Exec(pb.ExecRequest(container_id=id_, cmd=["true"], stdout=True))
    attach = await client.runtime.Attach(pb.AttachRequest(container_id=id_, stdout=True))
    sandbox_id = (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items[0].id
    forward = await client.runtime.PortForward(pb.PortForwardRequest(pod_sandbox_id=sandbox_id, port=[80]))

    for kind, url in (("exec", exec_.url), ("attach", attach.url), ("portforward", forward.url)):
        assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/{kind}/[A-Za-z0-9_-]{{8}}", url)
    async with aiohttp.ClientSession() as session, session.post(exec_.url[:-8] + "AAAAAAAA") as answer:
        assert answer.status == 404
    wrong = pb.ExecRequest(container_id=id_, cmd=["true"])
    assert await code_of(client.runtime.Exec(wrong)) is grpc.StatusCode.INVALID_ARGUMENT


async def test_statistics_move_on(client: Client) -> None:
    await client.run("sleep", "1000")
    first, second = [
        (await client.runtime.ListContainerStats(pb.ListContainerStatsRequest())).stats[0] for _ in range(2)
    ]

    assert first.attributes.id == second.attributes.id
    assert first.cpu.timestamp < second.cpu.timestamp
    assert first.cpu.usage_core_nano_seconds.value <= second.cpu.usage_core_nano_seconds.value
    assert first.memory.working_set_bytes.value > 0
    assert Path(first.writable_layer.fs_id.mountpoint).is_dir()


async def test_a_sandbox_whose_caller_gave_up_leaves_its_name_free(settings: Settings) -> None:
    async with connected(replace(settings, latency="default")) as client:
        request = pb.RunPodSandboxRequest(config=client.pod())
        gave_up = client.runtime.RunPodSandbox(request, timeout=0.02)
        assert await code_of(gave_up) is grpc.StatusCode.DEADLINE_EXCEEDED
        assert not (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items
        await client.run_sandbox()


async def test_events_wait_for_their_first_subscriber(client: Client) -> None:
    sandbox_id = await client.run_sandbox()
    id_ = await client.create(sandbox_id, client.container("sleep", "9"))
    await client.start(id_)

    stream = client.runtime.GetContainerEvents(pb.GetEventsRequest())
    events = [await stream.read() for _ in range(4)]
    stream.cancel()

    assert [(one.container_event_type, one.container_id) for one in events] == [
        (pb.CONTAINER_CREATED_EVENT, sandbox_id),
        (pb.CONTAINER_STARTED_EVENT, sandbox_id),
        (pb.CONTAINER_CREATED_EVENT, id_),
        (pb.CONTAINER_STARTED_EVENT, id_),
    ]
    assert [[one.state for one in event.containers_statuses] for event in events] == [
        [],
        [],
        [pb.CONTAINER_CREATED],
        [pb.CONTAINER_RUNNING],
    ], "as the pod was at that time"


async def test_images_are_removed_with_all_their_names_and_the_pause_image_is_pinned(client: Client) -> None:
    images = (await client.images.ListImages(pb.ListImagesRequest())).images
    pinned = [one for one in images if one.pinned]

    assert [any("pause" in tag for tag in one.repo_tags) for one in pinned] == [True]
    await client.images.RemoveImage(pb.RemoveImageRequest(image=pb.ImageSpec(image=IMAGE)))
    assert await code_of(client.images.RemoveImage(pb.RemoveImageRequest(image=pb.ImageSpec(image=IMAGE)))) is (
        grpc.StatusCode.OK
    )
