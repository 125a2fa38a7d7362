"""This module is the simulated machine: the state together with what makes it move and what remembers it.

Whoever changes the state hands the `Change` to `apply`, which writes it down and then tells the subscribers, in that
order: nobody hears of what a crash could undo. The machine is also the observer of its processes, so an exit becomes a
state change here and nowhere else.
"""

import logging
import secrets
import signal
from collections.abc import Sequence

from kubeletsim.base.timing import Clock
from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.catalogue import Catalogue, ImageEntry
from runtime_stub.behaviour.latency import LatencyModel
from runtime_stub.behaviour.service import Service
from runtime_stub.behaviour.well_known_images import WELL_KNOWN
from runtime_stub.events import Events
from runtime_stub.journal import Journal
from runtime_stub.logs import LogFile, create_log
from runtime_stub.network.answers.service import serve
from runtime_stub.network.declared import declared_services
from runtime_stub.network.pod import Fabric
from runtime_stub.network.ports import Ports
from runtime_stub.outputs import Outputs
from runtime_stub.processes import Processes
from runtime_stub.shell.accounts import Identity, identity_of
from runtime_stub.shell.context import Console, Input
from runtime_stub.shell.entrypoint import (
    SUCCESS,
    NotExecutable,
    check_program,
    container_program,
    converses,
    exec_program,
    server_program,
)
from runtime_stub.shell.program import LIVE, Live, Output, Program, Steps, Stream, steps_of
from runtime_stub.shell.rootfs import holds, rootfs
from runtime_stub.state.images import Images
from runtime_stub.state.records import Change, Container, ContainerState, Image, Sandbox, shares_pid_namespace
from runtime_stub.state.references import InvalidReference, parse_reference
from runtime_stub.state.subjects import container_key
from runtime_stub.state.views import image_names
from runtime_stub.state.world import World
from runtime_stub.surroundings import Surroundings
from runtime_stub.terminal import displayed

log = logging.getLogger(__name__)

FIRST_PID = 4_000


class Machine:
    """Sandboxes, containers, images, processes, logs, and the journal of all that."""

    def __init__(
        self, *, clock: Clock, journal: Journal, latency: LatencyModel, catalogue: Catalogue | None = None
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._latency = latency
        self._logs: dict[str, LogFile] = {}
        self._next_pid = FIRST_PID
        self.catalogue = catalogue or Catalogue(WELL_KNOWN)
        self.world = World()
        self.images = Images()
        self.events = Events(self.world, self.now)
        self.processes = Processes(clock, self, notice_seconds=self._notice_seconds)
        self.ports = Ports()
        self.fabric = Fabric(ports=self.ports, sandboxes=self.world.sandboxes)
        self.surroundings = Surroundings(
            image_entry=self.image_entry, fabric=self.fabric, now=self.now, signal=self.signal
        )
        self._out_of_memory: set[str] = set()
        self.outputs = Outputs()
        self.signalled: set[str] = set()
        """Containers that were sent their stop signal; containerd sends it once."""

    def _notice_seconds(self, id_: str) -> float:
        container = self.world.get_container(id_)
        key = container_key(self.world, container) if container is not None else ""
        return self._latency.draws("exit", key).draw("task.exit")

    def now(self) -> int:
        """Return the time in Unix nanoseconds."""
        return int(self._clock.now() * 1e9)

    def new_id(self) -> str:
        """Return an id that nothing has; ids are never seeded, as they must differ from those of earlier runs."""
        return secrets.token_hex(32)

    def new_pid(self) -> int:
        """Return a process id that no living process has."""
        self._next_pid += 1
        return self._next_pid

    def apply(self, change: Change) -> None:
        """Write a change of the state down, then tell the subscribers."""
        self._journal.write(change)
        for record in change.removed:
            self.signalled.discard(record.id)
            self.surroundings.forget(record.id)
        for event in change.events:
            log.debug("%s %s", event.type.name, event.container_id)
            self.events.publish(event)

    def resume(self) -> None:
        """Take up what an earlier run left, and let its processes go on as if the stub had never been away."""
        self.world.restore(self._journal.records(Sandbox), self._journal.records(Container))
        for image in self._journal.records(Image):
            self.images.restore(image)
        containers = self.world.containers()
        pids = [*(one.pid for one in self.world.sandboxes()), *(one.pid for one in containers)]
        self._next_pid = max([FIRST_PID, *pids])
        if self.world.sandbox_count:
            log.info("taking up %d sandboxes with %d containers", self.world.sandbox_count, len(containers))
        for container in containers:
            if container.state is ContainerState.RUNNING:
                self._resume(container)

    def image_entry(self, image_name: str) -> ImageEntry:
        """Return what is known of an image, by any name it has."""
        if (image := self.images.find(image_name)) is not None:
            image_name = image_names(image)[0]
        try:
            return self.catalogue.entry(parse_reference(image_name))
        except InvalidReference:  # known by its id alone
            return ImageEntry(name="")

    def image_holds(self, image: Image, path: str) -> bool:
        """Tell whether an image has a file or a directory at a path."""
        return holds(rootfs(self.image_entry(image_names(image)[0])), path)

    def identity_of(self, config: pb.ContainerConfig, image: Image) -> Identity:
        """Return who a new container's process is.

        Raises:
            UnknownUser: the image has no such user or group.
        """
        files = rootfs(self.image_entry(image_names(image)[0]))
        return identity_of(
            config.linux.security_context,
            image_user=image.user,
            passwd=files.get("/etc/passwd", b"").decode(errors="replace"),
            group=files.get("/etc/group", b"").decode(errors="replace"),
        )

    def argv_of(self, container: Container) -> list[str]:
        """Return what a container runs: its own command or its image's, with its arguments."""
        entry_point, arguments = self._command_line(container)
        return [*entry_point, *arguments] or ["sh"]

    def program_of(self, container: Container) -> Program:
        """Return what a container's process does.

        Raises:
            NotExecutable: its command cannot exist in its image.
        """
        entry_point, arguments = self._command_line(container)
        return container_program(
            entry_point,
            arguments,
            image_path=_image_path(container),
            has_stdin=_has_stdin(container),
            server=self._server_of(container),
        )

    def check_command(self, container: Container, argv: Sequence[str]) -> None:
        """Refuse a command that the container has as something else than a program.

        Raises:
            NotExecutable: it may not be run.
        """
        sandbox = self.world.get_sandbox(container.sandbox_id)
        if argv and argv[0].startswith("/") and "bin" not in argv[0] and sandbox is not None:
            check_program(argv[0], self.surroundings.files_of(container, sandbox))

    def exec_steps_of(self, container: Container, command: list[str], *, stdin: Input | None = None) -> Steps:
        """Return a command inside a container as it goes along.

        Args:
            container: where it runs.
            command: the command line.
            stdin: what it reads; None for nothing.

        Raises:
            NotExecutable: it cannot exist in the container's image.
        """
        self.check_command(container, command)
        program = exec_program(command, image_path=_image_path(container), has_stdin=stdin is not None)
        if program != LIVE:
            return steps_of(program)
        return self._live(container, command, unknown=SUCCESS, stdin=stdin or Input())

    def open_log(self, container: Container, program: Program) -> None:
        """Make a container's log file, and keep it open if the program is going to write.

        Raises:
            OSError: the file cannot be made.
        """
        if not container.log_path:
            return
        if _may_write(container, program):
            self._logs[container.id] = LogFile(container.log_path)
        else:
            create_log(container.log_path)

    def reopen_log(self, container: Container) -> None:
        """Begin a new log file at a container's path.

        Raises:
            OSError: the file cannot be made.
        """
        if (file := self._logs.get(container.id)) is not None:
            file.reopen()
        elif container.log_path:
            create_log(container.log_path)

    def forget_log(self, id_: str) -> None:
        """Let go of the log of a container that did not start after all."""
        if (file := self._logs.pop(id_, None)) is not None:
            file.release()

    def start_process(self, container: Container, program: Program, *, pid: int) -> None:
        """Note that a container runs, and begin its program."""
        started_at = self.now()
        self.apply(self.world.finish_start(container.id, at=started_at, pid=pid))
        self._run(container, program, started_at=started_at, steps_done=0)

    def signal(self, id_: str, signum: int) -> None:
        """Send a signal to a container's process."""
        container = self.world.get_container(id_)
        is_init = container is None or not shares_pid_namespace(container.config)
        self.processes.signal(id_, signum, is_init=is_init)

    def interrupt(self, container: Container) -> None:
        """Do what ^C does at a container's terminal: a shell that reads commands stays, as PID 1 deaf others do."""
        if converses(self.argv_of(container)):
            self.processes.interrupt(container.id)
        else:
            self.signal(container.id, signal.SIGINT)

    def echo(self, id_: str, data: bytes) -> None:
        """Be a container's terminal, which shows what is typed."""
        self._write(id_, "stdout", data, at=self.now())

    def close(self) -> None:
        """Let go of processes and log files; the state stays as it is on disk."""
        self.processes.close()
        for file in self._logs.values():
            file.release()
        self._logs.clear()

    # What processes do (ProcessObserver)

    def process_wrote(self, id_: str, stream: Stream, data: bytes, *, at: int) -> None:
        """Append a process's output to its log, and show it to who is attached."""
        container = self.world.get_container(id_)
        if container is not None and container.config.tty:
            stream, data = "stdout", displayed(data)
        self._write(id_, stream, data, at=at)

    def _write(self, id_: str, stream: Stream, data: bytes, *, at: int) -> None:
        self.outputs.publish(id_, stream, data)
        if (file := self._logs.get(id_)) is None:
            return
        try:
            file.write(stream, data, at=at)
        except OSError as error:
            log.warning("container %s: output lost: %s", id_, error)

    def process_progressed(self, id_: str, *, steps_done: int) -> None:
        """Write down how far a process has come; close its log when it will write no more."""
        self.apply(self.world.note_progress(id_, steps_done=steps_done))
        if id_ in self._logs and (container := self.world.get_container(id_)) is not None:
            self._close_silent_log(container, self.program_of(container), steps_done=steps_done)

    def process_exited(self, id_: str, *, at: int, exit_code: int) -> None:
        """Make a process's end a state change."""
        if (file := self._logs.pop(id_, None)) is not None:
            try:
                file.close(at=at)
            except OSError as error:
                log.warning("container %s: output lost: %s", id_, error)
        reason = "OOMKilled" if id_ in self._out_of_memory else ""
        self._out_of_memory.discard(id_)
        self.ports.close(id_)
        self.apply(self.world.exit_container(id_, at=at, exit_code=exit_code, reason=reason))
        self.outputs.end(id_)

    def process_recalled(self, id_: str, stream: Stream, data: bytes) -> None:
        """Know again what a process wrote before the stub was restarted."""
        container, file = self.world.get_container(id_), self._logs.get(id_)
        if container is not None and file is not None:
            file.remember(*(("stdout", displayed(data)) if container.config.tty else (stream, data)))

    def process_listens(self, id_: str, service: Service) -> None:
        """Let a port of a pod be answered."""
        container = self.world.get_container(id_)
        sandbox = self.world.get_sandbox(container.sandbox_id) if container is not None else None
        if container is None or sandbox is None:
            return
        serve(self.ports, id_, sandbox, service, lambda: self.surroundings.files_of(container, sandbox))

    def process_hushed(self, id_: str, port: int) -> None:
        """Let a port of a pod be answered no longer."""
        self.ports.leave_port(id_, port)

    def process_catches(self, id_: str, signum: int) -> bool:
        """Let a process that has a handler for a signal deal with it."""
        return self.surroundings.catches(id_, signum)

    def process_ran_out_of_memory(self, id_: str, *, at: int) -> None:
        """Remember why a process is about to end."""
        del at
        self._out_of_memory.add(id_)

    def _resume(self, container: Container) -> None:
        try:
            program = self.program_of(container)
        except NotExecutable as error:  # the rules have changed since it was started
            log.warning("container %s cannot be resumed: %s", container.id, error)
            self.apply(self.world.exit_container(container.id, at=self.now(), exit_code=255, reason="Unknown"))
            return
        if container.log_path and _may_write(container, program):
            try:
                self._logs[container.id] = LogFile(container.log_path)
            except OSError as error:
                log.warning("container %s: its log cannot be opened: %s", container.id, error)
        # what was typed is not on disk: a process that depends on it begins anew
        steps_done = 0 if program == LIVE and _has_stdin(container) else container.steps_done
        self._run(container, program, started_at=container.started_at, steps_done=steps_done)
        self._close_silent_log(container, program, steps_done=container.steps_done)

    def _close_silent_log(self, container: Container, program: Program, *, steps_done: int) -> None:
        """Close the log of a process that will write no more."""
        file = self._logs.get(container.id)
        if file is None or file.has_rest or program == LIVE or _may_write(container, program[steps_done:]):
            return
        del self._logs[container.id]
        file.release()

    def _server_of(self, container: Container) -> Program:
        """Return what a command of a container's image does that is not emulated: it serves."""
        entry = self.image_entry(container.image_name)
        services = entry.serves
        if services is None:
            sandbox = self.world.get_sandbox(container.sandbox_id)
            services = declared_services(container.config, sandbox.config if sandbox is not None else None)
        return server_program(services, banner=entry.banner)

    def _command_line(self, container: Container) -> tuple[Sequence[str], Sequence[str]]:
        """Return entry point and arguments: a container's own entry point does away with the image's arguments, too."""
        config, entry = container.config, self.image_entry(container.image_name)
        if config.command:
            return config.command, config.args
        return entry.command, config.args or entry.arguments

    def _run(self, container: Container, program: Program, *, started_at: int, steps_done: int) -> None:
        process: Program | Steps = program
        if program == LIVE:
            stdin = Console(is_terminal=container.config.tty) if _has_stdin(container) else Input()
            unknown = self._server_of(container)
            process = self._live(container, self.argv_of(container), unknown=unknown, stdin=stdin, is_init=True)
        self.processes.run(
            container.id, process, started_at=started_at, steps_done=steps_done, has_stdin=_has_stdin(container)
        )

    def _live(
        self, container: Container, argv: list[str], *, unknown: Program, stdin: Input, is_init: bool = False
    ) -> Steps:
        sandbox = self.world.get_sandbox(container.sandbox_id)
        assert sandbox is not None  # noqa: S101  # it cannot be removed before its containers
        path = _image_path(container)
        return self.surroundings.process(
            container, sandbox, argv, image_path=path, unknown=unknown, stdin=stdin, is_init=is_init
        )


def _has_stdin(container: Container) -> bool:
    """Tell whether somebody may type; a terminal nobody types at is not at its end, either."""
    return container.config.stdin or container.config.tty


def _may_write(container: Container, program: Program) -> bool:
    """Tell whether a process is going to write: because its program says so, or because somebody may type."""
    return container.config.stdin or any(isinstance(step, Output | Live) for step in program)


def _image_path(container: Container) -> str:
    try:
        return parse_reference(container.image_name).path
    except InvalidReference:
        return ""  # known by its id alone
