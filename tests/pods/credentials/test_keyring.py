"""Claims about the keyring: which credentials fit an image, and in which order they are tried."""

import pytest

from kubeletsim.pods.credentials import Keyring, Login, location_matches

A, B, C = Login("a", "1"), Login("b", "2"), Login("c", "3")


@pytest.mark.parametrize(
    ("pattern", "location", "matches"),
    [
        ("docker.io", "docker.io/library/busybox", True),
        ("*.docker.io", "blah.docker.io/x", True),
        ("*.docker.io", "docker.io/x", False),
        ("*.*.docker.io", "a.b.docker.io/x", True),
        ("gcr.io:8080", "gcr.io:8080/x", True),
        ("gcr.io:8080", "gcr.io/x", False),
        ("gcr.io", "gcr.io:8080/x", False),
        ("gcr.io/team", "gcr.io/team/app", True),
        ("gcr.io/team", "gcr.io/other/app", False),
        ("reg*.io", "registry.io/x", True),
        ("[::1]:5000", "[::1]:5000/x", True),
        ("[::1", "x", False),
    ],
)
def test_a_place_covers_hosts_part_by_part_and_paths_by_their_beginning(
    pattern: str, location: str, matches: bool
) -> None:
    assert location_matches(pattern, location) is matches


def test_the_more_specific_place_comes_first_and_all_that_fit_are_given() -> None:
    keyring = Keyring({"quay.io": A, "quay.io/coreos": B, "gcr.io": C})

    assert keyring.lookup("quay.io/coreos/etcd") == [B, A]
    assert keyring.lookup("quay.io/other/etcd") == [A]
    assert keyring.lookup("ghcr.io/x") == []


@pytest.mark.parametrize(
    "place", ["https://gcr.io/v1/", "https://gcr.io/v2/", "http://gcr.io", "https://gcr.io/", "gcr.io", "gcr.io/v1/"]
)
def test_scheme_and_api_path_do_not_count(place: str) -> None:
    assert Keyring({place: A}).lookup("gcr.io/team/app") == [A]


def test_images_of_the_default_registry_find_it_by_its_old_name() -> None:
    keyring = Keyring({"https://index.docker.io/v1/": A})

    assert keyring.lookup("docker.io/library/busybox") == [A]
    assert keyring.lookup("gcr.io/team/app") == []


def test_of_two_files_that_know_one_place_the_first_is_tried_first() -> None:
    assert Keyring({"gcr.io": A}, {"gcr.io": B}).lookup("gcr.io/x") == [A, B]


def test_a_place_that_is_none_is_left_out() -> None:
    assert Keyring({"[::1": A, "gcr.io": B}).lookup("gcr.io/x") == [B]


def test_a_login_does_not_show_its_password() -> None:
    assert "topsecret" not in repr(Login("a", "topsecret"))
