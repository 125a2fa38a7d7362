"""The stub on a real socket, seen by a CRI client: what kubelet, crictl and critest insist on."""

# ruff: noqa: ASYNC240  # looking at a file does not hold up a test

import asyncio
import json
from collections.abc import Awaitable
from pathlib import Path

import grpc
import pytest

from kubeletsim.pb import cri_pb2 as pb
from kubeletsim.pb.cri_pb2_grpc import RuntimeServiceStub
from runtime_stub.settings import Settings
from tests.runtime_stub.conftest import IMAGE, Client, connected

MISSING = "0" * 64


async def failure(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    """Return the code and text of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value.code(), failed.value.details() or ""


async def test_version_has_every_field_and_the_one_version_a_kubelet_takes(client: Client) -> None:
    answer = await client.runtime.Version(pb.VersionRequest())

    assert (answer.version, answer.runtime_name, answer.runtime_version) == ("0.1.0", "containerd", "2.4.0")
    assert answer.runtime_api_version == "v1"


async def test_status_is_ready_with_at_least_two_conditions(client: Client) -> None:
    answer = await client.runtime.Status(pb.StatusRequest(verbose=True))

    conditions = {one.type: one.status for one in answer.status.conditions}
    assert conditions == {"RuntimeReady": True, "NetworkReady": True, "ContainerdHasNoDeprecationWarnings": True}
    assert [one.name for one in answer.runtime_handlers] == ["", "runc"]
    assert {"config", "cniconfig", "lastCNILoadStatus"} <= set(answer.info)


async def test_the_cgroup_driver_is_cgroupfs_by_default(client: Client) -> None:
    answer = await client.runtime.RuntimeConfig(pb.RuntimeConfigRequest())

    assert answer.HasField("linux")
    assert answer.linux.cgroup_driver == pb.CGROUPFS


async def test_the_image_file_system_is_an_existing_directory(client: Client) -> None:
    answer = await client.images.ImageFsInfo(pb.ImageFsInfoRequest())

    (usage,) = answer.image_filesystems
    assert Path(usage.fs_id.mountpoint).is_dir()
    assert usage.timestamp > 0
    assert usage.used_bytes.value > 0
    assert usage.inodes_used.value > 0


async def test_a_pods_life(client: Client) -> None:
    sandbox_id = await client.run_sandbox()
    container_id = await client.create(sandbox_id, client.container("sleep", "1000"))
    created = await client.status(container_id)
    await client.start(container_id)
    running = await client.status(container_id)
    await client.runtime.StopContainer(pb.StopContainerRequest(container_id=container_id, timeout=0))
    exited = await client.status(container_id)

    assert [one.state for one in (created, running, exited)] == [
        pb.CONTAINER_CREATED,
        pb.CONTAINER_RUNNING,
        pb.CONTAINER_EXITED,
    ]
    assert 0 < created.created_at <= running.started_at <= exited.finished_at
    assert (exited.exit_code, exited.reason) == (137, "Error")
    assert len(sandbox_id) == len(container_id) == 64

    await client.runtime.RemoveContainer(pb.RemoveContainerRequest(container_id=container_id))
    await client.runtime.RemovePodSandbox(pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id))
    assert not (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items
    assert not (await client.runtime.ListContainers(pb.ListContainersRequest())).containers


async def test_what_a_client_set_comes_back_unaltered(client: Client) -> None:
    config = client.pod()
    sandbox_id = await client.run_sandbox(config)
    container = client.container("true")
    await client.create(sandbox_id, container)

    (sandbox,) = (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items
    (item,) = (await client.runtime.ListContainers(pb.ListContainersRequest())).containers
    assert (sandbox.metadata, dict(sandbox.labels)) == (config.metadata, dict(config.labels))
    assert dict(sandbox.annotations) == dict(config.annotations)
    assert (item.metadata, dict(item.labels), item.image.image) == (container.metadata, dict(container.labels), IMAGE)
    assert item.pod_sandbox_id == sandbox_id


async def test_a_pod_has_an_address_unless_it_uses_the_nodes(client: Client) -> None:
    addresses = []
    for number, host_network in enumerate((False, False, True)):
        sandbox_id = await client.run_sandbox(client.pod(f"p{number}", host_network=host_network))
        answer = await client.runtime.PodSandboxStatus(pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id))
        addresses.append(answer.status.network.ip)

    assert addresses == ["10.88.0.2", "10.88.0.3", ""]


async def test_a_new_pod_cidr_serves_the_next_pod(client: Client) -> None:
    network = pb.NetworkConfig(pod_cidr="10.1.0.0/24,fd00::/64")
    request = pb.UpdateRuntimeConfigRequest(runtime_config=pb.RuntimeConfig(network_config=network))
    await client.runtime.UpdateRuntimeConfig(request)
    sandbox_id = await client.run_sandbox()

    status = await client.runtime.PodSandboxStatus(pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id))
    assert status.status.network.ip == "10.1.0.2"
    assert [one.ip for one in status.status.network.additional_ips] == ["fd00::2"]


async def test_one_image_has_one_id_everywhere(client: Client) -> None:
    pulled = (await client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image="busybox:1.35")))).image_ref
    found = (await client.images.ImageStatus(pb.ImageStatusRequest(image=pb.ImageSpec(image=pulled)))).image
    id_ = await client.create(await client.run_sandbox(), client.container("true"))
    (item,) = (await client.runtime.ListContainers(pb.ListContainersRequest())).containers

    assert pulled == found.id == item.image_id == (await client.status(id_)).image_id
    assert pulled.startswith("sha256:")
    assert found.size > 0
    assert (await client.status(id_)).image.image == IMAGE
    assert (await client.status(id_)).image_ref == found.repo_digests[0]


async def test_a_missing_image_is_no_error_in_status_and_one_in_create(client: Client) -> None:
    answer = await client.images.ImageStatus(pb.ImageStatusRequest(image=pb.ImageSpec(image="none:1")))
    assert not answer.HasField("image")

    create = client.create(await client.run_sandbox(), client.container("true", image="none:1"))
    assert await failure(create) == (
        grpc.StatusCode.NOT_FOUND,
        'config.image.image: failed to resolve image "none:1": not found',
    )


async def test_concurrent_removals_of_an_image_all_succeed(client: Client) -> None:
    request = pb.RemoveImageRequest(image=pb.ImageSpec(image=IMAGE))
    await asyncio.gather(*(client.images.RemoveImage(request) for _ in range(5)))

    assert [one.pinned for one in (await client.images.ListImages(pb.ListImagesRequest())).images] == [True]


async def test_a_sandbox_brings_its_pause_image_back(client: Client) -> None:
    await client.images.RemoveImage(pb.RemoveImageRequest(image=pb.ImageSpec(image="registry.k8s.io/pause:3.10.2")))
    await client.run_sandbox()

    assert any(one.pinned for one in (await client.images.ListImages(pb.ListImagesRequest())).images)


@pytest.mark.parametrize(
    "rpc", ["StopPodSandbox", "RemovePodSandbox", "StopContainer", "RemoveContainer", "RemoveImage"]
)
async def test_ending_what_is_not_there_is_fine(client: Client, rpc: str) -> None:
    service, request = client.runtime, getattr(pb, f"{rpc}Request")()
    if rpc == "RemoveImage":
        service, request.image.image = client.images, "none:1"
    elif rpc.endswith("Sandbox"):
        request.pod_sandbox_id = MISSING
    else:
        request.container_id = MISSING

    await getattr(service, rpc)(request)


@pytest.mark.parametrize(
    ("rpc", "request_", "text"),
    [
        (
            "ContainerStatus",
            pb.ContainerStatusRequest(container_id=MISSING),
            f'an error occurred when try to find container "{MISSING}": not found',
        ),
        (
            "PodSandboxStatus",
            pb.PodSandboxStatusRequest(pod_sandbox_id=MISSING),
            "pod_sandbox_id: an error occurred when try to find sandbox: not found",
        ),
        (
            "ContainerStats",
            pb.ContainerStatsRequest(container_id=MISSING),
            "container_id: failed to find container: not found",
        ),
        (
            "ExecSync",
            pb.ExecSyncRequest(container_id=MISSING, cmd=["true"]),
            f'container_id: failed to exec in container: failed to find container "{MISSING}" in store: not found',
        ),
        (
            "CreateContainer",
            pb.CreateContainerRequest(pod_sandbox_id=MISSING),
            f'pod_sandbox_id: failed to find sandbox id "{MISSING}": not found',
        ),
    ],
)
async def test_asking_about_what_is_not_there_is_not_found(
    client: Client, rpc: str, request_: object, text: str
) -> None:
    assert await failure(getattr(client.runtime, rpc)(request_)) == (grpc.StatusCode.NOT_FOUND, text)


async def test_errors_have_containerds_codes_and_texts(client: Client) -> None:
    sandbox_id = await client.run_sandbox()
    container_id = await client.create(sandbox_id, client.container("sleep", "9"))
    reserved = f'name "web_default_uid-web_0" is reserved for "{sandbox_id}"'
    taken = f'name "app_web_default_uid-web_0" is reserved for "{container_id}"'
    starting = (
        f'container_id: failed to set starting state for container "{container_id}": '
        "container is in CONTAINER_RUNNING state"
    )
    another = "check if another CreateContainer request is in progress"
    grouped = client.container("true", name="grouped")
    grouped.linux.security_context.run_as_group.value = 5
    await client.start(container_id)

    assert await failure(client.run_sandbox()) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        f'failed to reserve sandbox name "web_default_uid-web_0": {reserved}',
    )
    assert await failure(client.create(sandbox_id, client.container("true"))) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        f'failed to reserve container name "app_web_default_uid-web_0"; {another}: {taken}',
    )
    assert await failure(client.start(container_id)) == (grpc.StatusCode.FAILED_PRECONDITION, starting)
    assert await failure(client.run_sandbox(pb.PodSandboxConfig())) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "config.metadata: sandbox config must include metadata",
    )
    code, text = await failure(client.create(sandbox_id, grouped))
    assert (code, "is specified without user" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_an_unknown_runtime_handler_is_refused_and_leaves_the_name_free(client: Client) -> None:
    request = pb.RunPodSandboxRequest(config=client.pod(), runtime_handler="kata")
    code, text = await failure(client.runtime.RunPodSandbox(request))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text.startswith("runtime_handler: ")
    assert text.endswith('no runtime for "kata" is configured')
    await client.run_sandbox()


async def test_short_ids_are_as_good_as_long_ones(client: Client) -> None:
    container_id = await client.run("sleep", "9")

    assert (await client.status(container_id[:12])).id == container_id
    listed = await client.runtime.ListContainers(
        pb.ListContainersRequest(filter=pb.ContainerFilter(id=container_id[:12]))
    )
    assert [one.id for one in listed.containers] == [container_id]


async def test_verbose_answers_carry_json(client: Client) -> None:
    container_id = await client.run("sleep", "9")
    answer = await client.runtime.ContainerStatus(pb.ContainerStatusRequest(container_id=container_id, verbose=True))
    sandboxes = await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())
    sandbox = await client.runtime.PodSandboxStatus(
        pb.PodSandboxStatusRequest(pod_sandbox_id=sandboxes.items[0].id, verbose=True)
    )
    image = await client.images.ImageStatus(pb.ImageStatusRequest(image=pb.ImageSpec(image=IMAGE), verbose=True))

    told, pod = json.loads(answer.info["info"]), json.loads(sandbox.info["info"])
    assert (told["sandboxID"], told["config"]["log_path"]) == (sandboxes.items[0].id, "app/0.log")
    assert told["runtimeSpec"]["process"]["args"] == ["sleep", "9"]
    assert told["runtimeSpec"]["linux"]["namespaces"][-1]["path"] == f"/proc/{pod['pid']}/ns/net"
    assert pod["runtimeSpec"]["linux"]["namespaces"][-1]["path"].startswith("/var/run/netns/cni-")
    assert "runtimeHandler" not in pod
    assert json.loads(image.info["info"])["imageSpec"]["architecture"] == "amd64"


async def test_containers_tell_what_their_image_is_called_not_what_was_asked_for(client: Client) -> None:
    config = client.container("sleep", "9")
    config.image.user_specified_image = "busybox:1.35"
    id_ = await client.create(await client.run_sandbox(), config)

    image = (await client.status(id_)).image
    assert (image.image, image.user_specified_image) == (IMAGE, "")


async def test_new_limits_are_shown(client: Client) -> None:
    container_id = await client.run("sleep", "9")
    limits = pb.LinuxContainerResources(cpu_shares=512, memory_limit_in_bytes=1 << 26)
    await client.runtime.UpdateContainerResources(
        pb.UpdateContainerResourcesRequest(container_id=container_id, linux=limits)
    )

    assert (await client.status(container_id)).resources.linux == limits


async def test_a_log_is_reopened_before_the_answer(client: Client) -> None:
    container_id = await client.run("sleep", "9")
    path = Path((await client.status(container_id)).log_path)
    path.rename(path.with_suffix(".1"))
    await client.runtime.ReopenContainerLog(pb.ReopenContainerLogRequest(container_id=container_id))

    assert path.exists()


async def test_a_log_of_a_container_that_does_not_run_is_not_reopened(client: Client) -> None:
    container_id = await client.run("true")
    path = Path((await client.status(container_id)).log_path)
    path.unlink()

    reopened = client.runtime.ReopenContainerLog(pb.ReopenContainerLogRequest(container_id=container_id))
    assert await failure(reopened) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "container_id: container is not running",
    )
    assert not path.exists()


async def test_every_subscriber_hears_a_pods_life_in_order(client: Client) -> None:
    streams = [client.runtime.GetContainerEvents(pb.GetEventsRequest()) for _ in range(2)]
    for stream in streams:
        await stream.initial_metadata()
    sandbox_id = await client.run_sandbox()
    container_id = await client.run("sleep", "9", sandbox_id=sandbox_id)
    await client.runtime.StopPodSandbox(pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id))
    await client.runtime.RemovePodSandbox(pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id))

    for stream in streams:
        events = [await stream.read() for _ in range(8)]
        stream.cancel()
        assert [(one.container_event_type, one.container_id) for one in events] == [
            (pb.CONTAINER_CREATED_EVENT, sandbox_id),
            (pb.CONTAINER_STARTED_EVENT, sandbox_id),
            (pb.CONTAINER_CREATED_EVENT, container_id),
            (pb.CONTAINER_STARTED_EVENT, container_id),
            (pb.CONTAINER_STOPPED_EVENT, container_id),
            (pb.CONTAINER_STOPPED_EVENT, sandbox_id),
            (pb.CONTAINER_DELETED_EVENT, container_id),
            (pb.CONTAINER_DELETED_EVENT, sandbox_id),
        ]
        assert all(one.created_at > 0 and one.pod_sandbox_status.metadata.name == "web" for one in events)
        assert [len(one.containers_statuses) for one in events] == [0, 0, 1, 1, 1, 1, 0, 0]
        assert events[5].pod_sandbox_status.state == pb.SANDBOX_NOTREADY


async def test_a_request_of_16_mib_is_taken(client: Client) -> None:
    config = client.pod()
    config.annotations["big"] = "x" * (15 << 20)

    await client.run_sandbox(config)


async def test_a_second_stub_on_the_same_socket_is_refused(client: Client, settings: Settings) -> None:
    with pytest.raises(Exception, match="another"):
        async with connected(settings):
            pass


async def test_nothing_is_left_of_a_stub_that_has_stopped(settings: Settings, directory: Path) -> None:
    async with connected(settings) as client:
        await client.run("sleep", "9")

    assert not Path(settings.listen.removeprefix("unix://")).exists()
    assert {one.get_name() for one in asyncio.all_tasks()} == {asyncio.current_task().get_name()}  # type: ignore[union-attr]


async def test_a_tcp_address_serves_as_well(settings: Settings, directory: Path) -> None:
    from dataclasses import replace

    from runtime_stub.server import serving
    from tests.ports import free_port

    address = f"127.0.0.1:{free_port()}"
    async with (
        serving(replace(settings, listen=f"tcp://{address}"), environ={}),
        grpc.aio.insecure_channel(address) as channel,
    ):
        answer = await RuntimeServiceStub(channel).Version(pb.VersionRequest())  # type: ignore[no-untyped-call]
        assert answer.version == "0.1.0"


@pytest.mark.parametrize("command", ["/etc/hosts", "/etc"])
async def test_what_may_not_be_run_does_not_start(client: Client, command: str) -> None:
    denied = f'unable to start container process: exec: "{command}": permission denied'
    sandbox_id = await client.run_sandbox()
    running = await client.run("sleep", "9", sandbox_id=sandbox_id, name="running")
    container_id = await client.create(sandbox_id, client.container(command))

    code, text = await failure(client.start(container_id))
    assert (code, text.endswith(denied)) == (grpc.StatusCode.UNKNOWN, True)
    assert (await client.status(container_id)).reason == "StartError"
    code, text = await failure(client.runtime.ExecSync(pb.ExecSyncRequest(container_id=running, cmd=[command])))
    assert (code, text.endswith(denied)) == (grpc.StatusCode.UNKNOWN, True)
