import pytest

from kubeletsim.base.duration import Duration
from kubeletsim.config.schema.host import HostFields
from kubeletsim.config.schema.kubelet import KubeletConfiguration
from kubeletsim.config.schema.structs import Taint, TracingConfiguration
from kubeletsim.config.schema.types import OneOf, Range, join_path, struct_of


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "text"),
    [
        (Range(1, 3), (1, 3), (0, 4), "must be between 1 and 3"),
        (Range(minimum=0), (0, 10**9), (-1,), "must be at least 0"),
        (Range(above=0, maximum=1.0), (0.1, 1.0), (0, 1.1, float("nan")), "must be greater than 0 and at most 1.0"),
        (Range(above=Duration()), (Duration(1),), (Duration(), Duration(-1)), "must be greater than 0s"),
    ],
)
def test_a_range_knows_its_inside_and_says_so(
    bounds: Range, inside: tuple[object, ...], outside: tuple[object, ...], text: str
) -> None:
    assert all(bounds.allows(value) for value in inside)
    assert not any(bounds.allows(value) for value in outside)
    assert str(bounds) == text


def test_a_closed_set_shows_the_empty_text() -> None:
    assert str(OneOf(("", "NoSwap"))) == 'must be one of "", NoSwap'


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        (("tracing", "endpoint"), "tracing.endpoint"),
        (("registerWithTaints", 0, "key"), "registerWithTaints[0].key"),
        (("evictionHard", "memory.available"), "evictionHard[memory.available]"),
        (("reservedMemory", 1, "limits", "hugepages-2Mi"), "reservedMemory[1].limits.hugepages-2Mi"),
        ((), ""),
    ],
)
def test_paths_are_written_as_kubernetes_writes_them(parts: tuple[str | int, ...], path: str) -> None:
    assert join_path(*parts) == path


def test_a_field_tells_which_struct_it_holds() -> None:
    fields = KubeletConfiguration.model_fields
    assert struct_of(fields["tracing"]) is TracingConfiguration
    assert struct_of(fields["registerWithTaints"]) is Taint
    assert struct_of(fields["clusterDNS"]) is None
    assert HostFields in KubeletConfiguration.__mro__
