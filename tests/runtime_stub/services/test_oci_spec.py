"""What verbose answers say of processes, limits, mounts and namespaces."""

from typing import Any

import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.catalogue import ImageEntry
from runtime_stub.services.answers import message_json
from runtime_stub.services.oci_spec import container_spec, network_namespace, sandbox_spec
from runtime_stub.state.records import Container, Sandbox

ID = "0123456789abcdef0123456789abcdef" * 2


def sandbox(config: pb.PodSandboxConfig | None = None) -> Sandbox:
    config = config or pb.PodSandboxConfig(metadata=pb.PodSandboxMetadata(name="web", namespace="default", uid="u"))
    return Sandbox(id=ID, wire_config=config.SerializeToString(), created_at=1, pid=7)


def spec_of(config: pb.ContainerConfig, pod: Sandbox | None = None) -> dict[str, Any]:
    container = Container(
        id="c" * 64,
        sandbox_id=ID,
        wire_config=config.SerializeToString(),
        image_id="sha256:1",
        image_name="busybox:1",
        image_digest="",
        created_at=1,
        wire_resources=config.linux.resources.SerializeToString(),
        uid=1000,
        gid=3000,
        groups=(2000,),
    )
    image = ImageEntry(name="busybox", environment={"A": "0", "B": "2"}, working_directory="/srv")
    return container_spec(container, pod or sandbox(), image=image, argv=["sleep", "9"], hostname="web")


def test_a_process_is_what_its_configuration_says() -> None:
    config = pb.ContainerConfig(working_dir="/data", tty=True, envs=[pb.KeyValue(key="A", value=b"1")])
    config.linux.resources.oom_score_adj = 999
    config.linux.security_context.no_new_privs = True
    config.linux.security_context.readonly_rootfs = True
    config.linux.security_context.capabilities.drop_capabilities.append("ALL")
    config.linux.security_context.capabilities.add_capabilities.append("NET_BIND_SERVICE")
    spec = spec_of(config)

    process = spec["process"]
    assert process["user"] == {"uid": 1000, "gid": 3000, "additionalGids": [3000, 2000]}
    assert (process["args"], process["cwd"]) == (["sleep", "9"], "/data")
    assert process["env"][1:] == ["A=1", "B=2", "HOSTNAME=web"]
    assert (process["terminal"], process["noNewPrivileges"], process["oomScoreAdj"]) == (True, True, 999)
    assert process["capabilities"]["bounding"] == ["CAP_NET_BIND_SERVICE"]
    assert spec["root"] == {"path": "rootfs", "readonly": True}


def test_limits_are_those_in_force() -> None:
    config = pb.ContainerConfig()
    config.linux.resources.cpu_shares = 512
    config.linux.resources.cpu_quota = 50_000
    config.linux.resources.memory_limit_in_bytes = 64 << 20

    resources = spec_of(config)["linux"]["resources"]
    assert (resources["cpu"], resources["memory"]) == ({"shares": 512, "quota": 50_000}, {"limit": 64 << 20})


@pytest.mark.parametrize(
    ("parent", "path"),
    [
        ("", f"/k8s.io/{ID}"),
        ("/kubepods/burstable/podx", f"/kubepods/burstable/podx/{ID}"),
        ("/kubepods.slice/kubepods-podx.slice", f"kubepods-podx.slice:cri-containerd:{ID}"),
    ],
)
def test_a_cgroup_is_below_its_parent(parent: str, path: str) -> None:
    config = pb.PodSandboxConfig(linux=pb.LinuxPodSandboxConfig(cgroup_parent=parent))

    assert sandbox_spec(sandbox(config), image="pause")["linux"]["cgroupsPath"] == path


def test_mounts_of_the_request_take_the_place_of_the_runtimes_own() -> None:
    hosts = pb.Mount(container_path="/etc/hosts", host_path="/pods/hosts")
    data = pb.Mount(container_path="/data", host_path="/srv", readonly=True, propagation=pb.PROPAGATION_BIDIRECTIONAL)
    mounts = {one["destination"]: one for one in spec_of(pb.ContainerConfig(mounts=[hosts, data]))["mounts"]}

    assert mounts["/etc/hosts"]["source"] == "/pods/hosts"
    assert mounts["/data"]["options"] == ["rbind", "rshared", "ro"]
    assert mounts["/etc/resolv.conf"]["source"].endswith(f"/sandboxes/{ID}/resolv.conf")


def test_a_privileged_container_sees_everything() -> None:
    config = pb.ContainerConfig()
    config.linux.security_context.masked_paths.append("/proc/kcore")
    hidden = spec_of(config)["linux"]["maskedPaths"]
    config.linux.security_context.privileged = True

    assert hidden == ["/proc/kcore"]
    assert "maskedPaths" not in spec_of(config)["linux"]


def test_a_pod_has_a_network_namespace_unless_it_uses_the_hosts() -> None:
    config = pb.PodSandboxConfig()
    config.linux.security_context.namespace_options.network = pb.NODE

    own = sandbox_spec(sandbox(), image="pause")["linux"]["namespaces"]
    assert own[-1] == {"type": "network", "path": network_namespace(ID)}
    shared = sandbox_spec(sandbox(config), image="pause")["linux"]["namespaces"]
    assert [one["type"] for one in shared] == ["pid", "ipc", "mount"]


def test_messages_are_shown_as_go_shows_them() -> None:
    config = pb.ContainerConfig(envs=[pb.KeyValue(key="A", value=b"\xff")], labels={"b": "2", "a": "1"}, tty=True)
    config.linux.resources.memory_limit_in_bytes = 1 << 40
    config.linux.security_context.namespace_options.network = pb.NODE
    config.linux.security_context.seccomp.SetInParent()

    assert message_json(config) == {
        "envs": [{"key": "A", "value": "/w=="}],
        "labels": {"a": "1", "b": "2"},
        "tty": True,
        "linux": {
            "resources": {"memory_limit_in_bytes": 1 << 40},
            "security_context": {"namespace_options": {"network": 2}, "seccomp": {}},
        },
    }
