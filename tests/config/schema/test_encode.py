from hypothesis import given

from kubeletsim.config.decode import decode
from kubeletsim.config.schema.encode import encode
from tests.strategies import kubelet_documents


@given(kubelet_documents())
def test_what_is_encoded_decodes_to_what_prints_the_same(document: dict[str, object]) -> None:
    decoded = decode(document)
    assert not decoded.faults
    printed = encode(decoded.config)
    again = decode(printed)
    assert not again.faults
    assert not again.unknown
    assert encode(again.config) == printed


def test_zero_values_are_left_out_as_go_leaves_them_out() -> None:
    printed = encode(decode({"clusterDNS": [], "rotateCertificates": False, "cgroupsPerQOS": False}).config)
    assert "clusterDNS" not in printed
    assert "rotateCertificates" not in printed
    assert printed["cgroupsPerQOS"] is False


def test_maps_are_printed_in_the_order_of_their_keys() -> None:
    printed = encode(decode({"kubeReserved": {"memory": "1Gi", "cpu": "1"}}).config)
    assert list(printed["kubeReserved"]) == ["cpu", "memory"]


def test_items_of_lists_print_what_has_no_omitempty() -> None:
    document = {
        "registerWithTaints": [{"key": "a"}],
        "shutdownGracePeriodByPodPriority": [{}],
        "reservedMemory": [{"limits": {"memory": "1024Mi"}}],
        "logging": {"vmodule": [{"filePattern": "a"}]},
    }
    printed = encode(decode(document).config)
    assert printed["registerWithTaints"] == [{"key": "a", "effect": ""}]
    assert printed["shutdownGracePeriodByPodPriority"] == [{"priority": 0, "shutdownGracePeriodSeconds": 0}]
    assert printed["reservedMemory"] == [{"numaNode": 0, "limits": {"memory": "1Gi"}}]
    assert printed["logging"]["vmodule"] == [{"filePattern": "a", "verbosity": 0}]
