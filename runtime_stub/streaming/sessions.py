"""This module is what happens over a stream once it is open: a command runs, a client is attached, ports are tried.

It knows the machine and the client's far side (`Remote`), not how that side is reached. Texts of failures are the
profile's, behind what cri-streaming puts before them.
"""

import asyncio
import signal
from collections.abc import Mapping
from functools import partial

from opentelemetry.trace import Span

from runtime_stub.behaviour.latency import LatencyModel
from runtime_stub.behaviour.refusals import Wording, word
from runtime_stub.machine import Machine
from runtime_stub.network.ports import namespace_of
from runtime_stub.network.stream import End
from runtime_stub.pipe import until_either
from runtime_stub.processes import SIGNAL_EXIT_BASE
from runtime_stub.shell.context import Console
from runtime_stub.shell.entrypoint import NotExecutable, converses
from runtime_stub.state.records import Container, ContainerState, SandboxState
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.state.subjects import container_key
from runtime_stub.streaming.commands import Stdio, run_command
from runtime_stub.streaming.consoles import Consoles
from runtime_stub.streaming.keyboard import Keyboard
from runtime_stub.streaming.outcome import ExitedNonZero, Failed, Outcome, Success
from runtime_stub.streaming.remote import Remote, Sizes
from runtime_stub.streaming.tickets import Attach, Exec, PortForward


class Sessions:
    """What clients do with the machine."""

    def __init__(
        self,
        machine: Machine,
        consoles: Consoles,
        *,
        latency: LatencyModel,
        wordings: Mapping[Reason, Wording],
    ) -> None:
        self._machine = machine
        self._consoles = consoles
        self._latency = latency
        self._wordings = wordings

    async def take_part(self, request: Exec | Attach, remote: Remote, span: Span) -> None:
        """Do what a client came for, and tell it how it ended."""
        outcome = await until_either(self._outcome(request, remote), _note_sizes(remote, span), name="session")
        if isinstance(outcome, Success | ExitedNonZero) and isinstance(request, Exec):
            code = outcome.exit_code if isinstance(outcome, ExitedNonZero) else 0
            span.set_attribute("process.exit.code", code)
        await remote.finish(outcome or Failed("the session was cancelled"))

    def dial(self, request: PortForward, port: int) -> End | str:
        """Connect to a port of a sandbox; return the connection, or what went wrong in containerd's words."""
        world, id_ = self._machine.world, request.sandbox_id
        sandbox = world.get_sandbox(id_)
        if sandbox is None or sandbox.state is not SandboxState.READY:
            return self._text(Refusal(Reason.FORWARD_NOT_RUNNING, id=id_, port=port))
        try:
            return self._machine.ports.connect(namespace_of(sandbox), port, near="127.0.0.1:0", far=f"127.0.0.1:{port}")
        except ConnectionRefusedError:
            return self._text(Refusal(Reason.PORT_REFUSED, id=id_, port=port))

    async def _outcome(self, request: Exec | Attach, remote: Remote) -> Outcome:
        container = self._machine.world.get_container(request.container_id)
        if container is None or container.state is not ContainerState.RUNNING:
            state = "CONTAINER_UNKNOWN" if container is None else f"CONTAINER_{container.state.name}"
            return Failed(self._text(Refusal(Reason.STREAM_NOT_RUNNING, state=state)))
        if isinstance(request, Attach):
            return await self._consoles.attach(container, remote, request.streams)
        return await self._execute(container, request, remote)

    async def _execute(self, container: Container, request: Exec, remote: Remote) -> Outcome:
        """Run a command in a container; it dies with the container."""
        key = container_key(self._machine.world, container)
        await asyncio.sleep(self._latency.draws("Exec", key).draw("exec.start"))
        machine, argv, streams = self._machine, request.argv, request.streams
        stdin = Console(is_terminal=streams.tty) if streams.stdin else None
        try:
            steps = machine.exec_steps_of(container, list(argv), stdin=stdin)
        except NotExecutable as error:
            refusal = Refusal(Reason.EXEC_FAILED, exec_id=machine.new_id(), cause=str(error))
            return Failed(f"error executing command in container: {self._text(refusal)}")
        stdio = Stdio(remote.write, has_terminal=streams.tty)
        alive = until_either(run_command(steps, stdio), machine.processes.exited(container.id), name="exec")
        typing = _type(remote, stdio, edits=converses(argv))
        code = await until_either(alive, typing, name="exec/stdin")
        code = SIGNAL_EXIT_BASE + signal.SIGKILL if code is None else code
        return ExitedNonZero(argv, code) if code else Success()

    def _text(self, refusal: Refusal) -> str:
        return word(refusal, self._wordings)[1]


async def _type(remote: Remote, stdio: Stdio, *, edits: bool) -> None:
    """Hand a client's input on until it is cancelled."""
    keyboard = Keyboard(
        stdio.stdin,
        echo=partial(remote.write, "stdout"),
        interrupt=stdio.interrupted.set,
        has_terminal=stdio.has_terminal,
        edits=edits,
    )
    while keys := await remote.read_stdin():
        await keyboard.type(keys)
    stdio.stdin.end()
    await asyncio.Event().wait()


async def _note_sizes(remote: Remote, span: Span) -> None:
    """Show the changes of the terminal's size on the span until it is cancelled."""
    sizes = Sizes()
    while received := await remote.read_resize():
        for size in sizes.feed(received):
            span.add_event("terminal resized", {"terminal.width": size.width, "terminal.height": size.height})
    await asyncio.Event().wait()
