"""The socket is taken from the dead and never from the living."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime_stub.listener import Listener, ListenError, claimed, parse_listen


@pytest.fixture
def path() -> Iterator[Path]:
    """A path short enough for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="rs-") as directory:
        yield Path(directory) / "cri.sock"


@pytest.mark.parametrize(
    ("text", "target", "address"),
    [
        ("unix:///run/x.sock", "unix:/run/x.sock", "/run/x.sock"),
        ("unix:/run/x.sock", "unix:/run/x.sock", "/run/x.sock"),
        ("/run/x.sock", "unix:/run/x.sock", "/run/x.sock"),
        ("unix-abstract:name", "unix-abstract:name", "@name"),
        ("tcp://127.0.0.1:80", "127.0.0.1:80", "127.0.0.1:80"),
        ("[::1]:80", "[::1]:80", "[::1]:80"),
    ],
)
def test_an_address_is_written_in_several_ways(text: str, target: str, address: str) -> None:
    listener = parse_listen(text)

    assert (listener.target, listener.address) == (target, address)


@pytest.mark.parametrize("text", ["", "unix://run/x", "unix:", "tcp://x", "80", "http://x:y", f"unix:///{'x' * 120}"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ListenError):
        parse_listen(text)


def test_the_socket_of_a_dead_process_is_replaced(path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()

    with claimed(parse_listen(str(path))):
        assert not path.exists()


def test_the_socket_of_a_living_process_stays(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(path))
        alive.listen()

        with pytest.raises(ListenError, match="another process is listening"), claimed(parse_listen(str(path))):
            pass
        assert path.is_socket()


def test_a_file_that_is_no_socket_stays(path: Path) -> None:
    path.write_text("precious")

    with pytest.raises(ListenError, match="not a socket"), claimed(parse_listen(str(path))):
        pass
    assert path.read_text() == "precious"


def test_the_socket_is_removed_in_the_end_and_its_directory_made(path: Path) -> None:
    deep = path.parent / "a" / "b.sock"
    with claimed(parse_listen(str(deep))), socket.socket(socket.AF_UNIX) as server:
        server.bind(str(deep))
    assert not deep.exists()
    assert deep.parent.is_dir()


def test_an_address_without_a_file_needs_no_claim() -> None:
    before = set(os.listdir("."))  # noqa: PTH208
    with claimed(Listener("127.0.0.1:0", "127.0.0.1:0")):
        pass
    assert set(os.listdir(".")) == before  # noqa: PTH208
