"""Mounts of containers."""

import pytest

from kubeletsim.model.pod import set_defaults
from kubeletsim.model.requests import ImageSpec, Mount, MountPropagation
from kubeletsim.pods.requests import NodeFacts, RequestError
from kubeletsim.pods.requests.mounts import container_mounts
from tests.fakes.pods import UID, container, make_pod

NODE = NodeFacts(name="node", root_dir="/kubelet")
VOLUME = f"/kubelet/pods/{UID}/volumes/kubernetes.io~empty-dir/data"


def mounts(*wanted, node=NODE, envs=None, pod_ips=(), image_volumes=None, source=None):
    volumes = [{"name": "data", **(source or {"emptyDir": {}})}]
    pod = set_defaults(make_pod(container("app", volumeMounts=list(wanted)), volumes=volumes, hostNetwork=False))
    return container_mounts(
        pod,
        pod.spec.containers[0],
        envs=envs or {},
        pod_ips=pod_ips,
        node=node,
        termination_log_id="0a1b2c3d",
        image_volumes=image_volumes or {},
    )


def one(node=NODE, envs=None, source=None, **fields):
    return mounts({"name": "data", "mountPath": "/data", **fields}, node=node, envs=envs, source=source)[0]


def test_volumes_come_first_then_the_hosts_file_then_the_termination_log():
    made = mounts({"name": "data", "mountPath": "/data"}, pod_ips=["10.0.0.7"])

    assert made == (
        Mount(container_path="/data", host_path=VOLUME),
        Mount(container_path="/etc/hosts", host_path=f"/kubelet/pods/{UID}/etc-hosts"),
        Mount(container_path="/dev/termination-log", host_path=f"/kubelet/pods/{UID}/containers/app/0a1b2c3d"),
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"subPath": "a/b"}, Mount(container_path="/data", host_path=f"{VOLUME}/a/b")),
        ({"subPathExpr": "$(WHO)/x"}, Mount(container_path="/data", host_path=f"{VOLUME}/me/x")),
        ({"mountPath": "data"}, Mount(container_path="/data", host_path=VOLUME)),
        ({"readOnly": True}, Mount(container_path="/data", host_path=VOLUME, readonly=True)),
        (
            {"readOnly": True, "recursiveReadOnly": "IfPossible"},
            Mount(container_path="/data", host_path=VOLUME, readonly=True),
        ),
        (
            {"mountPropagation": "HostToContainer"},
            Mount(container_path="/data", host_path=VOLUME, propagation=MountPropagation.HOST_TO_CONTAINER),
        ),
    ],
)
def test_a_mount_says_what_the_spec_says(fields, expected):
    assert one(envs={"WHO": "me"}, **fields) == expected


@pytest.mark.parametrize("wanted", ["IfPossible", "Enabled"])
def test_read_only_goes_deep_where_the_runtime_can(wanted):
    node = NodeFacts(name="node", recursive_read_only_mounts=True)

    assert one(node=node, readOnly=True, recursiveReadOnly=wanted).recursive_read_only


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"readOnly": True, "recursiveReadOnly": "Enabled"}, "supported by the runtime"),
        ({"recursiveReadOnly": "IfPossible"}, "read-only"),
        (
            {"readOnly": True, "recursiveReadOnly": "Enabled", "mountPropagation": "HostToContainer"},
            'compatible with propagation "HostToContainer"',
        ),
    ],
)
def test_read_only_that_cannot_go_deep_is_refused(fields, told):
    with pytest.raises(RequestError) as caught:
        one(**fields)

    assert str(caught.value) == f'volume "data" requested recursive read-only mode, but it is not {told}'


def test_a_path_of_the_host_is_mounted_as_it_is_and_never_relabelled():
    node = NodeFacts(name="node", root_dir="/kubelet", selinux_enabled=True)
    made = one(node=node, source={"hostPath": {"path": "/srv"}})

    assert (made.host_path, made.selinux_relabel) == ("/srv", False)
    assert one(node=node).selinux_relabel


def test_a_mount_without_a_volume_is_refused():
    with pytest.raises(RequestError, match='cannot find volume "other" to mount into container app'):
        mounts({"name": "other", "mountPath": "/x"})


def test_an_image_volume_is_mounted_by_its_image():
    source = {"image": {"reference": "files:1"}}
    wanted = {"name": "data", "mountPath": "/data", "subPath": "docs"}
    pulled = ImageSpec(image="sha256:1", user_specified_image="files:1")

    assert mounts(wanted, source=source, image_volumes={"data": pulled})[0] == Mount(
        container_path="/data", readonly=True, image=pulled, image_sub_path="docs"
    )


@pytest.mark.parametrize("source", [{"downwardAPI": {}}, {"projected": {}}, {"configMap": {"name": "c"}}])
def test_nobody_writes_to_a_volume_of_files(source):
    assert one(source=source).readonly
