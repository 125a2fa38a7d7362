"""The rules that `tests/config/test_fields.py` cannot read off the table: between fields, gates, the machine."""

from typing import Any

import pytest

from kubeletsim.config.decode import decode
from kubeletsim.config.schema.defaults import with_dependent_defaults
from kubeletsim.config.schema.validation import HostFacts, advise, check_startup, validate
from kubeletsim.model.errors import Fault


def faults(host: HostFacts | None = None, **document: Any) -> list[Fault]:
    decoded = decode(document)
    assert not decoded.faults
    config = with_dependent_defaults(decoded.config)
    return [*validate(config, host=host or HostFacts()), *check_startup(config), *advise(config)]


def paths(**document: Any) -> list[str]:
    return [fault.path for fault in faults(**document)]


def gate(name: str, on: bool, **document: Any) -> dict[str, Any]:
    return {"featureGates": {name: on}, **document}


SOUND = {
    "nothing": {},
    "critical pods within the whole": {"shutdownGracePeriod": "30s", "shutdownGracePeriodCriticalPods": "10s"},
    "shutdown by priority": {"shutdownGracePeriodByPodPriority": [{"priority": 1, "shutdownGracePeriodSeconds": 5}]},
    "parallel pulls": {"maxParallelImagePulls": 5},
    "one pull at a time": {"maxParallelImagePulls": 1, "serializeImagePulls": True},
    "no enforcement without cgroups": {"cgroupsPerQOS": False, "enforceNodeAllocatable": ["none"]},
    "nothing enforced without cgroups": {"cgroupsPerQOS": False, "enforceNodeAllocatable": []},
    "enforcement with cgroups": {
        "enforceNodeAllocatable": ["pods", "system-reserved", "kube-reserved-compressible"],
        "systemReservedCgroup": "/s",
        "kubeReservedCgroup": "/k",
    },
    "reserved CPUs": {"reservedSystemCPUs": "0-1,4"},
    "image ages": {"imageMinimumGCAge": "1m", "imageMaximumGCAge": "2m"},
    "system cgroups": {"systemCgroups": "/system", "cgroupRoot": "/"},
    "previous version": {"showHiddenMetricsForVersion": "1.35"},
    "allowlist": {
        "imagePullCredentialsVerificationPolicy": "NeverVerifyAllowlistedImages",
        "preloadedImagesVerificationAllowlist": ["registry.k8s.io/pause", "host:5000/team/*"],
    },
    "taints": {
        "registerWithTaints": [
            {"key": "example.com/dedicated", "value": "gpu", "effect": "NoSchedule"},
            {"key": "a"},
        ]
    },
    "reserved memory": {
        "reservedMemory": [{"limits": {"memory": "1Gi"}}, {"numaNode": 1, "limits": {"memory": "1Gi"}}]
    },
    "soft eviction": {
        "evictionSoft": {"memory.available": "1Gi"},
        "evictionSoftGracePeriod": {"memory.available": "1m"},
    },
    "eviction switched off": {"evictionHard": {"memory.available": "0%", "nodefs.available": "100%"}},
    "minimum reclaim": {"evictionMinimumReclaim": {"nodefs.available": "500Mi", "imagefs.available": "5%"}},
    "reservations": {"systemReserved": {"cpu": "100m", "pid": "100"}, "kubeReserved": {"ephemeral-storage": "1Gi"}},
    "log rotation off": {"containerLogMaxSize": "-1"},
    "quality of service": {"qosReserved": {"memory": "50%"}},
    "TLS": {
        "tlsMinVersion": "VersionTLS13",
        "tlsCipherSuites": ["TLS_AES_128_GCM_SHA256"],
        "tlsCurvePreferences": [29],
    },
    "CPU options": {"cpuManagerPolicy": "static", "cpuManagerPolicyOptions": {"full-pcpus-only": "true"}},
    "alpha CPU options": gate(
        "CPUManagerPolicyAlphaOptions",
        True,
        cpuManagerPolicy="static",
        cpuManagerPolicyOptions={"align-by-socket": "true"},
    ),
    "topology options": {"topologyManagerPolicyOptions": {"max-allowable-numa-nodes": "16"}},
    "user namespaces": {"userNamespaces": {"idsPerPod": 4294901760}},
    "alpha log options": gate("LoggingAlphaOptions", True, logging={"options": {"text": {"splitStream": True}}}),
    "per-file verbosity": {"logging": {"vmodule": [{"filePattern": "kubelet*", "verbosity": 4}]}},
    "memory tiers": gate("MemoryQoS", True, memoryReservationPolicy="TieredReservation"),
    "a runtime elsewhere": {"containerRuntimeEndpoint": "tcp://127.0.0.1:1234"},
    "a bare socket path": {"containerRuntimeEndpoint": "/run/x.sock"},
}

BROKEN = {
    "low above high": ({"imageGCLowThresholdPercent": 90}, ["imageGCLowThresholdPercent"]),
    "low equals high": ({"imageGCLowThresholdPercent": 85}, ["imageGCLowThresholdPercent"]),
    "maximum age within minimum": ({"imageMaximumGCAge": "2m"}, ["imageMaximumGCAge"]),
    "parallel but serial": ({"maxParallelImagePulls": 2, "serializeImagePulls": True}, ["maxParallelImagePulls"]),
    "critical above whole": (
        {"shutdownGracePeriod": "10s", "shutdownGracePeriodCriticalPods": "11s"},
        ["shutdownGracePeriodCriticalPods"],
    ),
    "shutdown under a second": ({"shutdownGracePeriod": "999ms"}, ["shutdownGracePeriod"]),
    "negative shutdown": ({"shutdownGracePeriodCriticalPods": "-1s"}, ["shutdownGracePeriodCriticalPods"]),
    "two kinds of shutdown": (
        {"shutdownGracePeriod": "10s", "shutdownGracePeriodByPodPriority": [{}]},
        ["shutdownGracePeriodByPodPriority"],
    ),
    "shutdown without gate": (
        {
            "featureGates": {
                "GracefulNodeShutdown": False,
                "GracefulNodeShutdownBasedOnPodPriority": False,
                "WindowsGracefulNodeShutdown": False,
            },
            "shutdownGracePeriod": "10s",
            "shutdownGracePeriodByPodPriority": [{}],
        },
        ["shutdownGracePeriod", "shutdownGracePeriodByPodPriority"],
    ),
    "enforcement without cgroups": ({"cgroupsPerQOS": False}, ["enforceNodeAllocatable[0]"]),
    "none with others": ({"enforceNodeAllocatable": ["none", "pods"]}, ["enforceNodeAllocatable[0]"]),
    "enforced twice": ({"enforceNodeAllocatable": ["pods", "pods"]}, ["enforceNodeAllocatable[1]"]),
    "no cgroup to enforce on": ({"enforceNodeAllocatable": ["kube-reserved"]}, ["enforceNodeAllocatable[0]"]),
    "plain and compressible": (
        {
            "enforceNodeAllocatable": ["system-reserved-compressible", "system-reserved"],
            "systemReservedCgroup": "/s",
        },
        ["enforceNodeAllocatable[0]"],
    ),
    "relative log directory": ({"podLogsDir": "logs"}, ["podLogsDir"]),
    "log directory with detours": ({"podLogsDir": "/var/../log"}, ["podLogsDir"]),
    "log directory with a trailing slash": ({"podLogsDir": "/var/log/pods/"}, ["podLogsDir"]),
    "log directory with two slashes": ({"podLogsDir": "//var/log"}, ["podLogsDir"]),
    "log directory beyond ASCII": ({"podLogsDir": "/var/logé"}, ["podLogsDir"]),
    "system cgroups without root": ({"systemCgroups": "/system"}, ["systemCgroups"]),
    "CPU list": ({"reservedSystemCPUs": "0-"}, ["reservedSystemCPUs"]),
    "CPU list beside cgroups": ({"reservedSystemCPUs": "0", "kubeReservedCgroup": "/k"}, ["reservedSystemCPUs"]),
    "run once": ({"runOnce": True}, ["runOnce"]),
    "server certificate without gate": (
        gate("RotateKubeletServerCertificate", False, serverTLSBootstrap=True),
        ["serverTLSBootstrap"],
    ),
    "CFS period without gate": (
        gate("CustomCPUCFSQuotaPeriod", False, cpuCFSQuotaPeriod="50ms"),
        ["cpuCFSQuotaPeriod"],
    ),
    "restart period without gate": (
        gate("KubeletCrashLoopBackOffMax", False, crashLoopBackOff={"maxContainerRestartPeriod": "1m"}),
        ["crashLoopBackOff.maxContainerRestartPeriod"],
    ),
    "credential policy without gate": (
        gate(
            "KubeletEnsureSecretPulledImages",
            False,
            imagePullCredentialsVerificationPolicy="AlwaysVerify",
            preloadedImagesVerificationAllowlist=["a"],
        ),
        ["imagePullCredentialsVerificationPolicy", "preloadedImagesVerificationAllowlist"],
    ),
    "allowlist without its policy": (
        {"preloadedImagesVerificationAllowlist": ["a"]},
        ["preloadedImagesVerificationAllowlist"],
    ),
    "allowlist patterns": (
        {
            "imagePullCredentialsVerificationPolicy": "NeverVerifyAllowlistedImages",
            "preloadedImagesVerificationAllowlist": ["a/b:1", "a*", "/*", "a b", "a@sha256:0", "ok"],
        },
        [f"preloadedImagesVerificationAllowlist[{number}]" for number in range(5)],
    ),
    "tiers without gate": ({"memoryReservationPolicy": "TieredReservation"}, ["memoryReservationPolicy"]),
    "log query without handler": (
        {"enableSystemLogQuery": True, "enableSystemLogHandler": False},
        ["enableSystemLogQuery"],
    ),
    "this very version": ({"showHiddenMetricsForVersion": "1.36"}, ["showHiddenMetricsForVersion"]),
    "taints": (
        {
            "registerWithTaints": [
                {"key": ""},
                {"key": "A_B/c"},
                {"key": "a", "value": "-"},
                {"key": "a", "effect": "Never"},
                {"key": "a", "timeAdded": "2026-01-01T00:00:00Z"},
            ]
        },
        [
            "registerWithTaints[3].effect",
            "registerWithTaints[0].key",
            "registerWithTaints[1].key",
            "registerWithTaints[2].value",
            "registerWithTaints[4].timeAdded",
        ],
    ),
    "reserved memory": (
        {
            "reservedMemory": [
                {"limits": {"cpu": "1", "memory": "0"}},
                {"limits": {"memory": "1Gi"}},
                {"numaNode": 1, "limits": {"memory": "1Gi"}},
            ]
        },
        ["reservedMemory[0].limits.cpu", "reservedMemory[0].limits.memory", "reservedMemory[1].limits.memory"],
    ),
    "log options without gate": (
        {"logging": {"options": {"json": {"splitStream": True}, "text": {"infoBufferSize": "1Ki"}}}},
        ["logging.options.text.infoBufferSize", "logging.options.json.splitStream"],
    ),
    "file verbosity of JSON": ({"logging": {"format": "json", "vmodule": [{"filePattern": "a"}]}}, ["logging.vmodule"]),
    "file patterns": (
        {"logging": {"vmodule": [{"filePattern": "a=b"}, {"filePattern": "a,b"}, {"filePattern": ""}]}},
        [f"logging.vmodule[{number}].filePattern" for number in range(3)],
    ),
    "ids per pod": ({"userNamespaces": {"idsPerPod": 65537}}, ["userNamespaces.idsPerPod"]),
    "soft eviction without grace": ({"evictionSoft": {"memory.available": "1Gi"}}, ["evictionSoft[memory.available]"]),
    "eviction signals": (
        {"evictionHard": {"memory.free": "1Gi", "memory.available": "-1"}},
        ["evictionHard[memory.free]", "evictionHard[memory.available]"],
    ),
    "reservations": (
        {"systemReserved": {"gpu": "1", "cpu": "-1", "memory": "lots"}},
        ["systemReserved.gpu", "systemReserved.cpu", "systemReserved.memory"],
    ),
    "log size": ({"containerLogMaxSize": "big"}, ["containerLogMaxSize"]),
    "quality of service": (
        {"qosReserved": {"cpu": "50%", "memory": "half"}},
        ["qosReserved.cpu", "qosReserved.memory"],
    ),
    "TLS": (
        {"tlsMinVersion": "TLS1.2", "tlsCipherSuites": ["TLS_X"], "tlsCurvePreferences": [1]},
        ["tlsCipherSuites[0]", "tlsCurvePreferences[0]", "tlsMinVersion"],
    ),
    "CPU options of no policy": ({"cpuManagerPolicyOptions": {"full-pcpus-only": "true"}}, ["cpuManagerPolicyOptions"]),
    "CPU options": (
        {
            "cpuManagerPolicy": "static",
            "cpuManagerPolicyOptions": {"nope": "true", "align-by-socket": "true", "full-pcpus-only": "maybe"},
        },
        [f"cpuManagerPolicyOptions.{name}" for name in ("nope", "align-by-socket", "full-pcpus-only")],
    ),
    "topology options": (
        {"topologyManagerPolicyOptions": {"max-allowable-numa-nodes": "7", "prefer-closest-numa-nodes": "x"}},
        [
            "topologyManagerPolicyOptions.max-allowable-numa-nodes",
            "topologyManagerPolicyOptions.prefer-closest-numa-nodes",
        ],
    ),
    "a socket nobody dials": ({"imageServiceEndpoint": "http://127.0.0.1"}, ["imageServiceEndpoint"]),
}


@pytest.mark.parametrize("document", SOUND.values(), ids=SOUND)
def test_sound_configurations_pass(document: dict[str, Any]) -> None:
    assert faults(**document) == []


@pytest.mark.parametrize(("document", "expected"), BROKEN.values(), ids=BROKEN)
def test_each_broken_rule_is_named_with_its_path(document: dict[str, Any], expected: list[str]) -> None:
    assert paths(**document) == expected


@pytest.mark.parametrize(
    "endpoint",
    [
        "localhost:4317",
        "10.0.0.1:4317",
        "[::1]:4317",
        "host",
        "dns:///host:4317",
        "dns://host:4317",
        "unix:///abs/sock",
        "unix:/abs/sock",
        "unix://rel/sock",
        "unix-abstract:name//x",
        "DNS:///host",
        "",
    ],
)
def test_tracing_endpoints_that_upstream_takes_are_taken(endpoint: str) -> None:
    assert faults(tracing={"endpoint": endpoint}) == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://host:4317",
        "https://h",
        "tcp://h:1",
        "grpc://h",
        "//h",
        "host:abc",
        "unix:rel",
        "dns:///%zz",
        "a b",
        "[::1",
    ],
)
def test_tracing_endpoints_that_upstream_refuses_are_refused(endpoint: str) -> None:
    assert [fault.path for fault in faults(tracing={"endpoint": endpoint})] == ["tracing.endpoint"]


def test_a_required_value_taken_away_is_missed() -> None:
    config = with_dependent_defaults(decode({"featureGates": {"MemoryQoS": True}}).config)
    bare = config.model_copy(
        update={
            "memoryThrottlingFactor": None,
            "containerRuntimeEndpoint": "",
            "crashLoopBackOff": config.crashLoopBackOff.model_copy(update={"maxContainerRestartPeriod": None}),
        }
    )
    assert {fault.path for fault in validate(bare, host=HostFacts())} == {
        "memoryThrottlingFactor",
        "containerRuntimeEndpoint",
        "crashLoopBackOff.maxContainerRestartPeriod",
    }


def test_a_neutral_machine_refuses_nothing_and_a_real_one_does() -> None:
    assert faults() == []
    old = HostFacts(cgroup_version=1, swap_enabled=True)
    assert [fault.path for fault in faults(host=old, singleProcessOOMKill=False)] == [
        "failCgroupV1",
        "singleProcessOOMKill",
        "failSwapOn",
    ]
    assert faults(host=old, failCgroupV1=False, failSwapOn=False) == []


def test_webhooks_need_an_api_client() -> None:
    config = with_dependent_defaults(decode({}).config)
    assert [fault.path for fault in check_startup(config, has_api_client=False)] == [
        "authentication.webhook.enabled",
        "authorization.mode",
    ]
    assert list(check_startup(config, has_api_client=True)) == []
