"""This module is what simulated containers and sandboxes use at this moment, for statistics and metrics alike."""

from runtime_stub.behaviour.usage import Load, Usage, usage_of
from runtime_stub.machine import Machine
from runtime_stub.shell.entrypoint import is_tool, only_sleeps
from runtime_stub.state.records import Container, Sandbox


def container_usage(machine: Machine, container: Container) -> Usage:
    """Return what a container uses; what only sleeps uses next to nothing."""
    age = max(0, machine.now() - container.started_at) / 1e9
    limit = container.resources.memory_limit_in_bytes
    return usage_of(container.id, age_seconds=age, load=_load(machine, container), limit_bytes=limit)


def sandbox_usage(machine: Machine, sandbox: Sandbox) -> Usage:
    """Return what a sandbox's own process uses, without its containers'."""
    return usage_of(sandbox.id, age_seconds=(machine.now() - sandbox.created_at) / 1e9, load=Load.SLEEP)


def _load(machine: Machine, container: Container) -> Load:
    config = container.config
    if only_sleeps([*config.command, *config.args]):
        return Load.SLEEP
    return Load.TOOL if is_tool(machine.argv_of(container)) else Load.SERVER
