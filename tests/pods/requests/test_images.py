"""Names of images."""

import pytest

from kubeletsim.model.requests import ImageSpec
from kubeletsim.pods.requests import RequestError, image_spec, with_default_tag
from tests.fakes.pods import make_pod

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("image", "tagged"),
    [
        ("busybox", "busybox:latest"),
        ("busybox:1.35", "busybox:1.35"),
        ("docker.io/library/busybox", "docker.io/library/busybox:latest"),
        ("localhost:5000/a/b_c", "localhost:5000/a/b_c:latest"),
        ("localhost:5000/a:1", "localhost:5000/a:1"),
        ("[2001:db8::1]:5000/a", "[2001:db8::1]:5000/a:latest"),
        (f"a@{DIGEST}", f"a@{DIGEST}"),
        (f"a:1@{DIGEST}", f"a:1@{DIGEST}"),
        ("registry.invalid/none:1", "registry.invalid/none:1"),
    ],
)
def test_a_reference_without_tag_and_digest_means_latest(image, tagged):
    assert with_default_tag(image) == tagged


@pytest.mark.parametrize(
    "image", ["", "a b", "a:", "a:b c", ":1", "a/", "a@sha256:12", "-a", "a//b", "0" * 64, "a" * 256]
)
def test_what_is_no_reference_is_refused(image):
    with pytest.raises(RequestError, match="invalid reference format"):
        with_default_tag(image)


def test_a_capital_letter_is_told_apart_from_other_faults():
    with pytest.raises(RequestError) as refused:
        with_default_tag("Web")

    assert str(refused.value) == (
        'Failed to apply default image tag "Web": couldn\'t parse image name "Web": '
        "invalid reference format: repository name (library/Web) must be lowercase"
    )


def test_the_pods_annotations_travel_with_the_name():
    assert image_spec(make_pod(), "web") == ImageSpec(
        image="web:latest", annotations={"kubernetes.io/config.source": "file"}
    )
