"""Claims about reading log files, and following them."""

import asyncio
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.server.container_logs.lines import BadFormat
from kubeletsim.server.container_logs.reading import UnreadableLog, Wanted, read_log, tail_start


def line(text: str, *, second: int = 0, stream: str = "stdout", tag: str = "F") -> str:
    return f"2020-01-01T00:00:{second:02d}.000000000Z {stream} {tag} {text}\n"


def write(path: Path, text: str) -> None:
    path.write_text(text)


def linked(path: Path) -> Path:
    link = path.with_name("link")
    link.symlink_to(path)
    return link


def put_aside(path: Path) -> None:
    """Rotate a log as a runtime does: it writes to the old file until it opens the new one."""
    aside = path.rename(path.with_name("0.log.old"))
    with aside.open("a") as file:
        file.write(line("last of the old"))
    path.write_text(line("first of the new"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    path.write_text("".join(line(f"line {n}", second=n) for n in range(5)))
    return path


async def never() -> bool:
    return False


async def shown(path: Path, **wanted) -> str:
    return b"".join([piece async for piece in read_log(str(path), Wanted(**wanted), is_running=never)]).decode()


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({}, "line 0\nline 1\nline 2\nline 3\nline 4\n"),
        ({"tail_lines": 2}, "line 3\nline 4\n"),
        ({"tail_lines": 0}, ""),
        ({"tail_lines": 99}, "line 0\nline 1\nline 2\nline 3\nline 4\n"),
        ({"limit_bytes": 9}, "line 0\nli"),
        ({"limit_bytes": 7}, "line 0\n"),
        ({"since_ns": 1_577_836_803_000_000_000}, "line 3\nline 4\n"),
        ({"tail_lines": 1, "timestamps": True}, "2020-01-01T00:00:04.000000000Z line 4\n"),
        ({"follow": True, "tail_lines": 1}, "line 4\n"),
        ({"follow": True}, "line 0\nline 1\nline 2\nline 3\nline 4\n"),
    ],
)
async def test_what_is_wanted_is_shown(path: Path, wanted, text):
    assert await shown(path, **wanted) == text


async def test_the_pieces_of_a_line_are_joined_and_share_one_time(tmp_path: Path):
    path = tmp_path / "0.log"
    write(path, line("a", tag="P") + line("b", second=1, tag="P") + line("c", second=2) + line("d", second=3))

    assert await shown(path, timestamps=True) == (
        "2020-01-01T00:00:00.000000000Z abc\n2020-01-01T00:00:03.000000000Z d\n"
    )


async def test_a_line_of_another_format_is_passed_over_and_a_last_one_without_end_is_shown(path: Path):
    write(path, line("a") + "noise\n" + line("b") + line("c").rstrip("\n"))

    assert await shown(path) == "a\nb\nc"


async def test_a_file_of_no_known_format_cannot_be_shown(path: Path):
    write(path, "noise\n" + line("a"))

    with pytest.raises(BadFormat):
        await shown(path)


async def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    missing = tmp_path / "none.log"

    with pytest.raises(UnreadableLog) as caught:
        await shown(missing)
    assert str(caught.value) == (
        f'failed to try resolving symlinks in path "{missing}": lstat {missing}: no such file or directory'
    )


async def test_the_file_behind_a_link_is_read(path: Path):
    link = linked(path)

    assert await shown(link, tail_lines=1) == "line 4\n"


@given(st.binary(max_size=60).map(lambda data: data.replace(b"x", b"\n")), st.integers(0, 6))
def test_the_tail_of_a_file_holds_as_many_lines_as_it_should(data, lines):
    tail = data[tail_start(io.BytesIO(data), lines) :]

    assert data.endswith(tail)
    assert tail.count(b"\n") == min(lines, data.count(b"\n"))


class Follower:
    """Somebody who follows a file while its container runs."""

    def __init__(self, path: Path, **wanted) -> None:
        self.running = True
        self.asked = 0
        self.seen = b""
        self._path = path
        self._wanted = Wanted(follow=True, **wanted)

    async def run(self) -> None:
        async for piece in read_log(str(self._path), self._wanted, is_running=self._is_running):
            self.seen += piece

    async def _is_running(self) -> bool:
        self.asked += 1
        return self.running


@pytest.mark.looptime
async def test_what_is_written_later_is_shown_and_the_end_comes_with_the_containers(path: Path):
    follower = Follower(path, tail_lines=1)
    following = asyncio.create_task(follower.run())
    await asyncio.sleep(5)
    assert follower.seen == b"line 4\n"
    assert follower.asked in (5, 6)  # once at each look, a second apart

    with path.open("a") as file:
        file.write(line("more") + line("half").removesuffix("f\n"))
        file.flush()
        await asyncio.sleep(0.2)
        assert follower.seen == b"line 4\nmore\n"
        file.write("f\n")
    follower.running = False
    await asyncio.wait_for(following, 5)

    assert follower.seen == b"line 4\nmore\nhalf\n"


@pytest.mark.looptime
async def test_a_file_that_is_put_aside_is_read_to_its_end_and_then_the_new_one(path: Path):
    follower = Follower(path, tail_lines=0)
    following = asyncio.create_task(follower.run())
    await asyncio.sleep(1)

    put_aside(path)
    await asyncio.sleep(2)
    follower.running = False
    await asyncio.wait_for(following, 5)

    assert follower.seen == b"last of the old\nfirst of the new\n"


@pytest.mark.looptime
async def test_a_limit_of_bytes_ends_the_following(path: Path):
    follower = Follower(path, limit_bytes=3)

    await asyncio.wait_for(follower.run(), 5)

    assert follower.seen == b"lin"
