"""What is known of one pod's worker (podSyncStatus in pkg/kubelet/pod_workers.go)."""

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field

from lightkube.models.core_v1 import Pod

from kubeletsim.model.runtime import PodUID, RuntimePod
from kubeletsim.pods.lifecycle import WorkerEvent, WorkerState, advance
from kubeletsim.pods.sync import StatusFn, UpdateType

STORY_LENGTH = 50
"""How many of its last changes a worker remembers, for whoever has to find out what happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """How a pod is to end."""

    grace_seconds: int | None = None
    """Outranks the spec's grace period; None for that."""
    evict: bool = False
    """The node cannot keep the pod; nothing of it may stay."""
    status_fn: StatusFn | None = None
    """What the kill does to the pod's status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerUpdate:
    """What a worker is to do next."""

    update_type: UpdateType
    pod: Pod | None = None
    running_pod: RuntimePod | None = None
    """Set instead of `pod` for a pod that only the runtime knows."""
    asked_at: float
    """When the oldest of the updates that this one stands for came, in monotonic seconds."""


@dataclass(eq=False, slots=True)
class Worker:
    """One pod's worker."""

    uid: PodUID
    full_name: str
    rng: random.Random
    """Chance for the delays of this pod alone."""
    state: WorkerState = WorkerState.SYNCING
    pending: WorkerUpdate | None = None
    """What is to be done next; a newer update takes its place."""
    active: WorkerUpdate | None = None
    """What was worked on last; repeated when the state changes by itself."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once nothing of the pod runs any more."""
    launched: bool = False
    """Its task exists, or will in a moment."""
    started: bool = False
    """It was allowed to begin; a static pod waits for an older one of its name."""
    grace_seconds: int | None = None
    """What the termination was granted last; None while nobody has asked for the pod's end."""
    status_fn: StatusFn | None = None
    deleted: bool = False
    evicted: bool = False
    seen_in_runtime: bool = False
    restart_requested: bool = False
    """The pod was added again while it was ending; it begins anew once it has finished."""
    story: deque[str] = field(default_factory=lambda: deque(maxlen=STORY_LENGTH))

    @property
    def is_going_down(self) -> bool:
        """Whether the pod is to end, or has ended."""
        return self.state is not WorkerState.SYNCING

    @property
    def has_stopped(self) -> bool:
        """Whether nothing of the pod runs any more."""
        return self.state in (WorkerState.TERMINATED, WorkerState.FINISHED)

    @property
    def pod(self) -> Pod | None:
        """The newest spec it was given; None while only the runtime knows the pod."""
        return next((u.pod for u in (self.pending, self.active) if u is not None and u.pod is not None), None)

    def advance(self, event: WorkerEvent) -> None:
        """Move to the state after an event."""
        before, self.state = self.state, advance(self.state, event)
        if before is not self.state:
            self.story.append(f"{event.name}: {before.name} -> {self.state.name}")
        if self.has_stopped:
            self.stopped.set()

    def put(self, update: WorkerUpdate) -> None:
        """Give it something to do in place of what is pending, and wake it; who waits longest is measured."""
        asked_at = update.asked_at if self.pending is None else min(update.asked_at, self.pending.asked_at)
        self.pending = WorkerUpdate(
            update_type=update.update_type, pod=update.pod, running_pod=update.running_pod, asked_at=asked_at
        )
        self.wake.set()

    def repeat(self, *, asked_at: float) -> None:
        """Have it run again with what it had last, unless something else is pending (requeueLastPodUpdate upstream)."""
        if self.pending is None and self.active is not None:
            last = self.active
            self.put(
                WorkerUpdate(
                    update_type=last.update_type, pod=last.pod, running_pod=last.running_pod, asked_at=asked_at
                )
            )

    def abandon(self) -> None:
        """End a worker that never began: nothing of its pod can be anywhere."""
        self.pending = None
        for event in (WorkerEvent.KILL, WorkerEvent.STOPPED, WorkerEvent.CLEANED):
            self.advance(event)
        self.wake.set()
