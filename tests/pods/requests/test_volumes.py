"""Claims about what a pod's volumes need on the node."""

import pytest

from kubeletsim.model.pod import set_defaults
from kubeletsim.pods.requests import NodeFacts, PlannedVolume, RequestError, VolumeFile, plan_volumes
from tests.fakes.pods import UID, container, make_pod

NODE = NodeFacts(name="node", root_dir="/kubelet", host_ips=("192.0.2.1",))
VOLUMES = f"/kubelet/pods/{UID}/volumes"


MOUNTS = [{"name": "data", "mountPath": "/data"}]


def planned(source, **fields):
    app = container("app", volumeMounts=MOUNTS, **fields)
    pod = set_defaults(make_pod(app, volumes=[{"name": "data", **source}]))
    return plan_volumes(pod, node=NODE)


def test_a_volume_that_no_container_mounts_is_left_alone():
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "other", "emptyDir": {}}]
    init = container("first", volumeMounts=MOUNTS)

    (volume,) = plan_volumes(set_defaults(make_pod(container("app"), init=[init], volumes=volumes)), node=NODE)

    assert volume.name == "data"


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


def test_an_image_volume_is_the_runtimes():
    (volume,) = planned({"image": {"reference": "files:1"}})

    assert volume.is_image


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
    requests = {"requests": {"cpu": "2"}}
    sources = [{"downwardAPI": {"items": items}}]

    (own,) = planned({"downwardAPI": {"items": items}}, resources=requests)
    (mixed,) = planned({"projected": {"defaultMode": 0o440, "sources": sources}}, resources=requests)

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
    app = container("app", volumeMounts=[{"name": volume["name"], "mountPath": "/v"} for volume in volumes])
    pod = set_defaults(make_pod(app, volumes=volumes, securityContext={"fsGroup": 2000}))

    data, own, directory = plan_volumes(pod, node=NODE)

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
