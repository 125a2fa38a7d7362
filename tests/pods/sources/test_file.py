"""Static pods from files."""

import asyncio
import json
import os
import random
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest
from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import pod_name
from kubeletsim.pods.sources.file import FileSource, watch_directory

LOG = "kubeletsim.pods.sources.file"


def manifest(name: str, image: str = "web:1") -> str:
    spec = {"containers": [{"name": "app", "image": image}]}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


class Sink:
    """Collects what a source hands over; can be waited for."""

    def __init__(self) -> None:
        self.handed_over: list[list[str]] = []
        self.pods: Sequence[Pod] = []
        self._news = asyncio.Event()

    async def publish(self, pods: Sequence[Pod]) -> None:
        self.pods = pods
        self.handed_over.append([f"{pod_name(pod)} {pod.spec.containers[0].image}" for pod in pods])
        self._news.set()

    async def until(self, *expected: str) -> None:
        """Wait until the source hands over just these pods."""
        async with asyncio.timeout(60):
            while not self.handed_over or self.handed_over[-1] != list(expected):
                self._news.clear()
                await self._news.wait()


class ScriptedWatch:
    """A watch that says what the test puts in, and breaks when told so."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[set[str] | None] = asyncio.Queue()
        self.begun_at: list[float] = []
        self.directories: list[Path] = []

    async def __call__(self, directory: Path) -> AsyncGenerator[set[str], None]:
        self.begun_at.append(asyncio.get_running_loop().time())
        self.directories.append(directory)
        while (names := await self.changes.get()) is not None:
            yield names
        raise OSError("the watch broke")


def source(path: Path, sink: Sink, **more: Any) -> FileSource:
    return FileSource(
        path, node_name="node", publish=sink.publish, check_frequency_seconds=20, rng=random.Random(1), **more
    )


async def test_a_directory_gives_its_manifests_in_the_order_of_their_names(tmp_path: Path):
    for name in ("b.yaml", "a.json", ".hidden.yaml", "c"):
        (tmp_path / name).write_text(manifest(name.strip(".").split(".")[0]))
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "d.yaml").write_text(manifest("d"))
    sink = Sink()
    await source(tmp_path, sink).refresh()

    assert sink.handed_over == [["a-node web:1", "b-node web:1", "c-node web:1"]]


async def test_a_single_file_is_a_source_too(tmp_path: Path):
    path = tmp_path / "pod.yaml"
    path.write_text(manifest("a"))
    sink = Sink()
    await source(path, sink).refresh()

    assert sink.handed_over == [["a-node web:1"]]


async def test_a_path_that_does_not_exist_is_an_empty_set_and_not_a_fault(tmp_path: Path, caplog):
    sink = Sink()
    await source(tmp_path / "absent", sink).refresh()

    assert sink.handed_over == [[]]
    assert caplog.records == []


async def test_bad_files_are_skipped_and_told_of_once(tmp_path: Path, caplog):
    (tmp_path / "a.yaml").write_text(manifest("a"))
    (tmp_path / "b.yaml").write_text("kind: Pod\nspec: [\n")
    (tmp_path / "c.yaml").write_text(manifest("UPPER"))
    sink = Sink()
    pods = source(tmp_path, sink)
    for _ in range(3):
        await pods.refresh()

    assert sink.handed_over == [["a-node web:1"]] * 3
    assert [record.getMessage().split(": ")[0] for record in caplog.records] == [
        f"Cannot use static pod manifest {tmp_path}/b.yaml",
        f"Cannot use static pod manifest {tmp_path}/c.yaml",
    ]
    assert "line 3, column 1" in caplog.records[0].getMessage()


async def test_a_bad_file_is_told_of_again_when_it_is_bad_in_another_way(tmp_path: Path, caplog):
    path = tmp_path / "a.yaml"
    pods = source(tmp_path, Sink())
    for text in ("[", "[", "{}", manifest("a"), "["):
        path.write_text(text)
        await pods.refresh()

    assert len(caplog.records) == 3


async def test_a_file_larger_than_any_manifest_is_not_read(tmp_path: Path, caplog):
    (tmp_path / "a.yaml").write_bytes(b"#" * (10 * 1024 * 1024 + 1))
    sink = Sink()
    await source(tmp_path, sink).refresh()

    assert sink.handed_over == [[]]
    assert caplog.messages == [f"Cannot use static pod manifest {tmp_path}/a.yaml: larger than 10 MiB"]


async def test_what_is_no_regular_file_is_skipped_and_told_of_once(tmp_path: Path, caplog):
    (tmp_path / "dir").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    sink = Sink()
    pods = source(tmp_path, sink)
    await pods.refresh()
    await pods.refresh()

    assert sink.handed_over == [[], []]
    assert caplog.messages == [
        f"Skipping static pod path {tmp_path}/dir: it is a directory, and directories are not searched",
        f"Skipping static pod path {tmp_path}/pipe: it is no regular file",
    ]


async def test_a_link_to_a_manifest_is_followed(tmp_path: Path):
    (tmp_path / ".store").write_text(manifest("a"))
    (tmp_path / "a.yaml").symlink_to(tmp_path / ".store")
    sink = Sink()
    await source(tmp_path, sink).refresh()

    assert sink.handed_over == [["a-node web:1"]]


async def test_an_unchanged_file_keeps_the_very_same_pod(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(manifest("a"))
    sink = Sink()
    pods = source(tmp_path, sink)
    await pods.refresh()
    (first,) = sink.pods
    await pods.refresh()

    assert sink.pods[0] is first


async def test_edits_and_removals_show_at_the_next_listing(tmp_path: Path):
    path = tmp_path / "a.yaml"
    sink = Sink()
    pods = source(tmp_path, sink)
    for image in ("web:1", "web:2"):
        path.write_text(manifest("a", image))
        await pods.refresh()
    path.unlink()
    await pods.refresh()

    assert sink.handed_over == [["a-node web:1"], ["a-node web:2"], []]


async def test_a_half_written_file_keeps_its_last_good_pod_until_the_next_listing(tmp_path: Path, caplog):
    path = tmp_path / "a.yaml"
    path.write_text(manifest("a"))
    sink = Sink()
    pods = source(tmp_path, sink)
    await pods.refresh()
    path.write_text(manifest("a")[:40])
    await pods.refresh(keep_last_good=True)
    await pods.refresh(keep_last_good=True)
    await pods.refresh()

    assert sink.handed_over == [["a-node web:1"]] * 3 + [[]]
    assert len(caplog.records) == 1


async def test_a_directory_that_cannot_be_listed_keeps_what_was_known(tmp_path: Path, caplog, monkeypatch):
    (tmp_path / "a.yaml").write_text(manifest("a"))
    sink = Sink()
    pods = source(tmp_path, sink)
    await pods.refresh()

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    await pods.refresh()
    await pods.refresh()

    assert sink.handed_over == [["a-node web:1"]]
    assert caplog.messages == [f"cannot list static pods in {tmp_path}: Permission denied; the pods known so far stay"]


@pytest.mark.looptime
async def test_files_are_listed_each_period_without_any_watch(tmp_path: Path, looptime):
    sink = Sink()
    watch = ScriptedWatch()
    running = asyncio.create_task(source(tmp_path, sink, watch=watch).run())
    await asyncio.sleep(1)
    (tmp_path / "a.yaml").write_text(manifest("a"))
    await sink.until("a-node web:1")

    assert looptime == 20
    await stop(running)


@pytest.mark.looptime
async def test_a_change_is_seen_at_once(tmp_path: Path, looptime):
    sink = Sink()
    watch = ScriptedWatch()
    running = asyncio.create_task(source(tmp_path, sink, watch=watch).run())
    await asyncio.sleep(1)
    (tmp_path / "a.yaml").write_text(manifest("a"))
    await watch.changes.put({"a.yaml"})
    await sink.until("a-node web:1")

    assert looptime == 1
    await stop(running)


@pytest.mark.looptime
async def test_a_broken_watch_is_taken_up_again_more_and_more_slowly(tmp_path: Path):
    watch = ScriptedWatch()
    running = asyncio.create_task(source(tmp_path, Sink(), watch=watch).run())
    for _ in range(7):
        await watch.changes.put(None)
    await asyncio.sleep(70)

    assert watch.begun_at == [0, 1, 3, 7, 15, 31, 51]
    await stop(running)


@pytest.mark.looptime
async def test_a_watch_that_worked_is_taken_up_again_soon(tmp_path: Path):
    watch = ScriptedWatch()
    running = asyncio.create_task(source(tmp_path, Sink(), watch=watch).run())
    for change in (None, None, {"a.yaml"}, None):
        await watch.changes.put(change)
    await asyncio.sleep(10)

    assert watch.begun_at == [0, 1, 3, 4]
    await stop(running)


@pytest.mark.looptime
async def test_until_the_directory_appears_its_parent_is_watched(tmp_path: Path):
    path = tmp_path / "manifests"
    sink = Sink()
    watch = ScriptedWatch()
    running = asyncio.create_task(source(path, sink, watch=watch).run())
    await asyncio.sleep(1)
    path.mkdir()
    (path / "a.yaml").write_text(manifest("a"))
    await watch.changes.put({"manifests"})
    await sink.until("a-node web:1")
    await asyncio.sleep(5)

    assert watch.directories == [tmp_path, path]
    await stop(running)


@pytest.mark.looptime
async def test_of_a_single_files_neighbours_nothing_is_wanted(tmp_path: Path):
    path = tmp_path / "pod.yaml"
    sink = Sink()
    watch = ScriptedWatch()
    running = asyncio.create_task(source(path, sink, watch=watch).run())
    await asyncio.sleep(1)
    before = len(sink.handed_over)
    await watch.changes.put({"other.yaml"})
    await asyncio.sleep(1)

    assert len(sink.handed_over) == before
    await stop(running)


async def test_the_real_watch_names_what_changes(tmp_path: Path):
    changes = watch_directory(tmp_path)
    waiting = asyncio.create_task(anext(changes))
    await asyncio.sleep(0)
    (tmp_path / "a.yaml").write_text(manifest("a"))
    async with asyncio.timeout(60):
        assert await waiting == {"a.yaml"}

    await changes.aclose()


async def test_a_source_with_the_real_watch_follows_its_directory(tmp_path: Path):
    """From the first file over an edit and a removal to the end of the directory and its return."""
    path = tmp_path / "manifests"
    path.mkdir()
    sink = Sink()
    running = asyncio.create_task(source(path, sink).run())
    await sink.until()
    (path / "a.yaml").write_text(manifest("a"))
    await sink.until("a-node web:1")
    (path / "a.yaml").write_text(manifest("a", "web:2"))
    await sink.until("a-node web:2")
    (path / "a.yaml").unlink()
    await sink.until()

    await stop(running)


async def stop(running: asyncio.Task[None]) -> None:
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
