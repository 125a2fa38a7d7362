"""Claims about trimming: the newest dead instances stay, what runs is not touched, a failure does not stop the rest."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.models.core_v1 import Pod

from kubeletsim.model.errors import CRIError
from kubeletsim.model.runtime import ContainerID, ContainerState
from kubeletsim.pods.container_deletor import QUEUE_CAPACITY, ContainerDeletor, containers_to_delete
from tests.fakes.pods import make_pod, observed, status
from tests.strategies import observed_pods, pods

EXITED = ContainerState.EXITED
POD = make_pod({"name": "a", "image": "x"}, {"name": "b", "image": "x"})


def dead(name: str, *attempts: int) -> list[object]:
    return [status(POD, name, EXITED, attempt=attempt) for attempt in attempts]


SEEN = observed(*dead("a", 3, 2, 1), *dead("b", 2, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("exited", "keep", "deleted"),
    [
        ("a-3", 1, ["a-2", "a-1"]),
        ("a-3", 2, ["a-1"]),
        ("a-3", 5, []),
        ("b-2", 1, ["b-1"]),
        ("sandbox-0", 1, []),
        (None, 0, ["a-3", "a-2", "b-2", "a-1", "b-1"]),
    ],
)
def test_all_but_the_newest_of_the_name_are_deleted(exited: str | None, keep: int, deleted: list[str]) -> None:
    assert containers_to_delete(SEEN, exited_id=exited, keep=keep) == deleted


@given(pods(), st.data(), st.integers(0, 2))
def test_only_what_has_ended_is_deleted_and_what_stays_is_newer(pod: Pod, data: st.DataObject, keep: int) -> None:
    seen = data.draw(observed_pods(pod))
    by_id = {one.id: one for one in seen.containers}

    for one in seen.containers:
        gone = [by_id[id_] for id_ in containers_to_delete(seen, exited_id=one.id, keep=keep)]
        stay = [other for other in seen.containers if other.name == one.name and other not in gone]
        dead_ones = [other for other in stay if other.state is EXITED]
        assert all(other.name == one.name and other.state is EXITED for other in gone)
        assert len(dead_ones) == min(keep, len(gone) + len(dead_ones))
        assert all(kept.created_at >= other.created_at for kept in dead_ones for other in gone)


def test_an_instance_that_is_about_to_start_does_not_cost_the_last_one_that_ended_its_place() -> None:
    seen = observed(status(POD, "a", ContainerState.CREATED, attempt=2), status(POD, "a", EXITED, attempt=1))

    assert containers_to_delete(seen, exited_id="a-1", keep=1) == []


class Removals:
    """Removes nothing, but remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[ContainerID] = []
        self.broken: set[str] = set()

    async def remove(self, container_id: ContainerID) -> None:
        await asyncio.sleep(1)
        self.asked.append(container_id)
        if container_id in self.broken:
            raise CRIError("busy")


@pytest.mark.looptime
async def test_deletions_are_made_one_by_one_and_a_failed_one_is_left_to_garbage_collection() -> None:
    removals = Removals()
    removals.broken.add("a-2")
    deletor = ContainerDeletor(removals.remove, max_per_pod_container=0)
    task = asyncio.create_task(deletor.run())

    deletor.delete_dead(SEEN, exited_id="a-3")
    await asyncio.sleep(1.5)
    assert removals.asked == ["a-2"]
    await asyncio.sleep(1)

    assert removals.asked == ["a-2", "a-1"]  # one is kept although the limit is none
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.looptime
async def test_a_pod_of_which_nothing_may_stay_loses_every_dead_container() -> None:
    removals = Removals()
    deletor = ContainerDeletor(removals.remove, max_per_pod_container=3)
    task = asyncio.create_task(deletor.run())

    deletor.delete_all(SEEN)
    await asyncio.sleep(10)

    assert len(removals.asked) == 5
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_requests_beyond_the_queue_are_dropped() -> None:
    deletor = ContainerDeletor(Removals().remove, max_per_pod_container=1)

    for _ in range(QUEUE_CAPACITY):
        deletor.delete_all(SEEN)

    assert deletor._queue.qsize() == QUEUE_CAPACITY
