"""From plain values to a Pod."""

from typing import Any

import pytest

from kubeletsim.model.errors import ManifestError
from kubeletsim.model.pod import decode_pod, pod_json


def manifest(**parts: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", **parts}


def of_container(**fields: Any) -> dict[str, Any]:
    return manifest(spec={"containers": [{"name": "a", **fields}]})


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (None, "no Pod here: the document is empty"),
        (["a"], "no Pod here: not a mapping"),
        ({"kind": "Pod"}, "apiVersion: must be given: v1"),
        ({"apiVersion": "v1", "kind": "Deployment"}, "kind: 'Deployment': must be Pod"),
        (manifest(spec={}), "spec.containers: must be given"),
        (manifest(spec={"containers": {}}), "spec.containers: must be a list, not a mapping"),
        (manifest(spec={"containers": [{"image": "a"}]}), "spec.containers[0].name: must be given"),
        (of_container(stdin="true"), "spec.containers[0].stdin: must be true or false, not a string"),
        (
            of_container(env=[{"name": "A"}, {"name": "B", "value": 1}]),
            "spec.containers[0].env[1].value: must be a string, not a whole number",
        ),
        (
            of_container(livenessProbe={"httpGet": {"port": 1.5}}),
            "spec.containers[0].livenessProbe.httpGet.port: must be a whole number or a string, not a number",
        ),
        (manifest(metadata={"labels": {"tier": 1}}), "metadata.labels[tier]: 1: must be a string: quote it"),
        (
            manifest(metadata={"creationTimestamp": "yesterday"}),
            "metadata.creationTimestamp: invalid RFC3339 encoded datetime",
        ),
    ],
)
def test_what_is_no_pod_is_refused_with_its_path(document, complaint):
    with pytest.raises(ManifestError) as refused:
        decode_pod(document)

    assert str(refused.value) == complaint


def test_unknown_fields_and_nulls_are_ignored():
    pod = decode_pod(
        manifest(metadata=None, spec={"containers": [{"name": "a", "env": None, "colour": "red"}]}, extra=1)
    )

    assert pod_json(pod) == manifest(spec={"containers": [{"name": "a"}]})


def test_a_manifests_status_is_not_taken():
    assert decode_pod(manifest(spec={"containers": []}, status={"phase": 7})).status is None


@pytest.mark.parametrize(
    ("written", "shown"), [(1, "1"), (0.5, "500m"), ("1024Mi", "1Gi"), ("0.1", "100m"), ("x", "x")]
)
def test_quantities_may_be_numbers_and_come_out_canonical(written, shown):
    pod = decode_pod(of_container(resources={"limits": {"memory": written}, "requests": {"cpu": written}}))

    assert pod.spec.containers[0].resources.limits == {"memory": shown}
    assert pod.spec.containers[0].resources.requests == {"cpu": shown}


def test_single_quantities_may_be_numbers_too():
    selector = {"resourceFieldRef": {"resource": "limits.cpu", "divisor": 1}}
    document = of_container(env=[{"name": "CPUS", "valueFrom": selector}])
    document["spec"]["volumes"] = [{"name": "cache", "emptyDir": {"sizeLimit": 1048576}}]
    pod = decode_pod(document)

    assert pod.spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor == "1"
    assert pod.spec.volumes[0].emptyDir.sizeLimit == "1048576"


def test_times_are_shown_in_rfc_3339():
    document = manifest(metadata={"creationTimestamp": "2026-01-02T03:04:05Z"})

    assert pod_json(decode_pod(document)) == document
