"""The merger of pod sources: each source hands over all the pods it has, and what changed comes out as operations.

Operations of one hand-over come in the order REMOVE, ADD, UPDATE, DELETE, RECONCILE. An edited static pod has another
UID, so it shows as a REMOVE and an ADD. Upstream: pkg/kubelet/config/config.go.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from lightkube.models.core_v1 import Pod

from kubeletsim.base.timing import Clock
from kubeletsim.model.events import Event, EventRecorder, ObjectReference
from kubeletsim.model.pod import (
    CONFIG_SEEN_ANNOTATION,
    CONFIG_SOURCE_ANNOTATION,
    annotations,
    describe,
    full_name,
    metadata,
    pod_name,
    pod_namespace,
    pod_uid,
    with_metadata,
)
from kubeletsim.model.runtime import PodUID

QUEUE_CAPACITY = 50
LOCAL_ANNOTATIONS = (CONFIG_SOURCE_ANNOTATION, CONFIG_SEEN_ANNOTATION)
"""Annotations this kubelet adds itself; a difference in them is none."""

Publish = Callable[[Sequence[Pod]], Awaitable[None]]
"""Takes all the pods a source has now."""


class PodOp(Enum):
    """What happened to pods of a source."""

    REMOVE = "REMOVE"
    """Gone from the source: to be stopped."""
    ADD = "ADD"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    """Still there, with a deletion timestamp: to be stopped within its grace period."""
    RECONCILE = "RECONCILE"
    """Only the status differs from what was there before."""


@dataclass(frozen=True, slots=True)
class PodUpdate:
    """One operation on one or more pods of a source. An ADD without pods says that the source has none."""

    op: PodOp
    pods: tuple[Pod, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Merge:
    """What a hand-over changes: the operations, the pods known from now on, and the pods that were not taken."""

    updates: tuple[PodUpdate, ...]
    pods: Mapping[PodUID, Pod]
    duplicates: tuple[Pod, ...] = ()


def plan_merge(known: Mapping[PodUID, Pod], handed_over: Iterable[Pod], *, source: str, now: float) -> Merge:
    """Compare the pods a source had with those it has now.

    Args:
        known: the source's pods after its last hand-over.
        handed_over: all its pods now; of two with one name and namespace, or one UID, the first counts.
        source: the source's name; it is noted on each pod.
        now: Unix seconds; noted on pods that are new.
    """
    pods: dict[PodUID, Pod] = {}
    names: set[str] = set()
    duplicates: list[Pod] = []
    changed: dict[PodOp, list[Pod]] = {op: [] for op in PodOp}
    for pod in handed_over:
        uid = pod_uid(pod)
        if uid in pods or full_name(pod) in names:
            duplicates.append(pod)
            continue
        names.add(full_name(pod))
        old = known.get(uid)
        seen = annotations(old).get(CONFIG_SEEN_ANNOTATION, "") if old is not None else _timestamp(now)
        merged = _with_annotations(pod, {CONFIG_SOURCE_ANNOTATION: source, CONFIG_SEEN_ANNOTATION: seen})
        op = PodOp.ADD if old is None else _difference(old, merged)
        pods[uid] = old if old is not None and op is None else merged
        if op is not None:
            changed[op].append(merged)
    changed[PodOp.REMOVE] = [pod for uid, pod in known.items() if uid not in pods]
    updates = tuple(PodUpdate(op, tuple(changed[op]), source) for op in PodOp if changed[op])
    return Merge(updates, pods, tuple(duplicates))


class PodConfig:
    """All pods this node is to run, whichever source they come from.

    The sync loop takes from `updates` and calls `handled` once it has passed an update on to the workers. Only then
    does the update's source count as seen: were it earlier, a clean-up could take a pod that is still in the queue for
    one that nobody wants.
    """

    def __init__(self, sources: Collection[str], *, clock: Clock, record: EventRecorder) -> None:
        self.updates: asyncio.Queue[PodUpdate] = asyncio.Queue(QUEUE_CAPACITY)
        self._clock = clock
        self._record = record
        self._pods: dict[str, Mapping[PodUID, Pod]] = {}
        self._sources = frozenset(sources)
        self._handled: set[str] = set()
        self._complained: set[tuple[str, str]] = set()
        # One hand-over's updates stay together and in order, however many sources there are.
        self._lock = asyncio.Lock()

    def publisher(self, source: str) -> Publish:
        """Return the callable through which a source hands over all the pods it has."""

        async def publish(pods: Sequence[Pod]) -> None:
            await self.set_pods(source, pods)

        return publish

    async def set_pods(self, source: str, pods: Sequence[Pod]) -> None:
        """Take all the pods a source has now; waits while the sync loop is behind.

        Raises:
            ValueError: the source was not named at construction.
        """
        if source not in self._sources:
            raise ValueError(f"unknown pod source {source!r}; known are {', '.join(sorted(self._sources))}")
        async with self._lock:
            first = source not in self._pods
            merge = plan_merge(self._pods.get(source, {}), pods, source=source, now=self._clock.now())
            self._pods[source] = merge.pods
            self._complain(merge.duplicates, source)
            updates = merge.updates
            if first and not updates:
                updates = (PodUpdate(PodOp.ADD, (), source),)
            for update in updates:
                await self.updates.put(update)

    def handled(self, update: PodUpdate) -> None:
        """Note that the sync loop has dispatched an update."""
        self._handled.add(update.source)

    def sources_ready(self) -> bool:
        """Tell whether every source has reported and its first report was dispatched; deletions wait for that."""
        return self._handled >= self._sources

    def pods(self) -> list[Pod]:
        """Return every pod of every source, as handed over last."""
        return [pod for pods in self._pods.values() for pod in pods.values()]

    def _complain(self, duplicates: Sequence[Pod], source: str) -> None:
        """Record an event for each pod that was not taken; once, not at each hand-over."""
        keys = {(source, pod_uid(pod)): pod for pod in duplicates}
        for key, pod in keys.items():
            if key not in self._complained:
                self._record(_duplicate_event(pod, source))
        self._complained = {key for key in self._complained if key[0] != source} | set(keys)


def _difference(old: Pod, new: Pod) -> PodOp | None:
    """Return what a pod that was known before needs; None when it is the same (checkAndUpdatePod upstream)."""
    ours, theirs = metadata(old), metadata(new)
    same = (
        old.spec == new.spec
        and (ours.labels or {}) == (theirs.labels or {})
        and ours.deletionTimestamp == theirs.deletionTimestamp
        and ours.deletionGracePeriodSeconds == theirs.deletionGracePeriodSeconds
        and _foreign_annotations(old) == _foreign_annotations(new)
    )
    if same:
        return PodOp.RECONCILE if old.status != new.status else None
    return PodOp.DELETE if theirs.deletionTimestamp is not None else PodOp.UPDATE


def _foreign_annotations(pod: Pod) -> dict[str, str]:
    return {key: value for key, value in annotations(pod).items() if key not in LOCAL_ANNOTATIONS}


def _with_annotations(pod: Pod, added: Mapping[str, str]) -> Pod:
    # The spec and status stay shared with the source's own pod: nobody changes either in place.
    return with_metadata(pod, annotations={**annotations(pod), **added})


def _timestamp(now: float) -> str:
    """Return Unix seconds as RFC 3339 with nine fractional digits."""
    seconds = int(now)
    nanos = int((now - seconds) * 1e9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"


def _duplicate_event(pod: Pod, source: str) -> Event:
    name = pod_name(pod)
    return Event(
        regarding=ObjectReference(kind="Pod", name=name, namespace=pod_namespace(pod), uid=pod_uid(pod)),
        type="Warning",
        reason="FailedValidation",
        message=f'Error validating pod {describe(pod)} from {source} due to duplicate pod name "{name}", ignoring',
    )
