"""This module is the state of the simulated machine: every sandbox and container, and the only place they change.

A call that takes time has a beginning and an end: `reserve_…`, `begin_…` claim what nobody else may touch meanwhile,
`add_…`, `finish_…` make the effect visible, `release_…`, `cancel_…` undo the claim when the call failed. Nothing here
waits; every method returns at once with a `Change` that tells what is to be written down and whom to tell.
"""

from collections.abc import Iterable
from dataclasses import replace

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.state.identifiers import LookupFailure, Shelf
from runtime_stub.state.names import NameReserved, Names, container_name, sandbox_name
from runtime_stub.state.records import (
    Change,
    Container,
    ContainerState,
    Event,
    EventType,
    Sandbox,
    SandboxState,
    exit_reason,
)
from runtime_stub.state.refusals import NOT_FOUND, Reason, Refusal, lookup_refusal
from runtime_stub.state.transitions import (
    REMOVE_OBSTACLES,
    START_OBSTACLES,
    ContainerAction,
    Phase,
    SandboxAction,
    next_container_state,
    next_sandbox_state,
)

START_FAILED_EXIT_CODE = 128
"""Exit code of a container whose process never came to life (containerd's errorStartExitCode)."""


OCI_STATES = {
    ContainerState.CREATED: "created",
    ContainerState.RUNNING: "running",
    ContainerState.EXITED: "stopped",
    ContainerState.UNKNOWN: "unknown",
}
"""A container's state as OCI runtimes call it."""


class World:
    """Sandboxes and containers."""

    def __init__(self) -> None:
        self._sandboxes: Shelf[Sandbox] = Shelf()
        self._containers: Shelf[Container] = Shelf()
        self._members: dict[str, dict[str, None]] = {}  # container ids by sandbox id, oldest first
        self._sandbox_names = Names()
        self._container_names = Names()
        self._phases: dict[str, Phase] = {}

    # Looking

    @property
    def sandbox_count(self) -> int:
        """How many sandboxes there are."""
        return len(self._sandboxes)

    @property
    def container_count(self) -> int:
        """How many containers there are."""
        return len(self._containers)

    def sandboxes(self) -> list[Sandbox]:
        """Return every sandbox, oldest first."""
        return self._sandboxes.values()

    def containers(self) -> list[Container]:
        """Return every container, oldest first."""
        return self._containers.values()

    def containers_of(self, sandbox_id: str) -> list[Container]:
        """Return the containers of a sandbox, oldest first."""
        return [self._containers[id_] for id_ in self._members.get(sandbox_id, ())]

    def count_of(self, sandbox_id: str) -> int:
        """Return how many containers a sandbox has."""
        return len(self._members.get(sandbox_id, ()))

    def find_sandbox(self, id_: str, *, reason: Reason = Reason.SANDBOX_NOT_FOUND) -> Sandbox:
        """Return a sandbox by its id or a unique beginning of it; refuse for `reason` otherwise."""
        try:
            return self._sandboxes.resolve(id_)
        except LookupFailure as failure:
            unusable = Reason.SANDBOX_ID_UNUSABLE
            raise lookup_refusal(reason, unusable=unusable, id_=id_, cause=str(failure)) from None

    def find_container(self, id_: str, *, reason: Reason = Reason.CONTAINER_NOT_FOUND) -> Container:
        """Return a container by its id or a unique beginning of it; refuse for `reason` otherwise."""
        try:
            return self._containers.resolve(id_)
        except LookupFailure as failure:
            unusable = Reason.CONTAINER_ID_UNUSABLE
            raise lookup_refusal(reason, unusable=unusable, id_=id_, cause=str(failure)) from None

    def get_sandbox(self, id_: str) -> Sandbox | None:
        """Return a sandbox by its whole id; None when it is gone."""
        return self._sandboxes.get(id_)

    def get_container(self, id_: str) -> Container | None:
        """Return a container by its whole id; None when it is gone."""
        return self._containers.get(id_)

    def restore(self, sandboxes: Iterable[Sandbox], containers: Iterable[Container]) -> None:
        """Take in what an earlier run wrote down; a container without its sandbox is left out."""
        for sandbox in sandboxes:
            self._sandbox_names.reserve(sandbox_name(sandbox.config.metadata), sandbox.id)
            self._put_sandbox(sandbox)
        for container in containers:
            if (owner := self._sandboxes.get(container.sandbox_id)) is not None:
                name = container_name(container.config.metadata, owner.config.metadata)
                self._container_names.reserve(name, container.id)
                self._put_container(container)

    # Sandboxes

    def reserve_sandbox(self, id_: str, config: pb.PodSandboxConfig) -> str:
        """Claim the name of a sandbox about to be made, and return it."""
        if not config.HasField("metadata"):
            raise Refusal(Reason.SANDBOX_METADATA_MISSING)
        name = sandbox_name(config.metadata)
        try:
            self._sandbox_names.reserve(name, id_)
        except NameReserved as reserved:
            raise Refusal(Reason.SANDBOX_NAME_RESERVED, name=name, id=id_, holder=reserved.holder) from None
        return name

    def release_sandbox(self, id_: str) -> None:
        """Give up a sandbox that could not be made."""
        self._sandbox_names.release(id_)

    def add_sandbox(self, sandbox: Sandbox) -> Change:
        """Make a reserved sandbox visible, ready."""
        self._put_sandbox(sandbox)
        events = (_event(EventType.CREATED, sandbox.id, sandbox), _event(EventType.STARTED, sandbox.id, sandbox))
        return Change(saved=(sandbox,), events=events)

    def stop_sandbox(self, id_: str) -> Change:
        """Note that a sandbox's own process ended; no change when it had, or when the sandbox is gone."""
        sandbox = self._sandboxes.get(id_)
        if sandbox is None or sandbox.state is not SandboxState.READY:
            return Change()
        sandbox = replace(sandbox, state=next_sandbox_state(sandbox.state, SandboxAction.STOP), pid=0)
        self._put_sandbox(sandbox)
        return Change(saved=(sandbox,), events=(_event(EventType.STOPPED, id_, sandbox),))

    def release_network(self, id_: str) -> Change:
        """Take a sandbox's addresses away; no change when it has none, or is gone."""
        sandbox = self._sandboxes.get(id_)
        if sandbox is None or not sandbox.ips:
            return Change()
        sandbox = replace(sandbox, ips=())
        self._put_sandbox(sandbox)
        return Change(saved=(sandbox,))

    def remove_sandbox(self, id_: str) -> Change:
        """Forget a sandbox whose containers are gone, and free its name; no change when it is gone already."""
        sandbox = self._sandboxes.get(id_)
        if sandbox is None:
            return Change()
        del self._sandboxes[id_]
        self._members.pop(id_, None)
        self._sandbox_names.release(id_)
        return Change(removed=(sandbox,), events=(_event(EventType.DELETED, id_, sandbox),))

    # Containers

    def reserve_container(self, id_: str, sandbox: Sandbox, config: pb.ContainerConfig) -> str:
        """Claim the name of a container about to be made, and return it."""
        if not config.HasField("metadata"):
            raise Refusal(Reason.CONTAINER_METADATA_MISSING)
        name = container_name(config.metadata, sandbox.config.metadata)
        try:
            self._container_names.reserve(name, id_)
        except NameReserved as reserved:
            raise Refusal(Reason.CONTAINER_NAME_RESERVED, name=name, id=id_, holder=reserved.holder) from None
        return name

    def release_container(self, id_: str) -> None:
        """Give up a container that could not be made."""
        self._container_names.release(id_)

    def add_container(self, container: Container) -> Change:
        """Make a reserved container visible, created; refused when its sandbox went away meanwhile."""
        sandbox = self._sandboxes.get(container.sandbox_id)
        if sandbox is None:
            reason = Reason.SANDBOX_OF_CONTAINER_NOT_FOUND
            raise Refusal(reason, id=container.sandbox_id, cause=NOT_FOUND)
        self._put_container(container)
        return Change(saved=(container,), events=(_event(EventType.CREATED, container.id, sandbox),))

    def begin_start(self, id_: str) -> Container:
        """Claim a created container for being started."""
        container = self._containers[id_]
        if obstacle := self._obstacle(container, START_OBSTACLES):
            raise Refusal(Reason.NOT_STARTABLE, id=id_, cause=obstacle, state=OCI_STATES[container.state])
        self._phases[id_] = Phase.STARTING
        return container

    def finish_start(self, id_: str, *, at: int, pid: int) -> Change:
        """Note that the process of a claimed container runs since `at`."""
        self._phases.pop(id_, None)
        container = self._containers[id_]
        state = next_container_state(container.state, ContainerAction.START)
        return self._update(replace(container, state=state, started_at=at, pid=pid), EventType.STARTED)

    def fail_start(self, id_: str, *, at: int, message: str) -> Change:
        """Note that a claimed container could not be started: exited 128 / StartError, without an event."""
        self._phases.pop(id_, None)
        container = self._containers[id_]
        state = next_container_state(container.state, ContainerAction.FAIL_TO_START)
        code, reason = START_FAILED_EXIT_CODE, "StartError"
        failed = replace(container, state=state, finished_at=at, exit_code=code, reason=reason, message=message)
        return self._update(failed)

    def exit_container(self, id_: str, *, at: int, exit_code: int, reason: str = "") -> Change:
        """Note that a running container's process ended; no change when the container is gone."""
        container = self._containers.get(id_)
        if container is None:
            return Change()
        state = next_container_state(container.state, ContainerAction.EXIT)
        reason = reason or exit_reason(exit_code)
        ended = replace(container, state=state, finished_at=at, exit_code=exit_code, reason=reason, pid=0)
        return self._update(ended, EventType.STOPPED)

    def begin_removal(self, id_: str) -> None:
        """Claim a container that does not run for being removed."""
        if obstacle := self._obstacle(self._containers[id_], REMOVE_OBSTACLES):
            raise Refusal(Reason.NOT_REMOVABLE, id=id_, cause=obstacle)
        self._phases[id_] = Phase.REMOVING

    def cancel_removal(self, id_: str) -> None:
        """Give up the removal of a container."""
        self._phases.pop(id_, None)

    def finish_removal(self, id_: str) -> Change:
        """Forget a claimed container and free its name."""
        container = self._containers[id_]
        del self._containers[id_]
        self._phases.pop(id_, None)
        self._members.get(container.sandbox_id, {}).pop(id_, None)
        self._container_names.release(id_)
        sandbox = self._sandboxes.get(container.sandbox_id)
        events = (_event(EventType.DELETED, id_, sandbox),) if sandbox is not None else ()
        return Change(removed=(container,), events=events)

    def note_progress(self, id_: str, *, steps_done: int) -> Change:
        """Note how far a running container's program has come."""
        container = self._containers.get(id_)
        return Change() if container is None else self._update(replace(container, steps_done=steps_done))

    def update_resources(self, id_: str, resources: pb.LinuxContainerResources) -> Change:
        """Set new limits for a container: each field that is given replaces what was in force."""
        container = self._containers[id_]
        if self._phases.get(id_) is Phase.REMOVING:
            raise Refusal(Reason.NOT_UPDATABLE, id=id_)
        merged = container.resources
        if resources.hugepage_limits:
            merged.ClearField("hugepage_limits")  # merging would append to the list
        merged.MergeFrom(resources)
        return self._update(replace(container, wire_resources=merged.SerializeToString()))

    # Inside

    def _obstacle(self, container: Container, obstacles: dict[ContainerState | Phase, str]) -> str | None:
        phase = self._phases.get(container.id)
        return obstacles.get(container.state) or (obstacles[phase] if phase else None)

    def _update(self, container: Container, event: EventType | None = None) -> Change:
        self._put_container(container)
        sandbox = self._sandboxes.get(container.sandbox_id)
        events = (_event(event, container.id, sandbox),) if event is not None and sandbox is not None else ()
        return Change(saved=(container,), events=events)

    def _put_sandbox(self, sandbox: Sandbox) -> None:
        self._sandboxes[sandbox.id] = sandbox
        self._members.setdefault(sandbox.id, {})

    def _put_container(self, container: Container) -> None:
        self._containers[container.id] = container
        self._members.setdefault(container.sandbox_id, {})[container.id] = None


def _event(type_: EventType, id_: str, sandbox: Sandbox) -> Event:
    return Event(type=type_, container_id=id_, sandbox=sandbox)
