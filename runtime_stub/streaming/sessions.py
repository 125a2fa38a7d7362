"""This module is what happens over a stream once it is open: a command runs, a client is attached, ports are tried.

It knows the machine and the client's far side (`Remote`), not how that side is reached. Texts of failures are the
profile's, behind what cri-streaming puts before them.
"""

import asyncio
import signal
from collections.abc import Mapping

from opentelemetry.trace import Span

from runtime_stub.behaviour.latency import LatencyModel
from runtime_stub.behaviour.refusals import Wording, word
from runtime_stub.machine import Machine
from runtime_stub.processes import SIGNAL_EXIT_BASE
from runtime_stub.shell.entrypoint import NotExecutable
from runtime_stub.state.records import Container, ContainerState, SandboxState
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.streaming.commands import Stdio, run_command
from runtime_stub.streaming.consoles import Consoles
from runtime_stub.streaming.outcome import ExitedNonZero, Failed, Outcome, Success
from runtime_stub.streaming.pipe import until_either
from runtime_stub.streaming.pod_http import serves
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

    def dial(self, request: PortForward, port: int) -> str:
        """Try a port of a sandbox: what went wrong, in containerd's words, or nothing."""
        world, id_ = self._machine.world, request.sandbox_id
        sandbox = world.get_sandbox(id_)
        if sandbox is None or sandbox.state is not SandboxState.READY:
            return self._text(Refusal(Reason.FORWARD_NOT_RUNNING, id=id_, port=port))
        if port in {socket.port for socket in self._machine.ports.of_sandbox(id_)}:
            return ""
        running = [one for one in world.containers_of(id_) if one.state is ContainerState.RUNNING]
        if serves(sandbox, map(self._machine.program_of, running), port):
            return ""
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
        await asyncio.sleep(self._latency.draw("exec.start"))
        stdio = Stdio(remote.write, has_terminal=request.streams.tty)
        machine, argv = self._machine, request.argv
        command = run_command(argv, stdio, compile_=lambda line: machine.exec_program_of(container, list(line)))
        alive = until_either(command, machine.processes.exited(container.id), name="exec")
        try:
            code = await until_either(alive, _type(remote, stdio), name="exec/stdin")
        except BaseExceptionGroup as failures:
            found, others = failures.split(NotExecutable)
            if others is not None or found is None:
                raise
            refusal = Refusal(Reason.EXEC_FAILED, exec_id=machine.new_id(), cause=str(_first(found)))
            return Failed(f"error executing command in container: {self._text(refusal)}")
        code = SIGNAL_EXIT_BASE + signal.SIGKILL if code is None else code
        return ExitedNonZero(argv, code) if code else Success()

    def _text(self, refusal: Refusal) -> str:
        return word(refusal, self._wordings)[1]


async def _type(remote: Remote, stdio: Stdio) -> None:
    """Hand a client's input on until it is cancelled."""
    while keys := await remote.read_stdin():
        await stdio.type(keys)
    stdio.stdin.end()
    await asyncio.Event().wait()


async def _note_sizes(remote: Remote, span: Span) -> None:
    """Show the changes of the terminal's size on the span until it is cancelled."""
    sizes = Sizes()
    while received := await remote.read_resize():
        for size in sizes.feed(received):
            span.add_event("terminal resized", {"terminal.width": size.width, "terminal.height": size.height})
    await asyncio.Event().wait()


def _first(group: BaseExceptionGroup[NotExecutable]) -> BaseException:
    """Return a group's first exception that is no group."""
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
