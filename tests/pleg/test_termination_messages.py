"""An ended container's status carries its last words."""

from dataclasses import replace
from pathlib import Path

import pytest

from kubeletsim.model.requests import Mount
from kubeletsim.model.runtime import ContainerID, ContainerState, ContainerStatus
from kubeletsim.pleg.termination_messages import with_termination_message

PATH = "/dev/termination-log"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return tmp_path / "0a1b2c3d"


@pytest.fixture
def ended(tmp_path: Path, words: Path) -> ContainerStatus:
    return ContainerStatus(
        id=ContainerID("c"),
        name="app",
        state=ContainerState.EXITED,
        exit_code=1,
        reason="Error",
        log_path=str(tmp_path / "0.log"),
        mounts=(Mount(container_path="/data", host_path="/srv"), Mount(container_path=PATH, host_path=str(words))),
        annotations={
            "io.kubernetes.container.terminationMessagePath": PATH,
            "io.kubernetes.container.terminationMessagePolicy": "File",
        },
    )


def falling_back(status: ContainerStatus) -> ContainerStatus:
    policy = {"io.kubernetes.container.terminationMessagePolicy": "FallbackToLogsOnError"}
    return replace(status, annotations={**status.annotations, **policy})


def write_log(status: ContainerStatus, *lines: str) -> None:
    Path(status.log_path).write_text("".join(f"2026-01-01T00:00:00.000000000Z stdout {line}\n" for line in lines))


def test_the_file_is_the_message(ended: ContainerStatus, words: Path) -> None:
    words.write_text("out of luck")

    assert with_termination_message(ended).message == "out of luck"
    assert with_termination_message(replace(ended, message="OOM")).message == "OOM: out of luck"
    running = replace(ended, state=ContainerState.RUNNING)
    assert with_termination_message(running) is running


def test_of_a_long_file_the_end_counts(ended: ContainerStatus, words: Path) -> None:
    words.write_text("x" * 5000 + "end")

    assert with_termination_message(ended).message == "x" * 4093 + "end"


def test_without_a_file_there_is_none_and_a_file_that_cannot_be_read_is_told(
    ended: ContainerStatus, words: Path
) -> None:
    assert with_termination_message(ended).message == ""
    words.mkdir()

    assert with_termination_message(ended).message.startswith(f"Error on reading termination log {words}: ")


def test_the_log_helps_out_where_it_may_and_the_container_failed(ended: ContainerStatus, words: Path) -> None:
    write_log(ended, "F first", "P sec", "F ond")

    assert with_termination_message(ended).message == ""
    assert with_termination_message(falling_back(ended)).message == "first\nsecond\n"
    assert with_termination_message(falling_back(replace(ended, exit_code=0))).message == ""
    words.write_text("its own words")
    assert with_termination_message(falling_back(ended)).message == "its own words"


def test_of_a_long_log_the_last_lines_and_bytes_count(ended: ContainerStatus) -> None:
    write_log(ended, *(f"F {number}" for number in range(2000)))
    assert with_termination_message(falling_back(ended)).message.splitlines() == [str(n) for n in range(1920, 2000)]

    write_log(ended, "F " + "y" * 40_000, "F " + "z" * 3000)
    assert with_termination_message(falling_back(ended)).message == "z" * 2047 + "\n"
