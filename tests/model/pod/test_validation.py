"""What a node refuses, and how it says so."""

from typing import Any

import pytest

from kubeletsim.model.errors import ManifestError
from kubeletsim.model.pod import set_defaults, validate, validate_static
from tests.fakes.pods import container, make_pod, sidecar

PROBE = {"exec": {"command": ["true"]}}


def paths(pod) -> list[str]:
    return [fault.path for fault in validate(set_defaults(pod))]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": "App"}, "spec.containers[0].name"),
        ({"image": ""}, "spec.containers[0].image"),
        ({"image": " web"}, "spec.containers[0].image"),
        ({"imagePullPolicy": "Sometimes"}, "spec.containers[0].imagePullPolicy"),
        ({"terminationMessagePolicy": "Shout"}, "spec.containers[0].terminationMessagePolicy"),
        ({"restartPolicy": "Maybe"}, "spec.containers[0].restartPolicy"),
        ({"ports": [{"containerPort": 0}]}, "spec.containers[0].ports[0].containerPort"),
        ({"ports": [{"containerPort": 70000}]}, "spec.containers[0].ports[0].containerPort"),
        ({"ports": [{"containerPort": 80, "protocol": "ICMP"}]}, "spec.containers[0].ports[0].protocol"),
        ({"ports": [{"containerPort": 80, "name": "Web_Port"}]}, "spec.containers[0].ports[0].name"),
        ({"ports": [{"containerPort": 80, "hostIP": "here"}]}, "spec.containers[0].ports[0].hostIP"),
        ({"env": [{"name": "A=B"}]}, "spec.containers[0].env[0].name"),
        ({"env": [{"name": "A", "valueFrom": {}}]}, "spec.containers[0].env[0].valueFrom"),
        ({"resources": {"limits": {"cpu": "lots"}}}, "spec.containers[0].resources.limits[cpu]"),
        ({"resources": {"requests": {"cpu": "-1"}}}, "spec.containers[0].resources.requests[cpu]"),
        (
            {"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}},
            "spec.containers[0].resources.requests[cpu]",
        ),
        (
            {"resources": {"limits": {"hugepages-2Mi": "4Mi"}, "requests": {"hugepages-2Mi": "2Mi"}}},
            "spec.containers[0].resources.requests[hugepages-2Mi]",
        ),
        ({"volumeMounts": [{"name": "no", "mountPath": "/x"}]}, "spec.containers[0].volumeMounts[0].name"),
        ({"livenessProbe": {}}, "spec.containers[0].livenessProbe"),
        ({"livenessProbe": {"exec": {}}}, "spec.containers[0].livenessProbe.exec.command"),
        ({"livenessProbe": {**PROBE, "periodSeconds": -1}}, "spec.containers[0].livenessProbe.periodSeconds"),
        ({"livenessProbe": {**PROBE, "successThreshold": 2}}, "spec.containers[0].livenessProbe.successThreshold"),
        ({"startupProbe": {"grpc": {"port": 0}}}, "spec.containers[0].startupProbe.grpc.port"),
        ({"readinessProbe": {"httpGet": {"port": "Web!"}}}, "spec.containers[0].readinessProbe.httpGet.port"),
        ({"lifecycle": {"preStop": {}}}, "spec.containers[0].lifecycle.preStop"),
        (
            {"lifecycle": {"postStart": {"sleep": {"seconds": -1}}}},
            "spec.containers[0].lifecycle.postStart.sleep.seconds",
        ),
        ({"securityContext": {"runAsUser": -1}}, "spec.containers[0].securityContext.runAsUser"),
        ({"securityContext": {"procMount": "Half"}}, "spec.containers[0].securityContext.procMount"),
        (
            {"securityContext": {"privileged": True, "allowPrivilegeEscalation": False}},
            "spec.containers[0].securityContext.allowPrivilegeEscalation",
        ),
        (
            {"securityContext": {"seccompProfile": {"type": "Localhost"}}},
            "spec.containers[0].securityContext.seccompProfile.localhostProfile",
        ),
        ({"restartPolicyRules": [{"action": "Restart"}]}, "spec.containers[0].restartPolicy"),
    ],
)
def test_a_fault_of_a_container_is_named_with_its_path(fields: dict[str, Any], path: str):
    pod = make_pod({**container("app"), **fields}, hostNetwork=False)

    assert path in paths(pod)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"restartPolicy": "Perhaps"}, "spec.restartPolicy"),
        ({"dnsPolicy": "Guess"}, "spec.dnsPolicy"),
        ({"dnsPolicy": "None"}, "spec.dnsConfig.nameservers"),
        ({"dnsConfig": {"nameservers": ["10.0.0.300"]}}, "spec.dnsConfig.nameservers[0]"),
        ({"dnsConfig": {"nameservers": ["10.0.0.1"] * 4}}, "spec.dnsConfig.nameservers"),
        ({"hostname": "web.local"}, "spec.hostname"),
        ({"hostnameOverride": "x" * 65, "hostNetwork": False}, "spec.hostnameOverride"),
        ({"terminationGracePeriodSeconds": -1}, "spec.terminationGracePeriodSeconds"),
        ({"activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds"),
        ({"os": {"name": "plan9"}}, "spec.os.name"),
        ({"hostPID": True, "shareProcessNamespace": True}, "spec.shareProcessNamespace"),
        ({"hostUsers": False}, "spec.hostNetwork"),
        ({"hostAliases": [{"ip": "nowhere"}]}, "spec.hostAliases[0].ip"),
        ({"securityContext": {"sysctls": [{"name": "Net!", "value": "1"}]}}, "spec.securityContext.sysctls[0].name"),
        (
            {"hostNetwork": True, "securityContext": {"sysctls": [{"name": "net/core/somaxconn", "value": "1"}]}},
            "spec.securityContext.sysctls[0].name",
        ),
        (
            {"hostIPC": True, "securityContext": {"sysctls": [{"name": "kernel.shmmax", "value": "1"}]}},
            "spec.securityContext.sysctls[0].name",
        ),
        ({"volumes": [{"name": "a"}, {"name": "a"}]}, "spec.volumes[1].name"),
        ({"volumes": [{"name": "a", "emptyDir": {}, "hostPath": {"path": "/x"}}]}, "spec.volumes[0]"),
        ({"volumes": [{"name": "a", "hostPath": {"path": "/x/../y"}}]}, "spec.volumes[0].hostPath.path"),
        ({"volumes": [{"name": "a", "hostPath": {"path": "/x", "type": "Dir"}}]}, "spec.volumes[0].hostPath.type"),
        ({"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "big"}}]}, "spec.volumes[0].emptyDir.sizeLimit"),
        (
            {"volumes": [{"name": "a", "downwardAPI": {"items": [{"path": "/x"}]}}]},
            "spec.volumes[0].downwardAPI.items[0].path",
        ),
    ],
)
def test_a_fault_of_a_pod_is_named_with_its_path(spec: dict[str, Any], path: str):
    assert path in paths(make_pod(**spec))


def test_every_fault_is_listed_and_not_only_the_first():
    pod = make_pod(container("a", image=""), container("a"), restartPolicy="Perhaps")

    assert paths(pod) == ["spec.restartPolicy", "spec.containers[0].image", "spec.containers[1].name"]


def test_names_are_unique_over_init_and_regular_containers():
    assert paths(make_pod(container("a"), init=[container("a")])) == ["spec.containers[0].name"]


def test_only_sidecars_among_init_containers_may_have_probes_and_hooks():
    hooks = {"preStop": PROBE}
    plain = make_pod(init=[container("i", livenessProbe=PROBE, lifecycle=hooks)])
    helper = make_pod(init=[sidecar("s", livenessProbe=PROBE, lifecycle=hooks)])

    assert paths(plain) == ["spec.initContainers[0].livenessProbe", "spec.initContainers[0].lifecycle"]
    assert paths(helper) == []


def test_two_containers_cannot_have_one_port_of_the_host():
    port = {"ports": [{"containerPort": 80}]}
    apart = {"ports": [{"containerPort": 80, "protocol": "UDP"}]}

    assert paths(make_pod(container("a", **port), container("b", **port))) == ["spec.containers[1].ports[0].hostPort"]
    assert paths(make_pod(container("a", **port), container("b", **apart))) == []


def test_on_the_hosts_network_there_is_no_other_host_port():
    pod = make_pod(container("a", ports=[{"containerPort": 80, "hostPort": 81}]), hostNetwork=True)

    assert paths(pod) == ["spec.containers[0].ports[0].hostPort"]


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"name": "Web"}, "metadata.name"),
        ({"name": None}, "metadata.name"),
        ({"namespace": "a.b"}, "metadata.namespace"),
        ({"uid": "../../etc"}, "metadata.uid"),
        ({"labels": {"-a": "b"}}, "metadata.labels[-a]"),
        ({"labels": {"a": "b c"}}, "metadata.labels[a]"),
        ({"labels": {"Example.com/a": "b"}}, "metadata.labels[Example.com/a]"),
        ({"annotations": {"a b": ""}}, "metadata.annotations[a b]"),
        ({"annotations": {"a": "x" * 300_000}}, "metadata.annotations"),
    ],
)
def test_a_fault_of_the_metadata_is_named_with_its_path(metadata: dict[str, Any], path: str):
    pod = set_defaults(make_pod())
    for field, value in metadata.items():
        setattr(pod.metadata, field, value)

    assert [fault.path for fault in validate(pod)] == [path]


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"serviceAccountName": "me"}, "spec.serviceAccountName: must not be given: static pods may not reference"),
        ({"imagePullSecrets": [{"name": "s"}]}, "spec.imagePullSecrets: must not be given"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "spec.volumes[0].secret: must not be given"),
        ({"volumes": [{"name": "v", "configMap": {"name": "c"}}]}, "may not reference ConfigMaps"),
        (
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
            "may not reference PersistentVolumeClaims",
        ),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            "spec.volumes[0].projected.sources[0].serviceAccountToken: must not be given",
        ),
        ({"ephemeralContainers": [container("debug")]}, "spec.ephemeralContainers: must not be given"),
    ],
)
def test_a_static_pod_may_not_need_an_api_server(spec: dict[str, Any], complaint: str):
    pod = set_defaults(make_pod(**spec))

    assert validate(pod) == []
    with pytest.raises(ManifestError) as refused:
        validate_static(pod)
    assert complaint in str(refused.value)


@pytest.mark.parametrize("source", [{"secretKeyRef": {"name": "s", "key": "k"}}, {"configMapKeyRef": {"key": "k"}}])
def test_a_static_pods_environment_may_not_need_an_api_server(source: dict[str, Any]):
    pod = set_defaults(make_pod(container("app", env=[{"name": "A", "valueFrom": source}])))

    with pytest.raises(ManifestError, match="container app: env A: must not be given: static pods may not reference"):
        validate_static(pod)


def test_a_field_the_downward_api_does_not_know_is_refused():
    pod = make_pod(container("app", env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.colour"}}}]))

    assert paths(pod) == ["spec.containers[0].env[0].valueFrom.fieldRef.fieldPath"]


@pytest.mark.parametrize("field", ["metadata.labels['app']", "metadata.annotations['a.b/c']", "status.podIPs"])
def test_a_field_the_downward_api_knows_is_accepted(field: str):
    pod = make_pod(container("app", env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": field}}}]))

    assert paths(pod) == []
