"""The file is read again when it changes; one that has become wrong changes nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime_stub.config_file import load_settings
from runtime_stub.reload import Reload
from runtime_stub.settings import Settings

HEAD = {"apiVersion": "kubeletsim/v1alpha1", "kind": "RuntimeStubConfiguration"}
RULE = {"name": "r", "fault": {"hang": True}}


def write(path: Path, **fields: Any) -> None:
    """Save a file as an editor does: beside, then renamed."""
    draft = path.with_suffix(".draft")
    draft.write_text(yaml.safe_dump({**HEAD, **fields}))
    draft.rename(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "stub.yaml"
    write(path)
    return path


def reload_of(path: Path) -> Reload:
    return Reload(path, lambda: load_settings(path), load_settings(path))


def test_a_file_that_is_wrong_is_refused_in_one_line(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reload, taken = reload_of(path), list[Settings]()
    write(path, rules=[{**RULE, "name": "a b"}, {"nam": "x"}])

    reload.reload(taken.append)

    assert taken == []
    (record,) = caplog.records
    assert "the old one stays in force" in record.message
    assert "rules[0].name" in record.message
    assert "rules[1].nam: no such field; did you mean name?" in record.message
    assert "\n" not in record.message


def test_what_only_counts_at_the_next_start_is_named(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reload, taken = reload_of(path), list[Settings]()
    write(path, rules=[RULE], seed=7, latencies={"task.kill": 5})

    reload.reload(taken.append)

    assert [one.name for one in taken[0].rules] == ["r"]
    assert [one.message for one in caplog.records if one.levelname == "WARNING"] == [
        "changed as well, but only at the next start: seed"
    ]


@asynccontextmanager
async def watching(path: Path) -> AsyncIterator[asyncio.Queue[Settings]]:
    taken: asyncio.Queue[Settings] = asyncio.Queue()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(reload_of(path).run(taken.put_nowait), name="test/reload")
        await asyncio.sleep(0)
        yield taken
        task.cancel()


async def test_a_file_that_is_replaced_is_read_again(path: Path) -> None:
    async with watching(path) as taken:
        number = 0
        while taken.empty():  # the watcher may not be there yet for the first of them
            number += 1
            write(path, rules=[{**RULE, "name": f"r{number}"}])
            try:
                async with asyncio.timeout(1):
                    settings = await taken.get()
                    break
            except TimeoutError:
                continue

    assert settings.rules[0].name in {f"r{one}" for one in range(1, number + 1)}  # the last may come late


async def test_sighup_looks_at_once(path: Path) -> None:
    async with watching(path) as taken:
        write(path, rules=[RULE])
        os.kill(os.getpid(), signal.SIGHUP)
        settings = await asyncio.wait_for(taken.get(), 10)

    assert settings.rules[0].name == "r"
