"""This module is /proc as a container's processes see it: capabilities, user namespace, sysctls, processes."""

from collections.abc import Callable, Mapping

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.shell.context import Context

_NAMES = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
    NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
    SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
    MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
CAPABILITIES: Mapping[str, int] = {name: 1 << bit for bit, name in enumerate(_NAMES.split())}
ALL_CAPABILITIES = (1 << len(CAPABILITIES)) - 1
_DEFAULT = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP"  # noqa: E501
DEFAULT_CAPABILITIES = sum(CAPABILITIES[name] for name in _DEFAULT.split())
"""containerd's default set (pkg/oci: defaultUnixCaps)."""

_DEFAULT_SYSCTLS = {
    "kernel.ostype": "Linux",
    "kernel.osrelease": "6.12.0",
    "kernel.shm_rmid_forced": "0",
    "fs.mqueue.msg_max": "10",
    "net.ipv4.ip_forward": "1",
    "net.core.somaxconn": "4096",
}


def capabilities(context: pb.LinuxContainerSecurityContext) -> int:
    """Return the capability set that a security context yields, as a bit mask."""
    if context.privileged:
        return ALL_CAPABILITIES
    changes = context.capabilities
    added = {name.upper().removeprefix("CAP_") for name in changes.add_capabilities}
    dropped = {name.upper().removeprefix("CAP_") for name in changes.drop_capabilities}
    mask = ALL_CAPABILITIES if "ALL" in added else 0 if "ALL" in dropped else DEFAULT_CAPABILITIES
    for name in added:
        mask |= CAPABILITIES.get(name, 0)
    for name in dropped:
        mask &= ~CAPABILITIES.get(name, 0)
    return mask


def proc_files(
    context: Context, container: pb.ContainerConfig, sandbox: pb.PodSandboxConfig
) -> Mapping[str, Callable[[], bytes]]:
    """Return the files below /proc by their path."""
    security = container.linux.security_context
    options = sandbox.linux.security_context.namespace_options.userns_options
    mappings = {"uid": options.uids, "gid": options.gids} if options.mode == pb.POD else {}
    sysctls = {**_DEFAULT_SYSCTLS, "kernel.hostname": context.hostname, **sandbox.linux.sysctls}
    files: dict[str, Callable[[], bytes]] = {
        "/self/status": lambda: _status(context, capabilities(security), no_new_privileges=security.no_new_privs),
        "/1/cmdline": lambda: b"".join(word.encode() + b"\0" for word in context.processes.get(1, [])),
        "/uptime": lambda: f"{context.now() % 1_000_000:.2f} 0.00\n".encode(),
        "/version": lambda: b"Linux version 6.12.0\n",
    }
    for kind in ("uid", "gid"):
        text = "".join(_mapping(one.container_id, one.host_id, one.length) for one in mappings.get(kind, ()))
        files[f"/self/{kind}_map"] = lambda text=text: (text or _mapping(0, 0, 0xFFFFFFFF)).encode()  # type: ignore[misc]
    for name, value in sysctls.items():
        files[f"/sys/{name.replace('.', '/')}"] = lambda value=value: f"{value}\n".encode()  # type: ignore[misc]
    return files


def _mapping(inside: int, outside: int, length: int) -> str:
    return f"{inside:>10} {outside:>10} {length:>10}\n"


def _status(context: Context, mask: int, *, no_new_privileges: bool) -> bytes:
    who = context.identity
    held = mask if who.uid == 0 else 0
    lines = [
        "Name:\tcat",
        "State:\tR (running)",
        f"Uid:\t{who.uid}\t{who.uid}\t{who.uid}\t{who.uid}",
        f"Gid:\t{who.gid}\t{who.gid}\t{who.gid}\t{who.gid}",
        f"Groups:\t{' '.join(map(str, who.all_groups))} ",
        "Threads:\t1",
        "CapInh:\t0000000000000000",
        f"CapPrm:\t{held:016x}",
        f"CapEff:\t{held:016x}",
        f"CapBnd:\t{mask:016x}",
        "CapAmb:\t0000000000000000",
        f"NoNewPrivs:\t{int(no_new_privileges)}",
    ]
    return "".join(f"{line}\n" for line in lines).encode()
