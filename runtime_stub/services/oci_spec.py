"""This module is the OCI runtime specification of a container, as verbose answers show it under `runtimeSpec`.

containerd writes one for runc; here nobody runs it, but who debugs a pod reads its arguments, environment,
mounts, limits and the paths of its namespaces there. Paths of the host that only a real runtime makes name nothing.
Upstream: internal/cri/server/container_create.go, internal/cri/server/podsandbox/sandbox_run_linux.go.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.catalogue import ImageEntry
from runtime_stub.shell.commands import DEFAULT_PATH
from runtime_stub.shell.proc import CAPABILITIES, capabilities
from runtime_stub.state.records import Container, Sandbox, shares_pid_namespace

VERSION = "1.3.0"
SANDBOX_FILES = "/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes"
SANDBOX_STATE = "/run/containerd/io.containerd.grpc.v1.cri/sandboxes"
PAUSE_CPU_SHARES = 2
PAUSE_OOM_SCORE_ADJ = -998

_ANNOTATION = "io.kubernetes.cri."
_KERNEL_MOUNTS = (
    ("/proc", "proc", "proc", ("nosuid", "noexec", "nodev")),
    ("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    ("/dev/pts", "devpts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")),
    ("/dev/mqueue", "mqueue", "mqueue", ("nosuid", "noexec", "nodev")),
    ("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
    ("/sys/fs/cgroup", "cgroup", "cgroup", ("nosuid", "noexec", "nodev", "relatime", "ro")),
)
_PROPAGATION = {
    pb.PROPAGATION_PRIVATE: "rprivate",
    pb.PROPAGATION_HOST_TO_CONTAINER: "rslave",
    pb.PROPAGATION_BIDIRECTIONAL: "rshared",
}


def container_spec(
    container: Container, sandbox: Sandbox, *, image: ImageEntry, argv: Sequence[str], hostname: str
) -> dict[str, Any]:
    """Return a container's specification; `argv` is its command together with the image's."""
    config = container.config
    security = config.linux.security_context
    process: dict[str, Any] = {
        "user": {"uid": container.uid, "gid": container.gid, "additionalGids": [container.gid, *container.groups]},
        "args": list(argv),
        "env": _environment(config, image=image, hostname=hostname),
        "cwd": config.working_dir or image.working_directory or "/",
        "capabilities": _capabilities(capabilities(security)),
        "oomScoreAdj": container.resources.oom_score_adj,
        **({"terminal": True} if config.tty else {}),
        **({"noNewPrivileges": True} if security.no_new_privs else {}),
    }
    linux: dict[str, Any] = {
        "resources": _resources(container.resources),
        "cgroupsPath": _cgroup(sandbox, container.id),
        "namespaces": _shared_namespaces(container, sandbox),
    }
    if not security.privileged:
        linux |= {"maskedPaths": list(security.masked_paths), "readonlyPaths": list(security.readonly_paths)}
    return {
        "ociVersion": VERSION,
        "process": process,
        "root": {"path": "rootfs", **({"readonly": True} if security.readonly_rootfs else {})},
        "mounts": _mounts(config, sandbox),
        "annotations": {
            f"{_ANNOTATION}container-type": "container",
            f"{_ANNOTATION}container-name": config.metadata.name,
            f"{_ANNOTATION}image-name": container.image_name,
            **_identity(sandbox),
        },
        "linux": linux,
    }


def sandbox_spec(sandbox: Sandbox, *, image: str) -> dict[str, Any]:
    """Return the specification of a sandbox's pause container."""
    config = sandbox.config
    own = ("pid", "ipc", "mount") if sandbox.host_network else ("pid", "ipc", "uts", "mount")
    network = [] if sandbox.host_network else [{"type": "network", "path": network_namespace(sandbox.id)}]
    return {
        "ociVersion": VERSION,
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/pause"],
            "env": [f"PATH={DEFAULT_PATH}"],
            "cwd": "/",
            "capabilities": _capabilities(capabilities(pb.LinuxContainerSecurityContext())),
            "noNewPrivileges": True,
            "oomScoreAdj": PAUSE_OOM_SCORE_ADJ,
        },
        "root": {"path": "rootfs", "readonly": True},
        **({"hostname": config.hostname} if config.hostname else {}),
        "annotations": {
            f"{_ANNOTATION}container-type": "sandbox",
            f"{_ANNOTATION}podsandbox.image-name": image,
            f"{_ANNOTATION}sandbox-log-directory": config.log_directory,
            **_identity(sandbox),
        },
        "linux": {
            "resources": _resources(pb.LinuxContainerResources(cpu_shares=PAUSE_CPU_SHARES)),
            "cgroupsPath": _cgroup(sandbox, sandbox.id),
            "namespaces": [*({"type": kind} for kind in own), *network],
            "sysctl": dict(config.linux.sysctls),
        },
    }


def network_namespace(sandbox_id: str) -> str:
    """Return where a real runtime would keep a pod's network namespace."""
    return f"/var/run/netns/cni-{UUID(sandbox_id[:32])}"


def _environment(config: pb.ContainerConfig, *, image: ImageEntry, hostname: str) -> list[str]:
    values = {"PATH": DEFAULT_PATH, **image.environment, "HOSTNAME": hostname}
    values.update({one.key: one.value.decode(errors="replace") for one in config.envs})
    return [f"{name}={value}" for name, value in values.items()]


def _capabilities(mask: int) -> dict[str, list[str]]:
    names = [f"CAP_{name}" for name, bit in CAPABILITIES.items() if mask & bit]
    return dict.fromkeys(("bounding", "effective", "permitted"), names)


def _shared_namespaces(container: Container, sandbox: Sandbox) -> list[dict[str, str]]:
    def of_sandbox(kind: str, name: str) -> dict[str, str]:
        return {"type": kind, "path": f"/proc/{sandbox.pid}/ns/{name}"}

    own_pid = not shares_pid_namespace(container.config)
    return [
        {"type": "pid"} if own_pid else of_sandbox("pid", "pid"),
        of_sandbox("ipc", "ipc"),
        of_sandbox("uts", "uts"),
        {"type": "mount"},
        of_sandbox("network", "net"),
    ]


def _mounts(config: pb.ContainerConfig, sandbox: Sandbox) -> list[dict[str, Any]]:
    given = [_bind(one.container_path, one.host_path, _options(one)) for one in config.mounts]
    taken = {one["destination"] for one in given}
    files = [
        _bind(f"/etc/{name}", f"{SANDBOX_FILES}/{sandbox.id}/{name}", ("rbind", "rprivate", "rw"))
        for name in ("hostname", "hosts", "resolv.conf")
    ]
    shm = _bind("/dev/shm", f"{SANDBOX_STATE}/{sandbox.id}/shm", ("rbind", "rprivate", "rw"))  # noqa: S108  # in there
    kernel = [
        {"destination": path, "type": kind, "source": source, "options": list(options)}
        for path, kind, source, options in _KERNEL_MOUNTS
    ]
    return [*kernel, *given, *(one for one in (*files, shm) if one["destination"] not in taken)]


def _options(mount: pb.Mount) -> tuple[str, ...]:
    return ("rbind", _PROPAGATION[mount.propagation], "ro" if mount.readonly else "rw")


def _bind(destination: str, source: str, options: Iterable[str]) -> dict[str, Any]:
    return {"destination": destination, "type": "bind", "source": source, "options": list(options)}


def _resources(limits: pb.LinuxContainerResources) -> dict[str, Any]:
    cpu = {
        "shares": limits.cpu_shares,
        "quota": limits.cpu_quota,
        "period": limits.cpu_period,
        "cpus": limits.cpuset_cpus,
        "mems": limits.cpuset_mems,
    }
    memory = {"limit": limits.memory_limit_in_bytes}
    return {
        "devices": [{"allow": False, "access": "rwm"}],
        "cpu": {name: value for name, value in cpu.items() if value},
        "memory": {name: value for name, value in memory.items() if value},
    }


def _cgroup(sandbox: Sandbox, id_: str) -> str:
    """Return the cgroup's path; where the parent is a slice of systemd's, in the form that runc wants then."""
    parent = sandbox.config.linux.cgroup_parent or "/k8s.io"
    if parent.endswith(".slice"):
        return f"{parent.rpartition('/')[2]}:cri-containerd:{id_}"
    return f"{parent.rstrip('/')}/{id_}"


def _identity(sandbox: Sandbox) -> dict[str, str]:
    metadata = sandbox.config.metadata
    return {
        f"{_ANNOTATION}sandbox-id": sandbox.id,
        f"{_ANNOTATION}sandbox-name": metadata.name,
        f"{_ANNOTATION}sandbox-namespace": metadata.namespace,
        f"{_ANNOTATION}sandbox-uid": metadata.uid,
    }
