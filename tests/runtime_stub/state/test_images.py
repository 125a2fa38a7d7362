"""Images are content under names."""

from runtime_stub.state.images import Images
from runtime_stub.state.references import parse_reference

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
DIGEST = "sha256:" + "d" * 64


def add(images: Images, name: str, id_: str = A, *, digest: str = DIGEST, pinned: bool = False) -> None:
    images.add(parse_reference(name), id_=id_, digest=digest, size_bytes=10, pinned=pinned)


def test_an_image_is_found_by_every_kind_of_reference() -> None:
    images = Images()
    add(images, "busybox:1.35")

    name = f"docker.io/library/busybox@{DIGEST}"
    for text in (A, A.removeprefix("sha256:"), "a" * 12, "busybox:1.35", "docker.io/library/busybox:1.35", name):
        assert images.find(text), text
    for text in ("busybox", "", "c", "UPPER", "nginx:1.35"):
        assert images.find(text) is None, text


def test_equal_content_of_two_registries_is_one_image() -> None:
    images = Images()
    add(images, "a.example/app:1")
    add(images, "b.example/app:1")

    (image,) = images.all()
    assert image.tags == ("a.example/app:1", "b.example/app:1")
    assert len(image.digests) == 2


def test_an_image_pulled_by_digest_has_no_tag() -> None:
    images = Images()
    add(images, f"app@{DIGEST}")

    (image,) = images.all()
    assert image.tags == ()
    assert image.digests == (f"docker.io/library/app@{DIGEST}",)


def test_a_tag_names_the_image_it_was_pulled_for_last() -> None:
    images = Images()
    add(images, "app:1", A)
    add(images, "app:1", B)

    tags = {image.id: image.tags for image in images.all()}
    assert tags == {A: (), B: ("docker.io/library/app:1",)}
    assert images.find("app:1") == images.find(B)


def test_removal_by_one_tag_removes_all_of_them() -> None:
    images = Images()
    add(images, "a.example/app:1")
    add(images, "b.example/app:1")
    (image,) = images.all()

    change = images.remove(image)

    assert change.removed == (image,)
    assert not images.all()
    assert images.find("b.example/app:1") is None
    assert images.find("a" * 10) is None


def test_a_pinned_image_stays_pinned_when_it_is_pulled_again() -> None:
    images = Images()
    add(images, "pause:1", pinned=True)
    add(images, "pause:1")

    assert images.all()[0].pinned
