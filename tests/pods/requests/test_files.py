"""What a pod needs on the node."""

import pytest

from kubeletsim.model.pod import set_defaults
from kubeletsim.pods.requests import NodeFacts, RequestError, plan_container_files, plan_pod_files
from kubeletsim.pods.requests.files import (
    PlannedDirectory,
    PlannedSubPath,
    hosts_content,
)
from tests.fakes.pods import UID, container, make_pod

NODE = NodeFacts(
    name="node",
    root_dir="/kubelet",
    pod_logs_dir="/logs",
    host_ips=("192.0.2.1",),
    hosts_file="127.0.0.1 localhost\n",
    cluster_domain="cluster.local",
)
BASE = f"/kubelet/pods/{UID}"


def test_a_plain_pod_needs_its_own_directories_and_its_log_directory():
    plan = plan_pod_files(set_defaults(make_pod()), node=NODE)

    assert plan.directories == (
        PlannedDirectory(BASE, 0o750),
        PlannedDirectory(f"{BASE}/volumes", 0o750),
        PlannedDirectory(f"{BASE}/plugins", 0o750),
        PlannedDirectory(f"/logs/default_web_{UID}", 0o755),
    )
    assert plan.files == ()


def sub_path_plan(*mounts, **fields):
    app = container("app", volumeMounts=list(mounts), **fields)
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "files", "image": {"reference": "files:1"}}]
    return container_plan(set_defaults(make_pod(app, volumes=volumes)), [])


def test_the_parts_of_volumes_that_a_container_mounts_are_made_before_it():
    plan = sub_path_plan(
        {"name": "data", "mountPath": "/whole"},
        {"name": "data", "mountPath": "/a", "subPath": "a/b"},
        {"name": "data", "mountPath": "/b", "subPathExpr": "$(WHO)/x"},
        {"name": "files", "mountPath": "/c", "subPath": "docs"},
        env=[{"name": "WHO", "value": "me"}],
    )

    volume = f"{BASE}/volumes/kubernetes.io~empty-dir/data"
    what = 'volumeMount "data" of container "app"'
    assert plan.sub_paths == (
        PlannedSubPath(f"{volume}/a/b", volume, what),
        PlannedSubPath(f"{volume}/me/x", volume, what),
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("/etc", "error SubPath `/etc` must not be an absolute path"),
        ("a/../..", "unable to provision SubPath `a/../..`: must not contain '..'"),
        ("", "missing value for WHO"),
    ],
)
def test_a_part_outside_of_its_volume_is_not_made(value, told):
    mount = {"name": "data", "mountPath": "/b", "subPathExpr": "$(WHO)"}

    with pytest.raises(RequestError) as caught:
        sub_path_plan(mount, env=[{"name": "WHO", "value": value}])

    assert str(caught.value) == told


def container_plan(pod, pod_ips):
    return plan_container_files(pod, pod.spec.containers[0], pod_ips=pod_ips, node=NODE, termination_log_id="0a1b2c3d")


def test_a_container_needs_its_log_directory_its_termination_log_and_its_hosts_file():
    plan = container_plan(set_defaults(make_pod(hostNetwork=False)), ["10.0.0.7"])

    assert plan.directories == (
        PlannedDirectory(f"/logs/default_web_{UID}/app", 0o755),
        PlannedDirectory(f"{BASE}/containers/app", 0o750),
    )
    assert [(file.path, file.mode) for file in plan.files] == [
        (f"{BASE}/containers/app/0a1b2c3d", 0o666),
        (f"{BASE}/etc-hosts", 0o644),
    ]


def test_there_is_no_hosts_file_without_an_address_or_for_a_container_with_its_own():
    own = container("app", volumeMounts=[{"name": "hosts", "mountPath": "/etc/hosts"}])
    volumes = [{"name": "hosts", "hostPath": {"path": "/srv/hosts"}}]

    assert len(container_plan(set_defaults(make_pod(hostNetwork=False)), []).files) == 1
    assert len(container_plan(set_defaults(make_pod(own, volumes=volumes, hostNetwork=False)), ["10.0.0.7"]).files) == 1


def test_a_hosts_file_names_the_pod_and_its_aliases():
    aliases = [{"ip": "192.0.2.9", "hostnames": ["db", "db.local"]}]
    pod = set_defaults(make_pod(hostNetwork=False, hostname="alpha", subdomain="sub", hostAliases=aliases))
    lines = hosts_content(pod, pod_ips=["10.0.0.7"], node=NODE).splitlines()

    assert lines[:2] == ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost"]
    assert lines[-4:] == [
        "10.0.0.7\talpha.sub.default.svc.cluster.local\talpha",
        "",
        "# Entries added by HostAliases.",
        "192.0.2.9\tdb\tdb.local",
    ]


def test_on_the_hosts_network_the_hosts_file_is_the_hosts():
    content = hosts_content(set_defaults(make_pod(hostNetwork=True)), pod_ips=[], node=NODE)

    assert content == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n"
