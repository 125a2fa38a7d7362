"""A simulated web server answers each request, in HTTP/1, whatever is sent to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.network.answers.http import MAX_HEAD_BYTES, HTTPAnswers, Page, Request

GET = b"GET /a%20b?x=1&y HTTP/1.1\r\nHost: localhost\r\n\r\n"


def server(**options: bool) -> HTTPAnswers:
    return HTTPAnswers(lambda request: Page(request.path.encode()), **options)


def test_each_request_gets_its_answer() -> None:
    answers = server()

    assert answers.feed(GET[:10]) == b""
    answer = answers.feed(GET[10:] + GET)
    assert (answer.count(b"HTTP/1.1 200 OK\r\n"), answer.count(b"/a b")) == (2, 2)
    assert not answers.closed


def test_a_body_is_no_request() -> None:
    post = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(GET)

    assert server().feed(post + GET + GET).count(b"200 OK") == 2


def test_a_head_has_no_body() -> None:
    assert server().feed(GET.replace(b"GET", b"HEAD")).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"hello\r\n\r\n"]
)
def test_a_connection_ends_when_the_client_wants_it_or_speaks_something_else(request_: bytes) -> None:
    answers = server()

    assert b"Connection: close" in answers.feed(request_)
    assert answers.closed


def test_a_server_may_take_one_request_a_connection() -> None:
    answers = server(keeps_alive=False)

    assert answers.feed(GET + GET).count(b"200 OK") == 1
    assert answers.closed


def test_a_head_without_end_is_refused() -> None:
    assert b"400 Bad Request" in server().feed(b"x" * (MAX_HEAD_BYTES + 1))


def test_a_request_knows_its_query_and_its_fields() -> None:
    seen: list[Request] = []
    HTTPAnswers(lambda request: seen.append(request) or Page()).feed(GET)  # type: ignore[func-returns-value]

    assert (seen[0].query("x"), seen[0].query("y", "0"), seen[0].query("z", "none")) == ("1", "", "none")
    assert seen[0].fields == {"host": "localhost"}


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_anything_may_be_sent(chunks: list[bytes]) -> None:
    answers = server()
    for chunk in chunks:
        answers.feed(chunk)
