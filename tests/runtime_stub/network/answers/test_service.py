"""What the catalogue says of a port is what is answered there."""

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, TrailersReceived
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.behaviour.service import Service
from runtime_stub.network.answers import Answers, attend
from runtime_stub.network.answers.service import answers_of
from runtime_stub.network.stream import WINDOW_BYTES, connection
from runtime_stub.shell.files import Files, Memory, Mounted

FILES = {"/": b"", "/www/": b"", "/www/index.html": b"home", "/www/big.txt": b"x" * 3 * WINDOW_BYTES, "/secret": b"s"}


def answers(**changes: object) -> Answers:
    service = Service(port=80, **changes)  # type: ignore[arg-type]
    files = Files([Mounted("/", Memory(FILES, lambda: 0.0))])
    return answers_of(service, lambda: files)


def got(served: Answers, path: str = "/") -> bytes:
    return served.feed(f"GET {path} HTTP/1.1\r\n\r\n".encode())


def checked(served: Answers, service: str = "", method: str = "Check") -> tuple[int | None, dict[str, str]]:
    """Return the status number of a health check, and the header and trailer fields of its answer."""
    client = H2Connection(H2Configuration(header_encoding="utf-8"))
    client.initiate_connection()
    fields = [
        (":method", "POST"),
        (":path", f"/grpc.health.v1.Health/{method}"),
        (":scheme", "http"),
        (":authority", "pod"),
        ("te", "trailers"),
    ]
    client.send_headers(1, fields)
    name = service.encode()
    message = b"\x0a" + bytes([len(name)]) + name if name else b""
    client.send_data(1, b"\0" + len(message).to_bytes(4) + message, end_stream=True)
    events: list[Event] = client.receive_data(served.feed(client.data_to_send()))
    told: dict[str, str] = {}
    status = None
    for event in events:
        if isinstance(event, ResponseReceived | TrailersReceived):
            told |= {str(key): str(value) for key, value in event.headers or ()}
        elif isinstance(event, DataReceived):
            status = (event.data or b"")[-1]
    return status, told


def test_http_has_the_status_and_the_page_that_are_described() -> None:
    served = answers(protocol="http", status=503, body="tired\n", paths={"/healthz": 200})

    assert b" 503 Service Unavailable\r\n" in got(served)
    assert got(served, "/x?y").endswith(b"\r\n\r\ntired\n")
    assert b" 200 OK\r\n" in got(served, "/healthz")


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/", 200, b"home"),
        ("/index.html", 200, b"home"),
        ("/nosuch", 404, b"404 Not Found"),
        ("/../secret", 404, b"404 Not Found"),
        ("/down", 500, b"500"),
    ],
)
def test_a_root_shows_the_files_below_it(path: str, status: int, body: bytes) -> None:
    answer = got(answers(protocol="http", root="/www", paths={"/down": 500}), path)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert body in answer


def test_text_greets_and_replies_to_the_words_it_knows() -> None:
    served = answers(protocol="tcp", greeting="hello\n", replies={"PING": "+PONG\r\n"})

    assert served.feed(b"") == b"hello\n"
    assert served.feed(b"pin") == b""
    assert served.feed(b"g 1\r\nGET x\r\nPING\r\n") == b"+PONG\r\n+PONG\r\n"


def test_grpc_says_how_each_service_is() -> None:
    served = {"protocol": "grpc", "health": {"": "SERVING", "db": "NOT_SERVING"}}

    assert checked(answers(**served))[0] == 1
    assert checked(answers(**served), "db")[0] == 2
    assert checked(answers(**served), "nosuch")[1]["grpc-status"] == "5"
    assert checked(answers(**served), "nosuch", "Watch")[0] == 3
    assert checked(answers(**served), "", "Nothing")[1]["grpc-status"] == "12"


def test_an_image_that_nobody_has_described_answers_any_probe() -> None:
    assert b" 200 OK\r\n" in got(answers())
    assert checked(answers())[0] == 1


def test_a_server_that_has_failed_says_so_in_its_own_protocol() -> None:
    failed = {one: Service(port=1, protocol=one).failed() for one in ("http", "grpc", "any", "tcp")}  # type: ignore[arg-type]

    assert failed["tcp"] is None
    for protocol in ("http", "any"):
        assert b" 500 " in got(answers_of(failed[protocol], lambda: Files([]))), protocol  # type: ignore[arg-type]
    for protocol in ("grpc", "any"):
        assert checked(answers_of(failed[protocol], lambda: Files([])))[0] == 2, protocol  # type: ignore[arg-type]


def test_a_slow_reader_gets_a_large_page_piece_by_piece() -> None:
    client, server = connection()
    attend(server, answers(protocol="http", root="/www"))
    client.write(b"GET /big.txt HTTP/1.0\r\n\r\n")
    received = b""
    while not client.is_over:
        received += client.read(1000)

    assert received.endswith(b"x" * 3 * WINDOW_BYTES)
    assert client.is_abandoned


@given(
    st.sampled_from(["any", "http", "grpc", "tcp"]),
    st.lists(st.one_of(st.binary(max_size=100), st.just(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), max_size=5),
)
def test_no_client_breaks_a_server(protocol: str, chunks: list[bytes]) -> None:
    served = answers(protocol=protocol)
    for chunk in chunks:
        if not served.closed:
            served.feed(chunk)
