"""How a runtime's address is written."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.clients.endpoint import LONGEST_SOCKET_PATH, parse_endpoint
from kubeletsim.model.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "url", "target", "address"),
    [
        ("unix:///run/x.sock", "unix:///run/x.sock", "unix:/run/x.sock", "/run/x.sock"),
        ("unix:/run/x.sock", "unix:///run/x.sock", "unix:/run/x.sock", "/run/x.sock"),
        ("unix:///a b/50%.sock", "unix:///a b/50%.sock", "unix:/a%20b/50%25.sock", "/a b/50%.sock"),
        ("unix-abstract:cri", "unix-abstract:cri", "unix-abstract:cri", "@cri"),
        ("dns:///node:3735", "dns:///node:3735", "dns:///node:3735", "node:3735"),
        ("dns:node:3735", "dns:///node:3735", "dns:///node:3735", "node:3735"),
        ("tcp://127.0.0.1:3735", "dns:///127.0.0.1:3735", "dns:///127.0.0.1:3735", "127.0.0.1:3735"),
        ("localhost:3735", "dns:///localhost:3735", "dns:///localhost:3735", "localhost:3735"),
        ("[::1]:3735", "dns:///[::1]:3735", "dns:///[::1]:3735", "[::1]:3735"),
    ],
)
def test_an_endpoint_has_a_spelling_for_people_for_grpc_and_for_spans(
    text: str, url: str, target: str, address: str
) -> None:
    endpoint = parse_endpoint(text)
    assert (endpoint.url, endpoint.target, endpoint.address) == (url, target, address)
    assert str(endpoint) == url


def test_a_bare_path_is_a_unix_socket_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert parse_endpoint("/run/x.sock", field="imageServiceEndpoint").url == "unix:///run/x.sock"
    assert caplog.messages == ["imageServiceEndpoint: /run/x.sock has no scheme; taken as unix:///run/x.sock"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unix://",
        "unix:///",
        "unix://run/x.sock",
        "run/x.sock",
        "npipe:////./pipe/containerd",
        "http://localhost:80",
        "unix-abstract:",
        "dns:///node",
        "localhost:0",
        "localhost:65536",
        "localhost:port",
        "localhost",
        "unix:///run/\0",
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_endpoint(text)
    (fault,) = raised.value.faults
    assert fault.path == "containerRuntimeEndpoint"
    assert fault.value == text
    assert "unix:///run/containerd/containerd.sock" in fault.rule


@pytest.mark.parametrize("scheme", ["unix://", "unix-abstract:"])
def test_a_name_too_long_for_a_socket_is_refused_by_its_length(scheme: str) -> None:
    name = "/" + "é" * (LONGEST_SOCKET_PATH // 2)
    parse_endpoint(scheme + name)
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        parse_endpoint(scheme + name + "a")


@given(st.text())
def test_any_text_is_either_an_endpoint_or_a_clear_error(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except ConfigError:
        return
    assert parse_endpoint(endpoint.url) == endpoint
