"""References are normalised as Docker normalises them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.state.references import InvalidReference, parse_reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("busybox:1.35", "docker.io/library/busybox:1.35"),
        ("index.docker.io/library/busybox", "docker.io/library/busybox:latest"),
        ("user/app", "docker.io/user/app:latest"),
        ("registry.invalid/none:1", "registry.invalid/none:1"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/a/b/c:x", "localhost:5000/a/b/c:x"),
        ("Registry/app", "Registry/app:latest"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
        (f"busybox:1.35@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
    ],
)
def test_a_short_name_means_a_long_one(text: str, normal: str) -> None:
    assert str(parse_reference(text)) == normal


@pytest.mark.parametrize(
    "text", ["", ":", "a:", "a/", "/a", "a//b", "UPPER", "a:b:c", "a@sha256:12", "a b", "a" * 300, "0" * 64, "a:-x"]
)
def test_what_names_no_image_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        parse_reference(text)


@given(st.text(max_size=40))
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    try:
        reference = parse_reference(text)
    except InvalidReference:
        return
    assert parse_reference(str(reference)) == reference


def test_the_manifest_is_asked_of_dockers_registry() -> None:
    assert parse_reference("busybox:1.35").manifest_url == (
        "https://registry-1.docker.io/v2/library/busybox/manifests/1.35"
    )
