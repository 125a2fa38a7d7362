from typing import Any

import pytest

from kubeletsim.base.duration import Duration
from kubeletsim.config.decode import decode, kind_faults
from kubeletsim.config.schema.kubelet import API_VERSION, KIND
from kubeletsim.model.quantity import Quantity


def faults(**document: Any) -> list[str]:
    decoded = decode(document)
    return [str(fault) for fault in (*decoded.unknown, *decoded.faults)]


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"port": "10250"}, "port: '10250': must be a whole number"),
        ({"port": 1.5}, "port: 1.5: must be a whole number"),
        ({"port": True}, "port: True: must be a whole number"),
        ({"port": 2**31}, f"port: {2**31}: must fit 32 bits"),
        ({"maxOpenFiles": 2**63}, f"maxOpenFiles: {2**63}: must fit 64 bits"),
        ({"failSwapOn": "false"}, "failSwapOn: 'false': must be true or false"),
        ({"failSwapOn": 0}, "failSwapOn: 0: must be true or false"),
        ({"address": 1}, "address: 1: must be a text; put it in quotes"),
        ({"address": {"a": 1}}, "address: must be a text, not a mapping"),
        ({"clusterDNS": "10.0.0.10"}, "clusterDNS: '10.0.0.10': must be a list"),
        ({"clusterDNS": {"a": "b"}}, "clusterDNS: must be a list, not a mapping"),
        ({"clusterDNS": ["a", 1]}, "clusterDNS[1]: 1: must be a text; put it in quotes"),
        ({"kubeReserved": {"cpu": 1}}, "kubeReserved.cpu: 1: must be a text; put it in quotes"),
        ({"kubeReserved": ["cpu"]}, "kubeReserved: must be a mapping, not a list"),
        (
            {"evictionHard": {"memory.available": 5}},
            "evictionHard[memory.available]: 5: must be a text; put it in quotes",
        ),
        ({"tracing": 1}, "tracing: 1: must be a mapping"),
        ({"memoryThrottlingFactor": "0.9"}, "memoryThrottlingFactor: '0.9': must be a number"),
        ({"syncFrequency": 10}, 'syncFrequency: 10: must be a duration in quotes, such as "1m30s"'),
        (
            {"syncFrequency": "10"},
            "syncFrequency: '10': must be a duration such as 1m30s: '10' lacks a unit (ns, us, ms, s, m or h)",
        ),
        ({"logging": {"flushFrequency": True}}, "must be a duration in quotes"),
        (
            {"reservedMemory": [{"limits": {"memory": "1Q"}}]},
            "reservedMemory[0].limits.memory: '1Q': must be a quantity",
        ),
        (
            {"reservedMemory": [{"limits": {"memory": True}}]},
            "reservedMemory[0].limits.memory: True: must be a quantity",
        ),
        ({"staticpodpath": "x"}, "staticpodpath: no such field; did you mean staticPodPath?"),
        ({"tracing": {"samplingRate": 1}}, "tracing.samplingRate: no such field"),
        (
            {"registerWithTaints": [{"key": "a", "efect": "b"}]},
            "registerWithTaints[0].efect: no such field; did you mean effect?",
        ),
        ({"logging": {"options": {"json": {"x": 1}}}}, "logging.options.json.x: no such field"),
    ],
)
def test_what_cannot_be_decoded_is_named_with_path_value_and_rule(document: dict[str, Any], complaint: str) -> None:
    found = faults(**document)
    assert len(found) == 1
    assert complaint in found[0]


def test_everything_wrong_is_found_at_once_and_the_rest_is_decoded() -> None:
    decoded = decode(
        {
            "port": "x",
            "maxPods": 7,
            "nope": 1,
            "authentication": {"webhook": {"enabled": 3, "cacheTTL": "1m"}, "nope": {}},
            "registerWithTaints": [{"key": "a", "nope": 1}, {"key": "b"}],
            "clusterDNS": ["ok", 3],
        }
    )
    assert {fault.path for fault in decoded.unknown} == {"nope", "authentication.nope", "registerWithTaints[0].nope"}
    assert {fault.path for fault in decoded.faults} == {"port", "authentication.webhook.enabled", "clusterDNS[1]"}
    config = decoded.config
    assert (config.port, config.maxPods) == (10250, 7)
    assert config.authentication.webhook.cacheTTL == Duration.of(minutes=1)
    assert [taint.key for taint in config.registerWithTaints] == ["a", "b"]
    assert config.clusterDNS == ()


def test_durations_and_quantities_arrive_as_values() -> None:
    config = decode(
        {
            "syncFrequency": "1.5h",
            "logging": {"flushFrequency": 5, "options": {"json": {"infoBufferSize": "1Ki"}}},
            "reservedMemory": [{"numaNode": 1, "limits": {"memory": 1.5, "hugepages-2Mi": "64Mi"}}],
        }
    ).config
    assert config.syncFrequency == Duration.of(hours=1.5)
    assert config.logging.flushFrequency == Duration(5)
    assert config.logging.options.json_.infoBufferSize == Quantity.of(1024)
    assert config.reservedMemory[0].limits == {
        "memory": Quantity.parse("1500m"),
        "hugepages-2Mi": Quantity.parse("64Mi"),
    }


def test_a_zero_flush_frequency_means_the_default_in_both_spellings() -> None:
    for zero in (0, "0s", "0"):
        assert decode({"logging": {"flushFrequency": zero}}).config.logging.flushFrequency == Duration.of(seconds=5)


def test_a_configuration_cannot_be_changed() -> None:
    config = decode({}).config
    with pytest.raises(ValueError, match="frozen"):
        config.port = 1


@pytest.mark.parametrize(
    ("document", "complaints"),
    [
        (None, ["document: is empty; must be a KubeletConfiguration of kubelet.config.k8s.io/v1beta1"]),
        ([1], ["document: must be a mapping: a KubeletConfiguration of kubelet.config.k8s.io/v1beta1"]),
        ({}, [f"apiVersion: must be {API_VERSION}", f"kind: must be {KIND}"]),
        ({"kind": KIND}, [f"apiVersion: must be {API_VERSION}"]),
        (
            {"apiVersion": "v1", "kind": "Pod"},
            [f"apiVersion: 'v1': must be {API_VERSION}", f"kind: 'Pod': must be {KIND}"],
        ),
        ({"apiVersion": API_VERSION, "kind": KIND}, []),
    ],
)
def test_only_a_kubelet_configuration_is_one(document: Any, complaints: list[str]) -> None:
    assert [str(fault) for fault in kind_faults(document)] == complaints
