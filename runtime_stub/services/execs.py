"""This module is ExecSync: a command run inside a container to its end.

The command runs in no time, except for its waits; it ends early with its container, or at the timeout.
Upstream: internal/cri/server/container_execsync.go.
"""

import asyncio
import signal

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.refusals import go_duration
from runtime_stub.machine import Machine
from runtime_stub.pipe import until_either
from runtime_stub.processes import SIGNAL_EXIT_BASE
from runtime_stub.services.performer import Performer
from runtime_stub.services.scene import Scene
from runtime_stub.services.stopping import container_facts
from runtime_stub.shell.entrypoint import NotExecutable
from runtime_stub.shell.program import FOREVER, OutOfMemory, Output, Steps, Stream, Wait
from runtime_stub.state.records import Container, ContainerState
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.state.subjects import container_key
from runtime_stub.waking import rung

MAX_OUTPUT_BYTES = 16 * 1024 * 1024
"""More output than this is dropped without a word, as the reference demands."""


class Execs:
    """Handler of ExecSync.

    Args:
        machine: where the containers are.
        performer: carries out plans.
        timeout_text: answered on stderr when a command takes too long; empty: it is refused.
    """

    def __init__(self, machine: Machine, performer: Performer, *, timeout_text: str = "") -> None:
        self._machine = machine
        self._performer = performer
        self._timeout_text = timeout_text

    async def exec_sync(self, request: pb.ExecSyncRequest) -> pb.ExecSyncResponse:
        """Run a command in a running container and answer with its outputs and exit code."""
        reason = Reason.EXEC_CONTAINER_NOT_FOUND
        container = self._machine.world.find_container(request.container_id, reason=reason)
        if container.state is not ContainerState.RUNNING:
            raise Refusal(Reason.EXEC_NOT_RUNNING, id=container.id, state=f"CONTAINER_{container.state.name}")
        if not request.cmd:
            raise Refusal(Reason.COMMAND_MISSING)
        command = _Command(
            self._machine,
            container,
            list(request.cmd),
            timeout_seconds=max(0, request.timeout),
            timeout_text=self._timeout_text,
        )
        await self._performer.perform("ExecSync", command.scene())
        return command.answer()


class _Command:
    """One command on its way through ExecSync's plan."""

    def __init__(
        self, machine: Machine, container: Container, argv: list[str], *, timeout_seconds: int, timeout_text: str
    ) -> None:
        self._machine = machine
        self._container = container
        self._argv = argv
        self._timeout_seconds = timeout_seconds
        self._timeout_text = timeout_text
        self._exec_id = machine.new_id()
        self._steps: Steps | None = None
        self._exit_code = 0
        self._outputs: dict[Stream, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self._timed_out = False
        self._died_with_container = False

    def scene(self) -> Scene:
        """Return what the plan needs."""
        return Scene(
            subject=container_key(self._machine.world, self._container),
            facts={
                **container_facts(self._container),
                "exec_id": self._exec_id,
                "exec_pid": self._machine.new_pid(),
            },
            conditions={"timed out": lambda: self._timed_out, "in time": lambda: not self._timed_out},
            steps={"start": self._start, "wait": self._wait, "time out": self._time_out},
        )

    def answer(self) -> pb.ExecSyncResponse:
        """Return the outputs and the exit code."""
        if self._timed_out:
            return pb.ExecSyncResponse(stderr=self._timeout_text.encode(), exit_code=-1)
        if self._died_with_container:
            return pb.ExecSyncResponse(exit_code=SIGNAL_EXIT_BASE + signal.SIGKILL)
        return pb.ExecSyncResponse(
            stdout=bytes(self._outputs["stdout"]), stderr=bytes(self._outputs["stderr"]), exit_code=self._exit_code
        )

    def _start(self) -> None:
        try:
            self._steps = self._machine.exec_steps_of(self._container, self._argv)
        except NotExecutable as error:
            raise Refusal(Reason.EXEC_FAILED, exec_id=self._exec_id, cause=str(error)) from error

    async def _wait(self) -> None:
        if self._steps is None:
            return
        allowed = self._timeout_seconds or FOREVER
        try:
            while True:
                match self._steps.send(None):
                    case Output(stream, data):
                        room = MAX_OUTPUT_BYTES - len(self._outputs[stream])
                        self._outputs[stream] += data[:room]
                    case Wait() as wait:
                        allowed -= await self._pause(wait, allowed_seconds=allowed)
                    case OutOfMemory():
                        self._exit_code = SIGNAL_EXIT_BASE + signal.SIGKILL
                        return
                if self._died_with_container or self._timed_out:
                    return
        except StopIteration as end:
            self._exit_code = int(end.value or 0)
        finally:
            self._steps.close()

    async def _pause(self, wait: Wait, *, allowed_seconds: float) -> float:
        """Let a wait pass, and see how it ends; return how many seconds it took."""
        loop = asyncio.get_running_loop()
        began, limit = loop.time(), min(wait.seconds, allowed_seconds)
        exited = self._machine.processes.exited(self._container.id, timeout_seconds=None if limit == FOREVER else limit)
        if wait.bell is None:
            self._died_with_container, elapsed = await exited, limit
        else:
            died = await until_either(exited, rung(wait), name="exec")
            self._died_with_container, elapsed = bool(died), loop.time() - began if died is None else limit
        self._timed_out = not self._died_with_container and elapsed >= allowed_seconds < wait.seconds
        return min(elapsed, allowed_seconds)

    def _time_out(self) -> None:
        if self._timeout_text:
            return
        raise Refusal(
            Reason.EXEC_TIMEOUT, timeout=go_duration(self._timeout_seconds), cause="context deadline exceeded"
        )
