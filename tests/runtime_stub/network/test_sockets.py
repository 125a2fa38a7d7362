"""Sockets of this machine stand in front of what containers listen on, for as long as they do."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.network.machine_addresses import is_bindable, machine_addresses
from runtime_stub.network.ports import Ports
from runtime_stub.network.ranges import claimed_range
from runtime_stub.network.sockets import opened
from runtime_stub.network.stream import WINDOW_BYTES, End
from runtime_stub.state.addresses import parse_ranges
from runtime_stub.state.records import Sandbox
from tests.ports import free_port

PORT = 18093


def pod(address: str, *, host_network: bool = False, host_port: int = 0) -> Sandbox:
    config = pb.PodSandboxConfig()
    if host_network:
        config.linux.security_context.namespace_options.network = pb.NODE
    if host_port:
        config.port_mappings.add(container_port=PORT, host_port=host_port)
    ips = () if host_network else (address,)
    return Sandbox(id="s", wire_config=config.SerializeToString(), created_at=1, pid=1, ips=ips)


def echo(end: End) -> None:
    """Send back what comes, as far as there is room, until the client is through."""

    def go_on() -> None:
        while end.has_data and end.room:
            end.write(end.read(min(end.room, WINDOW_BYTES)))
        if end.is_over:
            end.close()

    end.on_news = go_on


@pytest.fixture
def address() -> Iterator[str]:
    """An address that no other test, in whatever process, has at this time."""
    with claimed_range() as pod_cidr:
        yield str(parse_ranges(pod_cidr)[0][2])


@pytest.fixture
async def ports() -> AsyncIterator[Ports]:
    books = Ports()
    async with opened(books, lambda: ["127.0.0.1"]):
        yield books


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  sockets have no event to wait for
            await asyncio.sleep(0.01)


async def connect(address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(60):
        while True:  # the socket is opened in the loop's next turns
            try:
                return await asyncio.open_connection(address, port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)


async def echoed(address: str, port: int, data: bytes) -> bytes:
    reader, writer = await connect(address, port)

    async def send() -> None:
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        received = tasks.create_task(reader.read())
    writer.close()
    return received.result()


async def test_many_bytes_go_both_ways_at_the_readers_pace(ports: Ports, address: str) -> None:
    ports.listen("c", pod(address), PORT, echo)
    data = bytes(range(256)) * 4096

    assert await echoed(address, PORT, data) == data


async def test_host_ports_and_the_hosts_network_are_at_the_machines_addresses(ports: Ports, address: str) -> None:
    first, second = free_port(), free_port()
    ports.listen("c", pod(address, host_port=first), PORT, echo)
    ports.listen("d", pod(address, host_network=True), second, echo)

    assert await echoed("127.0.0.1", first, b"mapped") == b"mapped"
    assert await echoed("127.0.0.1", second, b"hosted") == b"hosted"


async def test_a_client_that_is_gone_resets_the_connection(ports: Ports, address: str) -> None:
    ends: list[End] = []
    ports.listen("c", pod(address), PORT, ends.append)
    reader, writer = await connect(address, PORT)
    await until(lambda: ends)
    ends[0].write(b"unread")
    writer.transport.abort()

    await until(lambda: ends[0].is_abandoned)
    assert reader is not None


async def test_a_port_that_cannot_be_opened_is_told_and_the_others_are(
    ports: Ports, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    taken = await asyncio.start_server(lambda *_: None, address, PORT)
    ports.listen("c", pod(address), PORT, echo)
    ports.listen("c", pod(address), PORT + 1, echo)

    assert await echoed(address, PORT + 1, b"other") == b"other"
    assert f"not open at {address} port {PORT}" in caplog.text
    taken.close()


async def test_no_more_ports_are_opened_than_leave_descriptors_for_the_rest(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    books = Ports()
    async with opened(books, list, limit=1):
        first = books.listen("c", pod(address), PORT, echo)
        assert await echoed(address, PORT, b"x") == b"x"
        books.listen("c", pod(address), PORT + 1, echo)
        await until(lambda: f"port {PORT + 1}: Too many open files" in caplog.text)
        books.leave(first)
        books.listen("d", pod(address), PORT + 2, echo)
        assert await echoed(address, PORT + 2, b"y") == b"y"


def test_no_two_stubs_have_the_same_range_and_a_range_is_had_again() -> None:
    with claimed_range() as first, claimed_range() as second:
        assert first != second
    with claimed_range(second) as again:
        assert again == second
    assert all(is_bindable(network) for network in parse_ranges(f"{first},{second}"))


def test_the_machine_knows_its_addresses() -> None:
    assert machine_addresses()[0] == "127.0.0.1"
    assert not is_bindable(parse_ranges("198.51.100.0/24")[0])
