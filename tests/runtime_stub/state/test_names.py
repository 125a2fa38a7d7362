"""A name belongs to one id until it is released."""

import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.state.names import NameReserved, Names, container_name, sandbox_name

POD = pb.PodSandboxMetadata(name="web", namespace="default", uid="u1", attempt=2)


def test_names_join_what_makes_them_unique() -> None:
    assert sandbox_name(POD) == "web_default_u1_2"
    assert container_name(pb.ContainerMetadata(name="app", attempt=3), POD) == "app_web_default_u1_3"


def test_a_reserved_name_is_refused_to_another_and_granted_again_to_its_holder() -> None:
    names = Names()
    names.reserve("n", "a")
    names.reserve("n", "a")

    with pytest.raises(NameReserved) as refused:
        names.reserve("n", "b")
    assert (refused.value.name, refused.value.holder) == ("n", "a")


def test_a_released_name_is_free() -> None:
    names = Names()
    names.reserve("n", "a")
    names.release("a")
    names.release("a")

    names.reserve("n", "b")
