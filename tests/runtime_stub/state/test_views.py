"""Answers carry every field that clients insist on."""

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.state.records import Container, ContainerState, Image, Sandbox
from runtime_stub.state.views import (
    container_item,
    container_status,
    image_item,
    image_names,
    sandbox_item,
    sandbox_status,
)

POD = pb.PodSandboxConfig(
    metadata=pb.PodSandboxMetadata(name="web", namespace="default", uid="u"), labels={"a": "b"}, annotations={"c": "d"}
)
SANDBOX = Sandbox(
    id="s",
    wire_config=POD.SerializeToString(),
    created_at=5,
    pid=1,
    ips=("10.0.0.2", "fd00::2"),
    runtime_handler="runc",
)
CONTAINER = Container(
    id="c",
    sandbox_id="s",
    wire_config=pb.ContainerConfig(
        metadata=pb.ContainerMetadata(name="app", attempt=2),
        image=pb.ImageSpec(image="sha256:1", user_specified_image="busybox:1.35"),
        labels={"a": "b"},
        annotations={"c": "d"},
        mounts=[pb.Mount(container_path="/x", host_path="/y")],
    ).SerializeToString(),
    image_id="sha256:1",
    image_name="docker.io/library/busybox:1.35",
    image_digest="docker.io/library/busybox@sha256:2",
    log_path="/logs/0.log",
    state=ContainerState.EXITED,
    created_at=1,
    started_at=2,
    finished_at=3,
    exit_code=3,
    reason="Error",
    wire_resources=pb.LinuxContainerResources(cpu_shares=2).SerializeToString(),
)


def test_a_sandbox_shows_its_addresses_and_the_callers_labels() -> None:
    status, item = sandbox_status(SANDBOX), sandbox_item(SANDBOX)

    assert (status.id, status.created_at, status.metadata, status.runtime_handler) == ("s", 5, POD.metadata, "runc")
    assert (status.network.ip, [ip.ip for ip in status.network.additional_ips]) == ("10.0.0.2", ["fd00::2"])
    assert dict(status.labels) == dict(item.labels) == {"a": "b"}
    assert dict(item.annotations) == {"c": "d"}


def test_a_container_names_its_image_as_containerd_does() -> None:
    status, item = container_status(CONTAINER), container_item(CONTAINER)

    assert (status.image.image, status.image_ref, status.image_id) == (
        "docker.io/library/busybox:1.35",
        "docker.io/library/busybox@sha256:2",
        "sha256:1",
    )
    assert (item.image.image, item.image_ref, item.image_id) == ("sha256:1", "sha256:1", "sha256:1")
    assert status.image.user_specified_image == ""


def test_a_container_status_is_complete() -> None:
    status = container_status(CONTAINER)

    assert (status.created_at, status.started_at, status.finished_at) == (1, 2, 3)
    assert (status.state, status.exit_code, status.reason) == (pb.CONTAINER_EXITED, 3, "Error")
    assert (status.log_path, status.resources.linux.cpu_shares, status.stop_signal) == ("/logs/0.log", 2, pb.SIGTERM)
    assert [mount.container_path for mount in status.mounts] == ["/x"]


def test_an_image_is_called_by_its_first_tag_else_its_digest_else_its_id() -> None:
    full = Image(id="sha256:1", tags=("a:1", "a:2"), digests=("a@sha256:3",), size_bytes=1)

    assert image_names(full) == ("a:1", "a@sha256:3")
    assert image_names(Image(id="sha256:1", digests=("a@sha256:3",), size_bytes=1)) == ("a@sha256:3", "a@sha256:3")
    assert image_names(Image(id="sha256:1", size_bytes=1)) == ("sha256:1", "sha256:1")
    assert image_item(full).size == 1
