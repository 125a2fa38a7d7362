"""Claims about image volumes: when they are pulled, how they are named to the runtime, and whom a failure concerns."""

from typing import Any

import pytest
from lightkube.models.core_v1 import Pod

from kubeletsim.model.errors import CRIError, SyncError
from tests.fakes.pods import IMAGE, container, make_pod
from tests.pods.node import Node

pytestmark = pytest.mark.looptime
MOUNTS = [{"name": "files", "mountPath": "/files", "subPath": "docs"}]


def pod(*containers: dict[str, Any], reference: str = "files:1", policy: str | None = None) -> Pod:
    image = {"reference": reference, **({"pullPolicy": policy} if policy else {})}
    listed = containers or (container("app", volumeMounts=MOUNTS),)
    return make_pod(*listed, volumes=[{"name": "files", "image": image}])


async def test_an_image_volume_is_pulled_after_the_sandbox_and_before_the_containers_own_image(node: Node) -> None:
    await node.sync_once(pod())

    named = [
        (call.rpc, call.args["spec"].image if "spec" in call.args else "")
        for call in node.runtime.calls
        if call.rpc not in ("Version", "PodSandboxStatus")
    ]
    assert named == [
        ("RunPodSandbox", ""),
        ("ImageStatus", "files:1"),
        ("PullImage", "files:1"),
        ("ImageStatus", "files:1"),
        ("ImageStatus", IMAGE),
        ("ImageStatus", IMAGE),
        ("CreateContainer", ""),
        ("StartContainer", ""),
    ]
    (create,) = [call for call in node.runtime.calls if call.rpc == "CreateContainer"]
    mount = create.args["config"].mounts[0]
    assert mount.image is not None
    assert (mount.image.image, mount.image.user_specified_image) == ("sha256:files:1", "files:1")
    assert (mount.container_path, mount.image_sub_path, mount.host_path) == ("/files", "docs", "")


@pytest.mark.parametrize(
    ("policy", "calls"),
    [("IfNotPresent", ["Version", "ImageStatus"]), ("Always", ["Version", "PullImage", "ImageStatus"])],
)
async def test_a_sync_that_starts_nothing_looks_at_image_volumes_all_the_same(
    node: Node, policy: str, calls: list[str]
) -> None:
    wanted = pod(policy=policy)
    await node.sync_once(wanted)
    assert node.runtime.count("PullImage") == 1

    await node.sync_once(wanted)
    assert node.runtime.names() == calls


async def test_containers_that_start_together_share_the_pull(node: Node) -> None:
    await node.sync_once(pod(container("a", volumeMounts=MOUNTS), container("b", volumeMounts=MOUNTS), policy="Always"))

    assert node.runtime.count("PullImage") == 1
    assert node.registry.get_sample_value("kubelet_image_volume_requested_total") == 2
    assert node.registry.get_sample_value("kubelet_image_volume_mounted_succeed_total") == 2


async def test_a_volume_that_cannot_be_pulled_fails_who_mounts_it_and_nobody_else(node: Node) -> None:
    node.runtime.pull_errors["files:1"] = "no such host"

    with pytest.raises(SyncError) as caught:
        await node.sync_once(pod(container("app", volumeMounts=MOUNTS), container("other")))

    (failure,) = caught.value.failures
    assert (failure.target, failure.reason, failure.message) == ("app", "ErrImagePull", "no such host")
    assert [one.name for one in node.runtime.running()] == ["other"]
    told = [(event.reason, event.regarding.field_path, event.message) for event in node.events]
    assert ("Failed", "", 'Failed to pull image "files:1": no such host') in told
    assert ("Failed", "spec.containers{app}", "Error: ErrImagePull") in told


async def test_each_volume_that_cannot_be_pulled_is_told_and_the_last_one_counts(node: Node) -> None:
    node.runtime.pull_errors |= {"files:1": "no such host", "more:1": "no route"}
    mounts = [*MOUNTS, {"name": "more", "mountPath": "/more"}]
    volumes = [{"name": name, "image": {"reference": f"{name}:1"}} for name in ("files", "more")]

    with pytest.raises(SyncError, match="no route"):
        await node.sync_once(make_pod(container("app", volumeMounts=mounts), volumes=volumes))

    assert [event.message for event in node.events].count("Error: ErrImagePull") == 2


@pytest.mark.parametrize(
    ("reference", "policy", "reason"),
    [("files:1", "Never", "ErrImageNeverPull"), ("Not//An:Image", None, "InvalidImageName")],
)
async def test_a_volumes_trouble_is_the_containers_waiting_reason(
    node: Node, reference: str, policy: str | None, reason: str
) -> None:
    with pytest.raises(SyncError) as caught:
        await node.sync_once(pod(reference=reference, policy=policy))

    assert [failure.reason for failure in caught.value.failures] == [reason]


async def test_a_mount_that_the_runtime_cannot_make_is_counted(node: Node) -> None:
    node.runtime.fail("CreateContainer", CRIError("ImageVolumeMountFailed: no such path"))

    with pytest.raises(SyncError):
        await node.sync_once(pod())

    assert node.registry.get_sample_value("kubelet_image_volume_mounted_errors_total") == 1
    assert node.registry.get_sample_value("kubelet_image_volume_mounted_succeed_total") == 0
