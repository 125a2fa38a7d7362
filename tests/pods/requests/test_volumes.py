"""Claims about what a pod's volumes need on the node."""

import pytest

from kubeletsim.model.pod import set_defaults
from kubeletsim.pods.requests import NodeFacts, PlannedVolume, RequestError, VolumeFile, plan_volumes
from tests.fakes.pods import UID, container, make_pod

NODE = NodeFacts(name="node", root_dir="/kubelet", host_ips=("192.0.2.1",))
VOLUMES = f"/kubelet/pods/{UID}/volumes"


def planned(source, *containers):
    pod = set_defaults(make_pod(*containers, volumes=[{"name": "data", **source}]))
    return plan_volumes(pod, node=NODE)


@pytest.mark.parametrize(
    ("source", "plugin"),
    [
        ({"emptyDir": {}}, "empty-dir"),
        ({"emptyDir": {"medium": "Memory"}}, "empty-dir"),
        ({}, "empty-dir"),
        ({"nfs": {"server": "s", "path": "/"}}, "nfs"),
    ],
)
def test_a_volume_has_a_directory_named_after_its_plugin(source, plugin):
    assert planned(source) == (PlannedVolume(name="data", path=f"{VOLUMES}/kubernetes.io~{plugin}/data"),)


def test_an_image_volume_needs_nothing_on_the_node():
    assert planned({"image": {"reference": "files:1"}}) == ()


@pytest.mark.parametrize("type_", ["", "DirectoryOrCreate", "Socket"])
def test_a_path_of_the_host_is_itself(type_):
    assert planned({"hostPath": {"path": "/srv", "type": type_}}) == (
        PlannedVolume(name="data", path="/srv", host_path_type=type_),
    )


def test_facts_about_the_pod_are_files():
    items = [
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        {"path": "of/cpu", "mode": 0o400, "resourceFieldRef": {"containerName": "app", "resource": "requests.cpu"}},
    ]
    app = container("app", resources={"requests": {"cpu": "2"}})

    (own,) = planned({"downwardAPI": {"items": items}}, app)
    (mixed,) = planned({"projected": {"defaultMode": 0o440, "sources": [{"downwardAPI": {"items": items}}]}}, app)

    assert own.files == {"name": VolumeFile("web", 0o644), "of/cpu": VolumeFile("2", 0o400)}
    assert mixed.files == {"name": VolumeFile("web", 0o440), "of/cpu": VolumeFile("2", 0o400)}
    assert own.has_files
    assert mixed.has_files


def test_a_fact_that_nobody_knows_is_an_error():
    with pytest.raises(RequestError, match="unsupported fieldPath"):
        planned({"downwardAPI": {"items": [{"path": "x", "fieldRef": {"fieldPath": "spec.color"}}]}})


def test_volumes_are_given_to_the_group_that_the_pod_names():
    items = [{"path": "name", "mode": 0o400, "fieldRef": {"fieldPath": "metadata.name"}}]
    volumes = [
        {"name": "data", "emptyDir": {}},
        {"name": "own", "downwardAPI": {"items": items}},
        {"name": "dir", "hostPath": {"path": "/srv/dir"}},
    ]
    data, own, directory = plan_volumes(
        set_defaults(make_pod(volumes=volumes, securityContext={"fsGroup": 2000})), node=NODE
    )

    assert (data.group, own.group, directory.group) == (2000, 2000, None)
    assert own.files == {"name": VolumeFile("web", 0o440)}


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ({"secret": {"secretName": "s"}}, "not supported due to running kubelet in standalone mode"),
        ({"configMap": {"name": "c"}}, "not supported due to running kubelet in standalone mode"),
        (
            {"projected": {"sources": [{"configMap": {"name": "c"}}]}},
            "not supported due to running kubelet in standalone mode",
        ),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            "cannot use TokenManager when kubelet is in standalone mode",
        ),
    ],
)
def test_what_only_an_api_server_has_can_never_be_set_up(source, fault):
    (volume,) = planned(source)

    assert volume.fault == fault
