"""This module is the state machine of sandboxes and containers: two tables; nothing else says what may follow what.

    container:  CREATED ──start──▶ RUNNING ──exit──▶ EXITED        sandbox:  READY ──stop──▶ NOTREADY
                   └──fail to start──────────────────▲

Removal is possible from every state and leads out of the table. While a call works on a container its *phase* says so,
as containerd's `Starting` and `Removing` flags do; phases are not written down, since no call survives a restart.
Upstream: internal/cri/store/container/status.go, internal/cri/server/container_start.go, container_remove.go.
"""

from enum import Enum

from runtime_stub.state.records import ContainerState, SandboxState

C = ContainerState
S = SandboxState


class ContainerAction(Enum):
    """What can happen to a container's process."""

    START = "start"
    FAIL_TO_START = "fail to start"
    EXIT = "exit"


class SandboxAction(Enum):
    """What can happen to a sandbox."""

    STOP = "stop"


class Phase(Enum):
    """What a call in progress is doing to a container."""

    STARTING = "starting"
    REMOVING = "removing"


CONTAINER_TRANSITIONS = {
    (C.CREATED, ContainerAction.START): C.RUNNING,
    (C.CREATED, ContainerAction.FAIL_TO_START): C.EXITED,
    (C.RUNNING, ContainerAction.EXIT): C.EXITED,
}
"""A pair that is missing cannot happen."""

SANDBOX_TRANSITIONS = {(S.READY, SandboxAction.STOP): S.NOTREADY}

START_OBSTACLES: dict[ContainerState | Phase, str] = {
    C.RUNNING: "container is in CONTAINER_RUNNING state",
    C.EXITED: "container is in CONTAINER_EXITED state",
    C.UNKNOWN: "container is in CONTAINER_UNKNOWN state",
    Phase.REMOVING: "container is in removing state, can't be started",
    Phase.STARTING: "container is already in starting state",
}
"""Why a container cannot be started, in containerd's words."""

REMOVE_OBSTACLES: dict[ContainerState | Phase, str] = {
    C.RUNNING: "container is still running, to stop first",
    C.UNKNOWN: "container state is unknown, to stop first",
    Phase.STARTING: "container is in starting state, can't be removed",
    Phase.REMOVING: "container is already in removing state",
}
"""Why a container cannot be removed, in containerd's words."""


def next_container_state(state: ContainerState, action: ContainerAction) -> ContainerState:
    """Return the state after an action; an action the table does not know is a bug of the caller (KeyError)."""
    return CONTAINER_TRANSITIONS[(state, action)]


def next_sandbox_state(state: SandboxState, action: SandboxAction) -> SandboxState:
    """Return the state after an action; an action the table does not know is a bug of the caller (KeyError)."""
    return SANDBOX_TRANSITIONS[(state, action)]
