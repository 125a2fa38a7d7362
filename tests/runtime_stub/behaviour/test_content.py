"""An image follows from its reference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.behaviour.content import content_of, resolve_error, resolves
from runtime_stub.state.references import parse_reference

names = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?:[a-z0-9]{1,5}", fullmatch=True)


@given(names)
def test_the_same_reference_always_yields_the_same_image(name: str) -> None:
    content = content_of(parse_reference(name))

    assert content == content_of(parse_reference(name))
    assert content.size_bytes > 0
    assert all(layer.size_bytes > 0 for layer in content.layers)


@given(names)
def test_a_mirror_holds_the_same_image(name: str) -> None:
    assert content_of(parse_reference(f"a.example/{name}")) == content_of(parse_reference(f"b.example/{name}"))


@given(names)
def test_pulling_by_the_digest_yields_the_tagged_image(name: str) -> None:
    tagged = content_of(parse_reference(name))

    assert (
        content_of(parse_reference(f"{name.partition(':')[0]}@{tagged.digest}")).config_digest == tagged.config_digest
    )


def test_tags_differ() -> None:
    assert content_of(parse_reference("a:1")).config_digest != content_of(parse_reference("a:2")).config_digest


def test_a_busybox_is_small_and_a_server_is_not() -> None:
    assert content_of(parse_reference("busybox:1.35")).size_bytes == 2_160_000
    assert content_of(parse_reference("nginx")).size_bytes > 7_000_000


@pytest.mark.parametrize(
    ("name", "expected"),
    [("registry.invalid/none:1", False), ("registry.invalid:5000/a", False), ("invalid.example/a", True), ("a", True)],
)
def test_hosts_below_invalid_never_resolve(name: str, expected: bool) -> None:
    assert resolves(parse_reference(name)) is expected


def test_the_resolvers_text_is_the_recorded_one() -> None:
    text = resolve_error(parse_reference("registry.invalid/none:1"))

    assert text == "dial tcp: lookup registry.invalid on 10.0.0.10:53: no such host"
