"""This module is what simulated containers and sandboxes use at this moment, for statistics and metrics alike."""

from runtime_stub.behaviour.usage import Usage, usage_of
from runtime_stub.machine import Machine
from runtime_stub.shell.entrypoint import only_sleeps
from runtime_stub.state.records import Container, Sandbox


def container_usage(machine: Machine, container: Container) -> Usage:
    """Return what a container uses; what only sleeps uses next to nothing."""
    age = max(0, machine.now() - container.started_at) / 1e9
    config = container.config
    return usage_of(container.id, age_seconds=age, idle=only_sleeps([*config.command, *config.args]))


def sandbox_usage(machine: Machine, sandbox: Sandbox) -> Usage:
    """Return what a sandbox's own process uses, without its containers'."""
    return usage_of(sandbox.id, age_seconds=(machine.now() - sandbox.created_at) / 1e9, idle=True)
