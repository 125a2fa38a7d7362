"""A simulated web server answers every request with 200, where there is a server and where it listens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.shell.entrypoint import SERVER
from runtime_stub.shell.program import FOREVER, Exit, Program, Wait
from runtime_stub.state.records import Sandbox
from runtime_stub.streaming.pod_http import MAX_HEAD_BYTES, HTTPAnswers, serves

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def sandbox(*ports: int) -> Sandbox:
    mappings = [pb.PortMapping(container_port=port) for port in ports]
    return Sandbox(
        id="s", wire_config=pb.PodSandboxConfig(port_mappings=mappings).SerializeToString(), created_at=1, pid=1
    )


@pytest.mark.parametrize(
    ("programs", "port", "served"),
    [
        ([SERVER], 80, True),
        ([SERVER], 12003, True),
        ([SERVER], 81, False),
        ([(Wait(FOREVER),)], 80, False),
        ([(Exit(0),), SERVER], 80, True),
        ([], 80, False),
    ],
)
def test_servers_listen_on_80_and_on_mapped_ports(programs: list[Program], port: int, served: bool) -> None:
    assert serves(sandbox(12003), programs, port) is served


def test_each_request_gets_its_answer() -> None:
    answers = HTTPAnswers()

    assert answers.feed(GET[:10]) == b""
    assert answers.feed(GET[10:] + GET).count(b"HTTP/1.1 200 OK\r\n") == 2
    assert not answers.closed


def test_a_body_is_no_request() -> None:
    answers = HTTPAnswers()

    post = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(GET)
    assert answers.feed(post + GET + GET).count(b"200 OK") == 2


def test_a_head_has_no_body() -> None:
    assert HTTPAnswers().feed(GET.replace(b"GET", b"HEAD")).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"hello\r\n\r\n"]
)
def test_a_connection_ends_when_the_client_wants_it_or_speaks_something_else(request_: bytes) -> None:
    answers = HTTPAnswers()

    assert b"Connection: close" in answers.feed(request_)
    assert answers.closed


def test_a_head_without_end_is_refused() -> None:
    assert b"400 Bad Request" in HTTPAnswers().feed(b"x" * (MAX_HEAD_BYTES + 1))


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_anything_may_be_sent(chunks: list[bytes]) -> None:
    answers = HTTPAnswers()
    for chunk in chunks:
        answers.feed(chunk)
