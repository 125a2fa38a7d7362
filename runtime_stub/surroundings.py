"""This module is the making of what a container's processes find around them (`shell.context.Context`).

A container's context is made when a command first needs it and lives until the container is removed: its processes and
execs share files. Files live in memory only; after a restart of the stub a running container's own commands, which are
carried out again up to where they were, make them anew.
"""

import os
from collections.abc import Callable, Sequence

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.catalogue import ImageEntry
from runtime_stub.host_files import HostVolume
from runtime_stub.network.pod import Fabric, PodNetwork
from runtime_stub.shell.accounts import Identity, accounts
from runtime_stub.shell.commands import DEFAULT_PATH, find_command
from runtime_stub.shell.context import Call, Context, Input, absolute
from runtime_stub.shell.entrypoint import is_busybox
from runtime_stub.shell.files import Devices, Files, Memory, Mounted, Pseudo
from runtime_stub.shell.proc import proc_files
from runtime_stub.shell.program import Program, Steps
from runtime_stub.shell.rootfs import rootfs
from runtime_stub.state.records import Container, Sandbox, shares_pid_namespace

SANDBOX_ARGV = ("/pause",)
"""The first process of a pod whose containers share its process namespace."""
DEFAULT_RESOLV_CONF = "nameserver 10.0.0.10\n"


class Surroundings:
    """The contexts of containers.

    Args:
        image_entry: what is known of an image, by its name.
        fabric: the network of all pods.
        now: Unix nanoseconds.
        signal: sends a signal to a container's first process.
    """

    def __init__(
        self,
        *,
        image_entry: Callable[[str], ImageEntry],
        fabric: Fabric,
        now: Callable[[], int],
        signal: Callable[[str, int], None],
    ) -> None:
        self._image_entry = image_entry
        self._fabric = fabric
        self._now = now
        self._signal = signal
        self._contexts: dict[str, Context] = {}

    def process(
        self,
        container: Container,
        sandbox: Sandbox,
        argv: Sequence[str],
        *,
        image_path: str,
        unknown: Program,
        stdin: Input,
        is_init: bool = False,
    ) -> Steps:
        """Return a process in a container.

        Args:
            container: where it runs.
            sandbox: the container's.
            argv: the command line.
            image_path: the image's repository without its domain.
            unknown: what commands do that may exist and are not emulated.
            stdin: its standard input.
            is_init: whether it is the container's first.
        """
        context = self._context(container, sandbox, is_busybox=is_busybox(image_path))
        context.unknown = unknown
        pid = context.main_pid if is_init else context.begin(argv)
        call = Call(argv, context, stdin, context.environment, context.working_directory, pid)
        return _ended(find_command(call, shell=argv[0]), lambda: context.end(pid))

    def catches(self, container_id: str, signum: int) -> bool:
        """Hand a container's first process a signal; tell whether it deals with it itself."""
        context = self._contexts.get(container_id)
        return context is not None and context.catches(context.main_pid, signum)

    def files_of(self, container: Container, sandbox: Sandbox) -> Files:
        """Return the files of a container in which nothing runs that is emulated: a server."""
        return self._context(container, sandbox, is_busybox=False).files

    @staticmethod
    def hostname_of(sandbox: Sandbox) -> str:
        """Return what a pod's containers take for their host's name."""
        return sandbox.config.hostname or (os.uname().nodename if sandbox.host_network else sandbox.id[:12])

    def forget(self, container_id: str) -> None:
        """Let go of a container that was removed."""
        self._contexts.pop(container_id, None)

    def _context(self, container: Container, sandbox: Sandbox, *, is_busybox: bool) -> Context:
        context = self._contexts.get(container.id)
        if context is None:
            context = self._contexts[container.id] = self._make(container, sandbox, is_busybox=is_busybox)
            if shares_pid_namespace(container.config):
                context.begin(SANDBOX_ARGV)
            context.main_pid = context.begin(_main_argv(container, self._image_entry(container.image_name)))
        return context

    def _make(self, container: Container, sandbox: Sandbox, *, is_busybox: bool) -> Context:
        config = container.config
        hostname = self.hostname_of(sandbox)
        image = self._image_entry(container.image_name)
        given = rootfs(image)
        root = Memory(given, lambda: self._now() / 1e9)
        root.changed.update(_network_files(sandbox, hostname))
        users = accounts(given.get("/etc/passwd", b"").decode(errors="replace"))
        home = next((one.home for one in users if one.uid == container.uid), "/")
        environment = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname, "HOME": home, **image.environment}
        environment.update({one.key: one.value.decode(errors="surrogateescape") for one in config.envs})
        context = Context(
            files=Files(()),
            identity=Identity(container.uid, container.gid, container.groups),
            hostname=hostname,
            environment=environment,
            working_directory=absolute(config.working_dir or image.working_directory or "/", "/"),
            network=PodNetwork(self._fabric, sandbox, container.id),
            now=lambda: self._now() / 1e9,
            memory_limit_bytes=container.resources.memory_limit_in_bytes,
            is_busybox=is_busybox,
            signal_init=lambda signum: self._signal(container.id, signum),
        )
        security = config.linux.security_context
        mounts = [
            Mounted("/", root, read_only=security.readonly_rootfs),
            Mounted("/dev", Devices()),
            Mounted("/dev/shm", Memory({"/": b""}, lambda: self._now() / 1e9)),  # noqa: S108  # in the container
            Mounted("/proc", Pseudo(proc_files(context, config, sandbox.config))),
            *(self._mounted(mount) for mount in config.mounts),
        ]
        masked = () if security.privileged else security.masked_paths
        context.files = Files(mounts, masked=masked, read_only=security.readonly_paths)
        return context

    def _mounted(self, mount: pb.Mount) -> Mounted:
        path = absolute(mount.container_path, "/")
        if mount.HasField("image") and mount.image.image:
            prefix = f"/{mount.image_sub_path.strip('/')}".rstrip("/")
            files = rootfs(self._image_entry(mount.image.image)).items()
            inside: dict[str, bytes] = {
                name[len(prefix) :]: data for name, data in files if name.startswith(f"{prefix}/")
            }
            return Mounted(path, Memory({"/": b"", **inside}, lambda: self._now() / 1e9), read_only=True)
        return Mounted(path, HostVolume(mount.host_path, read_only=mount.readonly, recursive=mount.recursive_read_only))


def _main_argv(container: Container, entry: ImageEntry) -> list[str]:
    """Return the command line of a container's first process as the list of processes shows it."""
    config = container.config
    if config.command:
        return [*config.command, *config.args]
    argv = [entry.title] if entry.title else [*entry.command, *(config.args or entry.arguments)]
    return argv or [container.image_name.rpartition("/")[2].partition(":")[0]]


def _ended(steps: Steps, end: Callable[[], None]) -> Steps:
    try:
        return (yield from steps)
    finally:
        end()


def _network_files(sandbox: Sandbox, hostname: str) -> dict[str, bytes | None]:
    dns = sandbox.config.dns_config
    lines = []
    if dns.searches:
        lines.append(f"search {' '.join(dns.searches)}\n")
    lines += [f"nameserver {server}\n" for server in dns.servers]
    if dns.options:
        lines.append(f"options {' '.join(dns.options)}\n")
    hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost\n" + "".join(f"{ip}\t{hostname}\n" for ip in sandbox.ips[:1])
    return {
        "/etc/resolv.conf": ("".join(lines) or DEFAULT_RESOLV_CONF).encode(),
        "/etc/hostname": f"{hostname}\n".encode(),
        "/etc/hosts": hosts.encode(),
    }
