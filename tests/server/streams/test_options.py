"""Claims about what a request for a stream wants."""

import pytest

from kubeletsim.server.streams.options import (
    BadOptions,
    StreamOptions,
    is_upgrade,
    is_websocket,
    read_ports,
    read_stream_options,
    tunnelled_protocols,
)


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({"output": "1"}, StreamOptions(stdin=False, stdout=True, stderr=False, tty=False)),
        ({"input": "1", "error": "1"}, StreamOptions(stdin=True, stdout=False, stderr=True, tty=False)),
        ({"output": "1", "error": "1", "tty": "1"}, StreamOptions(stdin=False, stdout=True, stderr=False, tty=True)),
        ({"output": "1", "input": "true"}, StreamOptions(stdin=False, stdout=True, stderr=False, tty=False)),
    ],
)
def test_only_a_one_means_yes_and_a_terminal_has_no_stderr(query, options):
    assert read_stream_options(query) == options


@pytest.mark.parametrize("query", [{}, {"output": "true"}, {"error": "1", "tty": "1"}])
def test_a_stream_has_to_be_wanted(query):
    with pytest.raises(BadOptions, match="you must specify at least 1 of stdin, stdout, stderr"):
        read_stream_options(query)


def test_ports_are_repeated_or_joined_by_commas():
    assert read_ports(["80", "8080,65535"]) == [80, 8080, 65535]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], 'query parameter "port" is required'),
        ([""], 'query parameter "port" cannot be empty'),
        (["80,x"], 'unable to parse "80,x" as a port: strconv.ParseUint: parsing "x": invalid syntax'),
        (["65536"], 'unable to parse "65536" as a port: strconv.ParseUint: parsing "65536": value out of range'),
        (["0"], 'port "0" must be > 0'),
    ],
)
def test_what_is_no_port_is_refused_in_upstreams_words(values, text):
    with pytest.raises(BadOptions) as caught:
        read_ports(values)

    assert str(caught.value) == text


def test_upgrades_and_websockets_are_told_by_their_headers():
    assert is_upgrade(["keep-alive, Upgrade"])
    assert not is_upgrade(["keep-alive"])
    assert is_websocket(["keep-alive, Upgrade"], "WebSocket")
    assert not is_websocket(["Upgrade"], "SPDY/3.1")
    assert not is_websocket([], "websocket")


def test_tunnelled_protocols_are_those_with_prefix_and_suffix():
    offers = ["SPDY/3.1+portforward.k8s.io, v4.channel.k8s.io", "SPDY/3.1+other"]

    assert tunnelled_protocols(offers) == ["portforward.k8s.io"]
