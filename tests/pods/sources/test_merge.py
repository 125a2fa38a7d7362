"""Merging what the sources hand over."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.models.core_v1 import Pod, PodStatus

from kubeletsim.model.events import Event
from kubeletsim.model.pod import annotations, describe, pod_uid, with_metadata
from kubeletsim.pods.sources import PodConfig, PodOp, PodUpdate
from kubeletsim.pods.sources.merge import Merge, plan_merge
from tests.fakes.pods import container, make_pod

ORDER = list(PodOp)
DELETED_AT = datetime(2026, 1, 1, tzinfo=UTC)


class FrozenClock:
    """A clock that stands still."""

    def now(self) -> float:
        return 1_700_000_000.25

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Node:
    """A merger and what it recorded."""

    events: list[Event] = field(default_factory=list)
    config: Any = None

    def __post_init__(self) -> None:
        self.config = PodConfig(["file", "http"], clock=FrozenClock(), record=self.events.append)

    def take(self) -> list[PodUpdate]:
        updates = []
        while not self.config.updates.empty():
            updates.append(self.config.updates.get_nowait())
        return updates


def variant(number: int, *, edit: int = 0, deleted: bool = False, phase: str = "Pending") -> Pod:
    pod = make_pod(container("app", image=f"web:{edit}"), name=f"web-{number}", uid=f"u{number}", source="")
    pod.status = PodStatus(phase=phase)
    return with_metadata(pod, deletionTimestamp=DELETED_AT) if deleted else pod


def handed_over() -> st.SearchStrategy[list[Pod]]:
    one = st.builds(
        variant,
        st.integers(1, 5),
        edit=st.integers(0, 1),
        deleted=st.booleans(),
        phase=st.sampled_from(["Pending", "Running"]),
    )
    return st.lists(one, max_size=6)


def merge(known: Merge | None, pods: list[Pod]) -> Merge:
    return plan_merge(known.pods if known else {}, pods, source="file", now=1.0)


def content(pod: Pod) -> tuple[Any, ...]:
    return pod_uid(pod), pod.spec, pod.metadata.deletionTimestamp, pod.status


@given(handed_over(), handed_over())
def test_applying_the_operations_to_the_old_pods_gives_the_new_ones(before, after):
    old = merge(None, before)
    new = merge(old, after)
    pods = dict(old.pods)
    for update in new.updates:
        for pod in update.pods:
            if update.op is PodOp.REMOVE:
                del pods[pod_uid(pod)]
            else:
                pods[pod_uid(pod)] = pod

    first = {pod_uid(pod): pod for pod in reversed(after)}
    assert {uid: content(pod) for uid, pod in pods.items()} == {uid: content(pod) for uid, pod in first.items()}
    assert pods == new.pods


@given(handed_over(), handed_over())
def test_operations_come_in_order_and_no_pod_in_two(before, after):
    updates = merge(merge(None, before), after).updates

    assert [update.op for update in updates] == sorted((update.op for update in updates), key=ORDER.index)
    assert all(update.pods for update in updates)
    named = [pod_uid(pod) for update in updates for pod in update.pods]
    assert len(named) == len(set(named))


@given(handed_over())
def test_handing_over_the_same_again_changes_nothing(pods):
    once = merge(None, pods)
    again = merge(once, pods)

    assert again.updates == ()
    assert all(again.pods[uid] is pod for uid, pod in once.pods.items())


@pytest.mark.parametrize(
    ("old", "new", "op"),
    [
        (variant(1), variant(1, edit=1), PodOp.UPDATE),
        (variant(1), variant(1, deleted=True), PodOp.DELETE),
        (variant(1), variant(1, phase="Running"), PodOp.RECONCILE),
        (variant(1), variant(2), None),
    ],
)
def test_what_changed_decides_the_operation(old, new, op):
    updates = merge(merge(None, [old]), [new]).updates

    assert [update.op for update in updates] == ([op] if op else [PodOp.REMOVE, PodOp.ADD])


def test_a_pod_carries_its_source_and_when_it_was_first_seen():
    first = plan_merge({}, [variant(1)], source="file", now=1_700_000_000.25)
    later = plan_merge(first.pods, [variant(1, edit=1)], source="file", now=1_800_000_000.0)
    (pod,) = later.updates[0].pods

    assert annotations(pod)["kubernetes.io/config.source"] == "file"
    assert annotations(pod)["kubernetes.io/config.seen"] == "2023-11-14T22:13:20.250000000Z"


def test_the_later_of_two_pods_with_one_name_is_not_taken():
    twin = with_metadata(variant(1), uid="other")
    made = merge(None, [variant(1), twin])

    assert list(made.pods) == ["u1"]
    assert made.duplicates == (twin,)


async def test_a_pod_that_is_not_taken_is_told_of_once_until_it_is_gone():
    node = Node()
    twin = with_metadata(variant(1), uid="other")
    for pods in ([variant(1), twin], [variant(1), twin], [variant(1)], [variant(1), twin]):
        await node.config.set_pods("file", pods)

    assert [event.reason for event in node.events] == ["FailedValidation", "FailedValidation"]
    assert node.events[0].message == (
        f'Error validating pod {describe(twin)} from file due to duplicate pod name "web-1", ignoring'
    )
    assert node.events[0].regarding.uid == "other"


async def test_a_source_that_starts_empty_says_so_once():
    node = Node()
    await node.config.set_pods("file", [])
    await node.config.set_pods("file", [])

    assert node.take() == [PodUpdate(PodOp.ADD, (), "file")]


async def test_sources_are_ready_when_the_first_update_of_each_was_handled():
    node = Node()
    await node.config.set_pods("file", [variant(1)])
    await node.config.set_pods("http", [])
    first, second = node.take()

    assert not node.config.sources_ready()
    node.config.handled(first)
    assert not node.config.sources_ready()
    node.config.handled(second)
    assert node.config.sources_ready()


def test_a_node_without_sources_is_ready_at_once():
    assert PodConfig([], clock=FrozenClock(), record=lambda event: None).sources_ready()


async def test_sources_do_not_remove_each_others_pods():
    node = Node()
    await node.config.publisher("file")([variant(1)])
    await node.config.publisher("http")([variant(2)])
    await node.config.publisher("http")([])

    assert [(update.op, update.source) for update in node.take()] == [
        (PodOp.ADD, "file"),
        (PodOp.ADD, "http"),
        (PodOp.REMOVE, "http"),
    ]
    assert [pod_uid(pod) for pod in node.config.pods()] == ["u1"]


async def test_a_source_nobody_named_is_a_mistake():
    with pytest.raises(ValueError, match="unknown pod source 'api'; known are file, http"):
        await Node().config.set_pods("api", [])


@pytest.mark.looptime
async def test_hand_overs_wait_for_a_slow_reader_and_stay_in_order():
    node = Node()
    rng = random.Random(5)

    async def hand_over() -> None:
        for number in range(200):
            await node.config.set_pods("file", [variant(1, edit=number)])

    async def read() -> list[str]:
        images = []
        while len(images) < 200:
            update = await node.config.updates.get()
            images.append(update.pods[0].spec.containers[0].image)
            await asyncio.sleep(rng.random())
        return images

    async with asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(read())
        tasks.create_task(hand_over())

    assert reader.result() == [f"web:{number}" for number in range(200)]
