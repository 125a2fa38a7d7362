"""Claims about which images need to be verified."""

import pytest

from kubeletsim.pods.images import Verification

ALLOWED = ("docker.io/library/busybox", "registry.example.com/team/*")


@pytest.mark.parametrize(
    ("policy", "ours", "preloaded"),
    [
        ("NeverVerify", False, False),
        ("NeverVerifyPreloadedImages", True, False),
        ("AlwaysVerify", True, True),
    ],
)
def test_a_policy_looks_at_who_brought_the_image(policy: str, ours: bool, preloaded: bool) -> None:
    verification = Verification(policy)

    assert verification.is_required("busybox", pulled_by_kubelet=True) is ours
    assert verification.is_required("busybox", pulled_by_kubelet=False) is preloaded


@pytest.mark.parametrize(
    ("image", "required"),
    [
        ("busybox", False),
        ("busybox:1.36", False),
        ("docker.io/library/busybox@sha256:" + "0" * 64, False),
        ("registry.example.com/team/app:1", False),
        ("registry.example.com/teams/app:1", True),
        ("registry.example.com/team", True),
        ("example.com/busybox", True),
        ("Not An Image", True),
    ],
)
def test_an_allowlist_names_images_whole_or_by_the_beginning(image: str, required: bool) -> None:
    verification = Verification("NeverVerifyAllowlistedImages", ALLOWED)

    assert verification.is_required(image, pulled_by_kubelet=True) is required
    assert verification.is_required(image, pulled_by_kubelet=False) is required
