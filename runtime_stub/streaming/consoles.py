"""This module is the standard streams of containers: who is attached sees the output and types the input.

A container that was created with `stdin` reads what is typed. It goes on when a client leaves, and hears the end of its
input only if it was created with `stdin_once`. Upstream: internal/cri/server/container_attach.go.
"""

import asyncio
from functools import partial

from runtime_stub.machine import Machine
from runtime_stub.outputs import OutputListener
from runtime_stub.pipe import until_either
from runtime_stub.shell.entrypoint import converses
from runtime_stub.state.records import Container
from runtime_stub.streaming.keyboard import Keyboard
from runtime_stub.streaming.outcome import Outcome, Success
from runtime_stub.streaming.remote import Remote
from runtime_stub.streaming.tickets import Streams


class Consoles:
    """The keyboards of all containers somebody is typing at; all clients of a container share one.

    Args:
        machine: where the containers run.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._keyboards: dict[str, Keyboard] = {}

    async def attach(self, container: Container, remote: Remote, streams: Streams) -> Outcome:
        """Connect a client with a container until its process ends."""
        with self._machine.outputs.listening(container.id) as output:
            if container.id in self._machine.processes:
                try:
                    await until_either(_show(output, remote), self._type(container, remote, streams), name="attach")
                finally:
                    if container.id not in self._machine.processes:
                        self._keyboards.pop(container.id, None)
        return Success()

    async def _type(self, container: Container, remote: Remote, streams: Streams) -> None:
        """Hand a client's input on for as long as it is attached."""
        keyboard = self._keyboard(container) if streams.stdin else None
        if keyboard is not None:
            while keys := await remote.read_stdin():
                await keyboard.type(keys)
            if container.config.stdin_once:
                keyboard.stdin.end()
        await asyncio.Event().wait()

    def _keyboard(self, container: Container) -> Keyboard | None:
        stdin = self._machine.processes.stdin(container.id)
        if stdin is None or not container.config.stdin:
            return None
        keyboard = self._keyboards.get(container.id)
        if keyboard is None or keyboard.stdin is not stdin:
            keyboard = self._keyboards[container.id] = Keyboard(
                stdin,
                echo=partial(self._echo, container.id),
                interrupt=partial(self._machine.interrupt, container),
                has_terminal=container.config.tty,
                edits=converses(self._machine.argv_of(container)),
            )
        return keyboard

    async def _echo(self, container_id: str, data: bytes) -> None:
        self._machine.echo(container_id, data)


async def _show(output: OutputListener, remote: Remote) -> None:
    async for stream, data in output:
        await remote.write(stream, data)
