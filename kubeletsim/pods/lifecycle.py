"""The lifecycle of a pod worker: four states, the table that joins them, and the rules about time that go with them.

    SYNCING ──KILL──▶ TERMINATING ──STOPPED──▶ TERMINATED ──CLEANED──▶ FINISHED

A pod enters at the left and never goes back: a pod that comes again with the same UID gets a new worker once the old
one has finished. In SYNCING the worker brings the runtime to what the spec says; in TERMINATING it stops containers
until none runs; in TERMINATED it cleans up what the pod leaves on the node; a FINISHED worker only remembers that the
pod must not start again, until the configuration has dropped it.

Everything here is pure. Upstream: pkg/kubelet/pod_workers.go, with the same states as predicates over timestamps.
"""

import random
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from lightkube.models.core_v1 import Pod

from kubeletsim.model.errors import KubeletSimError, SyncError
from kubeletsim.model.pod import metadata, spec

REQUEUE_AFTER_ERROR_SECONDS = 10.0
REQUEUE_AFTER_NETWORK_ERROR_SECONDS = 1.0
REQUEUE_JITTER = 0.5
"""Every requeue delay is stretched by a random factor in [1, 1.5]."""

RUNTIME_POD_GRACE_SECONDS = 1
"""Pods of which only the runtime knows get this long to stop."""


class WorkerState(Enum):
    """What a pod's worker is doing."""

    SYNCING = "sync"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    FINISHED = "finished"


class WorkerEvent(Enum):
    """What moves a worker."""

    UPDATE = "update"
    """The configuration, the PLEG or the work queue wants the pod looked at."""
    KILL = "kill"
    """The pod has to go: deleted, removed from its source, evicted, in a terminal phase, or unknown to any source."""
    STOPPED = "stopped"
    """No container of the pod runs any more."""
    CLEANED = "cleaned"
    """Nothing of the pod is left to clean up on the node."""


_S, _E = WorkerState, WorkerEvent

TRANSITIONS: Mapping[tuple[WorkerState, WorkerEvent], WorkerState] = MappingProxyType(
    {
        (_S.SYNCING, _E.UPDATE): _S.SYNCING,
        (_S.SYNCING, _E.KILL): _S.TERMINATING,
        (_S.TERMINATING, _E.UPDATE): _S.TERMINATING,
        (_S.TERMINATING, _E.KILL): _S.TERMINATING,  # a second kill may shorten the grace period
        (_S.TERMINATING, _E.STOPPED): _S.TERMINATED,
        (_S.TERMINATED, _E.UPDATE): _S.TERMINATED,
        (_S.TERMINATED, _E.KILL): _S.TERMINATED,
        (_S.TERMINATED, _E.CLEANED): _S.FINISHED,
        (_S.FINISHED, _E.UPDATE): _S.FINISHED,
        (_S.FINISHED, _E.KILL): _S.FINISHED,
    }
)


def advance(state: WorkerState, event: WorkerEvent) -> WorkerState:
    """Return the state after an event.

    Raises:
        ValueError: the event cannot happen in that state; a bug in the caller.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ValueError(f"{event.name} cannot happen to a pod worker in {state.name}") from None


def effective_grace_seconds(pod: Pod | None, *, current: int | None, override: int | None) -> int:
    """Return the grace period of a termination: it can only shrink, and is at least one second.

    Args:
        pod: whose own wishes count; None when only the runtime knows the pod.
        current: what was decided before; None for a termination that begins.
        override: what the kill asks for, such as an eviction; None when it asks for nothing.
    """
    deletion = metadata(pod).deletionGracePeriodSeconds if pod is not None else None
    limits = [limit for limit in (current, deletion, override) if limit is not None]
    if limits:
        return max(1, min(limits))
    wanted = spec(pod).terminationGracePeriodSeconds if pod is not None else RUNTIME_POD_GRACE_SECONDS
    return max(1, wanted or 0)


class NetworkNotReady(KubeletSimError):
    """The runtime's network is down and the pod needs it; the pod is tried again soon."""


def requeue_seconds(
    error: Exception | None, *, phase_transition: bool, sync_frequency_seconds: float, now: float, rng: random.Random
) -> float:
    """Return in how many seconds the work queue brings a pod back after a run of its worker.

    A run that was held back by a backoff comes back when the earliest of them ends; waiting for a minute to find that
    out would make a crash loop slower than its backoff. Upstream: completeWork, MinBackoffExpiration.

    Args:
        error: what the run failed with, None for success.
        phase_transition: the run moved the worker to another state, whose work is due at once.
        sync_frequency_seconds: KubeletConfiguration syncFrequency; also the longest wait after an error.
        now: Unix seconds.
        rng: where the jitter comes from.
    """
    if phase_transition:
        return 0.0
    match error:
        case None:
            delay = sync_frequency_seconds
        case NetworkNotReady():
            delay = REQUEUE_AFTER_NETWORK_ERROR_SECONDS
        case _:
            ends = _backoff_ends(error)
            delay = REQUEUE_AFTER_ERROR_SECONDS if ends is None else ends - now
            delay = min(max(delay, 0.0), sync_frequency_seconds)
    return delay * (1 + REQUEUE_JITTER * rng.random())


def jitter_of(full_name: str, *, seed: str, node_name: str) -> random.Random:
    """Return what a pod's jitter is drawn from: the same for a pod of the same manifest, whatever its node is called.

    Args:
        full_name: `name_namespace`; a static pod's name ends with the node's.
        seed: the node's; nodes that shall not beat in time need different ones.
        node_name: the node's name.
    """
    manifest_name = full_name.replace(f"-{node_name}_", "_", 1)
    return random.Random(f"{seed}/{manifest_name}")


def _backoff_ends(error: Exception) -> float | None:
    """Return when the earliest backoff of a sync ends, whatever else failed; None when nothing was held back."""
    failures = error.failures if isinstance(error, SyncError) else ()
    return min((failure.backoff_until for failure in failures if failure.backoff_until is not None), default=None)
