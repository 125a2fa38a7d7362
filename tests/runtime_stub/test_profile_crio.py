"""The profile `crio` answers as CRI-O does where a caller can tell, as its source has it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.settings import Settings
from tests.runtime_stub.conftest import Client, connected


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    async with connected(replace(settings, profile="crio")) as client:
        yield client


async def failure(call: object) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call  # type: ignore[misc]
    return failed.value.code(), failed.value.details() or ""


async def test_it_says_what_cri_o_says_of_itself(client: Client) -> None:
    version = await client.runtime.Version(pb.VersionRequest())
    status = await client.runtime.Status(pb.StatusRequest(verbose=True))
    filesystems = await client.images.ImageFsInfo(pb.ImageFsInfoRequest())

    assert (version.runtime_name, version.runtime_api_version) == ("cri-o", "v1")
    assert version.runtime_version.startswith("1.36.")
    assert [one.type for one in status.status.conditions] == ["RuntimeReady", "NetworkReady"]
    assert [one.name for one in status.runtime_handlers] == ["", "crun"]
    assert status.features.supplemental_groups_policy
    assert status.features.user_namespaces_host_network
    assert list(status.info) == ["config"]
    assert filesystems.image_filesystems == filesystems.container_filesystems


async def test_a_sandbox_or_container_of_a_known_name_is_the_known_one(client: Client) -> None:
    sandbox_id = await client.run_sandbox()
    await client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image="busybox:1.35")))
    container_id = await client.create(sandbox_id, client.container("true"))

    assert await client.run_sandbox() == sandbox_id
    assert await client.create(sandbox_id, client.container("true")) == container_id


async def test_what_is_missing_is_told_in_cri_os_words(client: Client) -> None:
    missing = "0" * 64
    gone = f"PodSandbox with ID starting with {missing} not found: ID does not exist"

    assert await failure(client.runtime.PodSandboxStatus(pb.PodSandboxStatusRequest(pod_sandbox_id=missing))) == (
        grpc.StatusCode.NOT_FOUND,
        f'pod_sandbox_id: could not find pod "{missing}": {gone}',
    )
    assert await failure(client.status(missing)) == (
        grpc.StatusCode.NOT_FOUND,
        f'container_id: could not find container "{missing}": {gone}'.replace("PodSandbox", "container"),
    )


async def test_a_registry_without_an_address_is_pinged_in_vain(client: Client) -> None:
    image = pb.ImageSpec(image="registry.invalid/none:1")
    code, text = await failure(client.images.PullImage(pb.PullImageRequest(image=image)))

    assert code is grpc.StatusCode.UNKNOWN
    assert text.startswith("unable to pull image or OCI artifact: pull image err: initializing source docker://")
    assert 'pinging container registry registry.invalid: Get "https://registry.invalid/v2/": dial tcp: lookup' in text


async def test_starting_twice_is_told_with_the_state_as_oci_runtimes_call_it(client: Client) -> None:
    container_id = await client.run("sleep", "9")
    assert await failure(client.start(container_id)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        f"container_id: container {container_id} is not in created state: running",
    )

    await client.runtime.StopContainer(pb.StopContainerRequest(container_id=container_id))
    assert (await failure(client.start(container_id)))[1].endswith("is not in created state: stopped")
