"""From a manifest's text to a static pod."""

import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.base.go_yaml import GoDumper
from kubeletsim.model.errors import ManifestError
from kubeletsim.model.pod import pod_uid
from kubeletsim.pods.sources.manifest import decode_manifest, fnv1a_128, parse_document
from tests.strategies import manifests

MINIMAL = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "a", "image": "i:1"}]},
}


def decode(manifest, *, node_name="Node-1", source="file", location="/manifests/web.yaml"):
    content = manifest if isinstance(manifest, bytes) else yaml.dump(manifest, Dumper=GoDumper).encode()
    return decode_manifest(content, node_name=node_name, source=source, location=location)


def uid(manifest, **place):
    return pod_uid(decode(manifest, **place))


def test_a_static_pod_is_named_after_its_node_and_bound_to_it():
    pod = decode(MINIMAL)

    assert (pod.metadata.name, pod.metadata.namespace, pod.spec.nodeName) == ("web-node-1", "default", "Node-1")
    assert pod.status.phase == "Pending"
    assert pod.metadata.annotations == {"kubernetes.io/config.hash": pod.metadata.uid}
    assert re.fullmatch(r"[0-9a-f]{32}", pod.metadata.uid)


def test_a_manifest_from_a_file_tolerates_every_eviction_and_one_from_a_url_does_not():
    tolerations = decode(MINIMAL).spec.tolerations

    assert [(one.operator, one.effect) for one in tolerations] == [("Exists", "NoExecute")]
    assert decode(MINIMAL, source="http", location="http://192.0.2.1/").spec.tolerations is None


def test_a_manifests_own_namespace_and_uid_are_kept():
    pod = decode({**MINIMAL, "metadata": {"name": "web", "namespace": "kube-system", "uid": "mine"}})

    assert (pod.metadata.namespace, pod.metadata.uid) == ("kube-system", "mine")
    assert pod.metadata.annotations == {"kubernetes.io/config.hash": "mine"}


@given(manifests())
def test_the_same_manifest_at_the_same_place_keeps_its_uid_in_any_spelling(manifest):
    as_json = json.dumps(manifest, indent=1).encode()
    reordered = json.dumps(manifest, sort_keys=True).encode()
    as_yaml = b"# a comment\n" + yaml.dump(manifest, Dumper=GoDumper).encode()

    assert uid(as_json) == uid(reordered) == uid(as_yaml)


@given(manifests(), st.sampled_from(["image", "label", "grace", "command"]))
def test_any_edit_gives_another_uid(manifest, edit):
    edited = json.loads(json.dumps(manifest))
    match edit:
        case "image":
            edited["spec"]["containers"][0]["image"] += "x" if ":" in edited["spec"]["containers"][0]["image"] else ":x"
        case "label":
            edited["metadata"]["labels"]["edited"] = "yes"
        case "grace":
            edited["spec"]["terminationGracePeriodSeconds"] = (
                manifest["spec"].get("terminationGracePeriodSeconds", 30) + 1
            )
        case "command":
            edited["spec"]["containers"][0]["command"] = ["edited"]
    if "@" in edited["spec"]["containers"][0]["image"] and edit == "image":
        edited["spec"]["containers"][0]["image"] = "other:1"

    assert uid(edited) != uid(manifest)


def test_the_same_manifest_elsewhere_has_another_uid():
    places = [{}, {"node_name": "Node-2"}, {"location": "/manifests/copy.yaml"}, {"source": "http"}]

    assert len({uid(MINIMAL, **place) for place in places}) == len(places)


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_hashing_in_parts_is_hashing_the_whole(left, right):
    assert fnv1a_128(left, right) == fnv1a_128(left + right)


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", 0x6C62272E07BB014262B821756295C58D), (b"a", 0xD228CB696F1A8CAF78912B704E4A8964)],
)
def test_the_hash_is_fnv_1a_of_128_bits(data, expected):
    assert fnv1a_128(data) == expected


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no Pod here: the document is empty"),
        (b"# nothing\n", "no Pod here: the document is empty"),
        (b"\xff", "not UTF-8: byte 0 is 0xff"),
        (b"spec: [\n", "neither YAML nor JSON: line 2, column 1"),
        (b'{"apiVersion": "v1",', "neither YAML nor JSON: line 1, column 21"),
        (b"a: \x00", "neither YAML nor JSON"),
        (b"- a\n", "no Pod here: not a mapping"),
        (b"kind: Pod\n", "apiVersion: must be given: v1"),
        (b"&a [*a]", "too large or too deep"),
        (b"{" * 5000, "too large or too deep"),
        (b"[" * 100_000, "too large or too deep"),
        (b"apiVersion: v1\nkind: Pod\nspec: {containers: []}\n", "metadata.name: must be given"),
        (
            b"apiVersion: v1\nkind: Pod\nmetadata: {name: UPPER}\nspec: {containers: [{name: a, image: b}]}\n",
            "metadata.name: 'UPPER-node-1': must be an RFC 1123 subdomain",
        ),
        (
            b"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {serviceAccountName: s, containers: [{name: a}]}\n",
            "spec.containers[0].image: must be given; spec.serviceAccountName: must not be given",
        ),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_in_one_line(content, complaint):
    with pytest.raises(ManifestError) as refused:
        decode(content)

    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_few_aliases_do_not_fill_the_memory():
    bomb = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n".encode()
        for before, name in zip("abcdefghi", "bcdefghij", strict=True)
    )

    with pytest.raises(ManifestError, match="too large or too deep"):
        decode(bomb)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02", "2026-01-02"),
        ("12:30:45", "12:30:45"),
        ("0644", 0o644),
        ("0x10", 16),
        ("-7", -7),
        ("1_000", 1000),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.2.3", "1.2.3"),
        ("100m", "100m"),
        ("yes", True),
        ("~", None),
        ("'5'", "5"),
    ],
)
def test_scalars_are_read_as_gos_parser_reads_them(text, value):
    assert parse_document(f"a: {text}\n".encode()) == {"a": value}


def test_only_the_first_document_counts():
    assert parse_document(b"---\na: 1\n---\nb: [\n") == {"a": 1}


def test_a_json_manifest_may_be_written_as_yaml_flow_too():
    assert parse_document(b'{"a": 1}') == parse_document(b"{a: 1} # not JSON") == {"a": 1}


def test_references_to_api_objects_are_let_through_where_that_is_asked_for():
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "app", "image": "a:1"}], "imagePullSecrets": [{"name": "regcred"}]},
    }
    content = json.dumps(manifest).encode()
    place = {"node_name": "vm", "source": "file", "location": "/manifests/web.yaml"}

    with pytest.raises(ManifestError, match="static pods may not reference Secrets"):
        decode_manifest(content, **place)
    assert decode_manifest(content, **place, may_reference_api=True).spec.imagePullSecrets[0].name == "regcred"
