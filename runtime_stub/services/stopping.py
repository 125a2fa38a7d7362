"""This module is the stopping and removing of containers, as several RPCs do it: what they lend to the plan.

Whether a container runs, whether it was signalled, how it ends: all that is asked when the plan comes to it, since it
may change while the call waits.
"""

import signal

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.plan import Scalar
from runtime_stub.machine import Machine
from runtime_stub.services.scene import Scene
from runtime_stub.state.records import Container, ContainerState
from runtime_stub.state.subjects import container_key


def container_facts(container: Container) -> dict[str, Scalar]:
    """Return what attributes say about a container."""
    return {
        "id": container.id,
        "sandbox_id": container.sandbox_id,
        "pid": container.pid,
        "image": container.image_name,
        "metadata": _metadata(container.config),
    }


def _metadata(config: pb.ContainerConfig) -> str:
    """Return a container's name and attempt as containerd's log prints them."""
    attempt = f"  attempt:{config.metadata.attempt}" if config.metadata.attempt else ""
    return f'name:"{config.metadata.name}"{attempt}'


def is_running(machine: Machine, id_: str) -> bool:
    """Tell whether a container runs at this moment."""
    container = machine.world.get_container(id_)
    return container is not None and container.state is ContainerState.RUNNING


def stopping_scene(machine: Machine, container: Container, *, timeout_seconds: float) -> Scene:
    """Return the scene of a container being stopped: its stop signal, grace, SIGKILL; SIGKILL at once without grace."""
    id_ = container.id

    def terminate() -> None:
        machine.signalled.add(id_)
        machine.signal(id_, stop_signal(container.config))

    async def await_grace() -> None:
        await machine.processes.exited(id_, timeout_seconds=timeout_seconds)

    async def await_exit() -> None:
        await machine.processes.exited(id_)

    asked = signal.strsignal(stop_signal(container.config)) or ""
    return Scene(
        subject=container_key(machine.world, container),
        facts={
            **container_facts(container),
            "timeout": int(timeout_seconds),
            "signal": asked.lower(),
            "state": container.state.name,
        },
        conditions={
            "running": lambda: is_running(machine, id_),
            "ended": lambda: not is_running(machine, id_),
            "graceful": lambda: timeout_seconds > 0,
            "unsignalled": lambda: id_ not in machine.signalled,
        },
        steps={
            "terminate": terminate,
            "await grace": await_grace,
            "kill": lambda: machine.signal(id_, signal.SIGKILL),
            "await exit": await_exit,
        },
    )


def removal_scene(machine: Machine, container: Container) -> Scene:
    """Return the scene of a container being removed: killed if it runs, claimed, forgotten."""
    scene = stopping_scene(machine, container, timeout_seconds=0)
    claimed: list[str] = []

    def claim() -> None:
        machine.world.begin_removal(container.id)
        claimed.append(container.id)

    def commit() -> None:
        claimed.clear()
        machine.apply(machine.world.finish_removal(container.id))

    def clean_up() -> None:
        for id_ in claimed:
            machine.world.cancel_removal(id_)

    scene.steps = {**scene.steps, "claim": claim, "commit": commit}
    scene.clean_up = clean_up
    return scene


def stop_signal(config: pb.ContainerConfig) -> int:
    """Return the signal that asks a container to end: the configured one, or SIGTERM."""
    name = pb.Signal.Name(config.stop_signal) if config.stop_signal in pb.Signal.values() else ""
    return int(getattr(signal, name, signal.SIGTERM))
