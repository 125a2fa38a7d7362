"""Log rotation: which files stay, and that no line is lost when the runtime does not follow."""

import asyncio
import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.model.errors import DeadlineExceeded
from kubeletsim.model.runtime import ContainerID
from kubeletsim.upkeep.log_rotation import LogRotation, LogRotationPolicy, make_room, plan_rotation
from tests.fakes.runtime import FakeRuntime

STAMPS = st.integers(0, 999).map(lambda n: f"0.log.20261123-{n:06d}")
NAMES = st.sets(st.one_of(STAMPS, STAMPS.map("{}.gz".format), STAMPS.map("{}.tmp".format)), max_size=12)


def write(log_path: str, text: str) -> Path:
    path = Path(log_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


class WritingRuntime(FakeRuntime):
    """A runtime that opens the log file when it is told to."""

    async def reopen_container_log(self, container_id: ContainerID) -> None:
        await super().reopen_container_log(container_id)
        write(next(c.log_path for c in self.containers() if c.id == container_id), "")


@pytest.fixture
def node(node, recorder):
    node.cri = WritingRuntime(tracer=recorder.tracer("cri"))
    return node


@pytest.fixture
def rotation(node, clock):
    return LogRotation(
        node.cri,
        policy=LogRotationPolicy(max_size_bytes=100, max_files=3),
        wait_ready=asyncio.Event().wait,
        clock=clock,
        rng=random.Random(1),
    )


async def running_container(node, log_of, *, text: str) -> Path:
    container_id = await node.container("web", "app", running=True)
    return write(log_of(node.cri, container_id), text)


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


@given(NAMES, st.integers(2, 6))
def test_at_most_the_allowed_number_of_files_remains_and_they_are_the_newest(rotated, max_files):
    plan = plan_rotation(rotated, max_files=max_files)

    left = set(rotated) - set(plan.delete)
    assert len(left) <= max_files - 2
    assert not any(name.endswith(".tmp") for name in left)
    packed = {name for name in left if name.endswith(".gz")}
    assert set(plan.compress) == left - packed
    assert not any(f"{name}.gz" in rotated for name in plan.compress)
    usable = {n for n in rotated if not n.endswith(".tmp") and (n.endswith(".gz") or f"{n}.gz" not in rotated)}
    assert sorted(left) == sorted(usable)[max(0, len(usable) - (max_files - 2)) :]


@pytest.mark.looptime
async def test_a_small_log_is_looked_at_and_left_alone(rotation, node, log_of, recorder):
    path = await running_container(node, log_of, text="x" * 99)
    await node.container("dead", "gone")
    node.cri.calls.clear()
    await rotation.rotate()

    assert names(path) == ["0.log"]
    assert node.cri.names() == ["ListContainers", "ContainerStatus"]


@pytest.mark.looptime
async def test_a_log_at_the_limit_is_renamed_and_reopened_and_the_older_one_compressed(rotation, node, log_of):
    path = await running_container(node, log_of, text="first" * 20)
    await rotation.rotate()
    await asyncio.sleep(10)
    path.write_text("second" * 20)
    await rotation.rotate()
    await asyncio.sleep(10)
    path.write_text("third" * 20)
    await rotation.rotate()

    kept = names(path)
    assert len(kept) == 3
    assert [name.endswith(".gz") for name in kept] == [False, True, False]
    assert path.read_text() == ""
    assert gzip.decompress((path.parent / kept[1]).read_bytes()).decode() == "second" * 20
    assert (path.parent / kept[2]).read_text() == "third" * 20


@pytest.mark.looptime
async def test_a_runtime_that_cannot_reopen_gets_its_file_back(rotation, node, log_of):
    path = await running_container(node, log_of, text="x" * 100)
    node.cri.fail("ReopenContainerLog", "no such task")
    await rotation.rotate()

    assert names(path) == ["0.log"]
    assert path.read_text() == "x" * 100


@pytest.mark.looptime
async def test_a_reopen_that_was_carried_out_but_not_answered_loses_neither_file(rotation, node, log_of):
    path = await running_container(node, log_of, text="x" * 100)
    reopen = node.cri.reopen_container_log

    async def reopen_late(container_id):
        await reopen(container_id)
        raise DeadlineExceeded("context deadline exceeded", code="DeadlineExceeded")

    node.cri.reopen_container_log = reopen_late
    await rotation.rotate()

    assert sorted(file.read_text() for file in path.parent.iterdir()) == ["", "x" * 100]


@pytest.mark.looptime
async def test_a_missing_log_is_opened_anew(rotation, node, log_of):
    path = await running_container(node, log_of, text="")
    path.unlink()
    await rotation.rotate()

    assert names(path) == ["0.log"]


@pytest.mark.looptime
async def test_trouble_with_one_container_is_logged_and_stops_neither_the_others_nor_the_loop(
    rotation, node, log_of, caplog
):
    path = await running_container(node, log_of, text="x" * 100)
    await node.container("two", "other", running=True)
    node.cri.fail("ContainerStatus", "confused")
    await rotation.rotate()
    await rotation.rotate()
    node.cri.down = True
    await rotation.rotate()

    assert "confused" in caplog.text
    assert len(names(path)) == 2


@pytest.mark.looptime
async def test_it_runs_on_its_interval_once_the_runtime_is_ready_and_never_when_turned_off(node, clock):
    ready = asyncio.Event()
    loops = [
        LogRotation(node.cri, policy=policy, wait_ready=ready.wait, clock=clock, rng=random.Random(1))
        for policy in (LogRotationPolicy(), LogRotationPolicy(max_size_bytes=-1))
    ]
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    await asyncio.sleep(5)
    ready.set()
    await asyncio.sleep(21)
    for task in tasks:
        task.cancel()

    assert [round(call.at) for call in node.cri.calls] == [5, 15, 25]


def test_left_overs_of_an_interrupted_compression_are_cleared_away(tmp_path):
    path = tmp_path / "0.log"
    for name in ("0.log.20261123-000001", "0.log.20261123-000001.tmp", "0.log.20261123-000000", "0.logbook"):
        (tmp_path / name).write_text(name)

    make_room(path, max_files=4)

    assert names(path) == ["0.log.20261123-000000.gz", "0.log.20261123-000001.gz", "0.logbook"]
