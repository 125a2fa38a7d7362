"""This module is the standard streams of containers: who is attached sees the output and types the input.

A container that was created with `stdin` and runs a shell, or `cat`, does what is typed. It goes on when a client
leaves, and hears the end of its input only if it was created with `stdin_once`. Upstream: internal/cri/server/
container_attach.go.
"""

import asyncio
import logging

from runtime_stub.machine import Machine
from runtime_stub.outputs import OutputListener
from runtime_stub.shell.program import Stream
from runtime_stub.state.records import Container
from runtime_stub.streaming.commands import Stdio, leave_unread, reads_stdin, run_command
from runtime_stub.streaming.outcome import Outcome, Success
from runtime_stub.streaming.pipe import until_either
from runtime_stub.streaming.remote import Remote
from runtime_stub.streaming.tickets import Streams

log = logging.getLogger(__name__)

_FAILED = 255


class Consoles:
    """The consoles of all containers somebody has typed into; a context, which owns the tasks of their processes.

    It is no TaskGroup, since that would wrap whatever else goes wrong while the stub runs.

    Args:
        machine: where the containers run.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._consoles: dict[str, Stdio] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Consoles":
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """End what runs here; the containers stay as they are."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def attach(self, container: Container, remote: Remote, streams: Streams) -> Outcome:
        """Connect a client with a container until its process ends."""
        with self._machine.outputs.listening(container.id) as output:
            if container.id in self._machine.processes:
                await until_either(
                    _show(output, remote),
                    self._type(container, remote, streams),
                    name="attach",
                )
        return Success()

    async def _type(self, container: Container, remote: Remote, streams: Streams) -> None:
        """Hand a client's input on for as long as it is attached."""
        if streams.stdin and container.config.stdin:
            console = self._console(container)
            while keys := await remote.read_stdin():
                await console.type(keys)
            if container.config.stdin_once:
                console.stdin.end()
        await asyncio.Event().wait()

    def _console(self, container: Container) -> Stdio:
        console = self._consoles.get(container.id)
        if console is None:

            async def write(stream: Stream, data: bytes) -> None:
                self._machine.write_as_process(container.id, stream, data)

            console = self._consoles[container.id] = Stdio(write, has_terminal=container.config.tty)
            run = self._run(container, console)
            task = asyncio.create_task(run, name=f"runtime-stub/console/{container.id[:12]}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return console

    async def _run(self, container: Container, console: Stdio) -> None:
        """Be the process of a container for as long as it runs."""
        argv = [*container.config.command, *container.config.args] or ["sh"]
        try:
            await until_either(
                self._serve(container, argv, console),
                self._machine.processes.exited(container.id),
                name=f"console/{container.id[:12]}",
            )
        finally:
            self._consoles.pop(container.id, None)

    async def _serve(self, container: Container, argv: list[str], console: Stdio) -> None:
        if not reads_stdin(argv):
            await leave_unread(console.stdin)
        try:
            code = await run_command(
                argv, console, compile_=lambda line: self._machine.exec_program_of(container, list(line))
            )
        except Exception:
            log.exception("container %s: its process failed", container.id)
            code = _FAILED
        self._machine.end_process(container.id, code)


async def _show(output: OutputListener, remote: Remote) -> None:
    async for stream, data in output:
        await remote.write(stream, data)
