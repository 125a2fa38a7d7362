"""Who listens where: per pod, on host ports, by addresses of this machine."""

import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.network.ports import HOST, MACHINE, Ports
from runtime_stub.network.stream import End
from runtime_stub.shell.context import Socket
from runtime_stub.state.records import Sandbox


def sandbox(id_: str, *ips: str, host_network: bool = False, **mapping: object) -> Sandbox:
    config = pb.PodSandboxConfig(port_mappings=[pb.PortMapping(**mapping)] if mapping else [])  # type: ignore[arg-type]
    if host_network:
        config.linux.security_context.namespace_options.network = pb.NODE
    return Sandbox(id=id_, wire_config=config.SerializeToString(), created_at=1, pid=1, ips=ips)


def greet(text: bytes) -> object:
    return lambda end: end.write(text)


POD = sandbox("s", "127.1.0.2", "fd00::2", container_port=80, host_port=8080)


def test_a_listener_is_reached_by_the_pods_addresses_and_by_its_host_port() -> None:
    ports, changed = Ports(), []
    ports.on_change = changed.append
    listener = ports.listen("c", POD, 80, greet(b"hi"))  # type: ignore[arg-type]

    outside = [Socket("127.1.0.2", 80), Socket("fd00::2", 80), Socket(MACHINE, 8080)]
    assert changed == ports.sockets() == outside
    assert {ports.behind(one) for one in outside} == {listener}
    assert ports.connect("s", 80).read() == ports.connect(HOST, 8080).read() == b"hi"
    assert ports.of_sandbox("s") == [Socket("0.0.0.0", 80)]


def test_where_nobody_listens_a_connection_is_refused() -> None:
    ports = Ports()
    ports.listen("c", POD, 80, greet(b"hi"))  # type: ignore[arg-type]
    for namespace, port in [("s", 81), ("t", 80), (HOST, 80)]:
        with pytest.raises(ConnectionRefusedError):
            ports.connect(namespace, port)


def test_a_port_is_taken_once_in_a_pod_and_once_on_the_host() -> None:
    ports = Ports()
    for one in (POD, sandbox("t", "127.1.0.3"), sandbox("h", host_network=True)):
        ports.listen(one.id, one, 80, greet(b""))  # type: ignore[arg-type]
    for one in (POD, sandbox("i", host_network=True)):
        with pytest.raises(OSError, match="in use"):
            ports.listen("other", one, 80, greet(b""))  # type: ignore[arg-type]


def test_what_a_container_listens_on_ends_with_it_and_leaves_its_neighbours_alone() -> None:
    ports, heard = Ports(), []

    def accept(end: End) -> None:
        heard.append(end)

    ports.listen("a", POD, 80, accept)
    ports.listen("b", POD, 80, greet(b"second"), shared=True)  # type: ignore[arg-type]
    ports.listen("b", POD, 81, accept)
    ports.close("a")

    assert ports.connect("s", 80).read() == b"second"
    ports.close("b")
    assert (ports.sockets(), ports.of_sandbox("s"), heard) == ([], [], [])
