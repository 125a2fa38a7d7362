"""Claims about records of pulls: they read as a kubelet's, and a kubelet's are understood."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.pods.images.records import (
    NODE_WIDE,
    PullCredentials,
    PulledRecord,
    RecordError,
    decode_intent,
    decode_pulled,
    encode_intent,
    encode_pulled,
)

NAME = "docker.io/library/busybox"
SECRET = {"uid": "u", "namespace": "default", "name": "pull-secret", "credentialHash": "h"}
texts = st.text(st.characters(codec="utf-8"), max_size=20)
credentials = st.one_of(st.just(NODE_WIDE), st.just(PullCredentials(holders={"kubernetesSecrets": [SECRET]})))
records = st.builds(
    PulledRecord,
    image_ref=texts,
    last_updated_at=st.integers(0, 2**32).map(float),
    credentials=st.dictionaries(texts, credentials, max_size=3),
)


def test_an_intent_is_written_as_a_kubelet_writes_it() -> None:
    assert encode_intent("busybox:1") == (
        b'{"kind":"ImagePullIntent","apiVersion":"kubelet.config.k8s.io/v1beta1","image":"busybox:1"}\n'
    )


def test_a_pulled_record_is_written_as_a_kubelet_writes_it() -> None:
    record = PulledRecord(image_ref="sha256:1", last_updated_at=1_729_513_600.7, credentials={NAME: NODE_WIDE})

    assert encode_pulled(record) == (
        b'{"kind":"ImagePulledRecord","apiVersion":"kubelet.config.k8s.io/v1beta1",'
        b'"lastUpdatedTime":"2024-10-21T12:26:40Z","imageRef":"sha256:1",'
        b'"credentialMapping":{"docker.io/library/busybox":{"nodePodsAccessible":true}}}\n'
    )


@given(records)
def test_what_is_written_is_what_is_read(record: PulledRecord) -> None:
    assert decode_pulled(encode_pulled(record)) == record


@given(texts)
def test_an_intent_is_read_back(image: str) -> None:
    assert decode_intent(encode_intent(image)) == image


def test_the_older_version_is_understood() -> None:
    document = {
        "kind": "ImagePulledRecord",
        "apiVersion": "kubelet.config.k8s.io/v1alpha1",
        "lastUpdatedTime": "2024-10-21T12:26:40Z",
        "imageRef": "sha256:1",
        "credentialMapping": {NAME: {"kubernetesSecrets": [SECRET]}},
    }

    record = decode_pulled(json.dumps(document).encode())

    assert record.credentials[NAME].holders == {"kubernetesSecrets": [SECRET]}
    assert not record.credentials[NAME].node_pods_accessible


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"kind": "Pod"}',
        b'{"kind": "ImagePulledRecord", "apiVersion": "v1"}',
        b'{"kind": "ImagePulledRecord", "apiVersion": "kubelet.config.k8s.io/v1beta1", "more": 1}',
        b'{"kind": "ImagePulledRecord", "apiVersion": "kubelet.config.k8s.io/v1beta1", "credentialMapping": [1]}',
        b'{"kind": "ImagePulledRecord", "apiVersion": "kubelet.config.k8s.io/v1beta1", "lastUpdatedTime": "noon"}',
        b'{"kind": "ImagePulledRecord", "apiVersion": "kubelet.config.k8s.io/v1beta1", "imageRef": 1}',
    ],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(RecordError):
        decode_pulled(content)


def test_a_pull_by_the_nodes_own_means_opens_an_image_to_every_pod() -> None:
    tied = PulledRecord(
        image_ref="r", last_updated_at=0, credentials={NAME: PullCredentials(holders={"kubernetesSecrets": [SECRET]})}
    )

    opened = tied.with_credentials(NAME, NODE_WIDE, now=5)

    assert opened.credentials == {NAME: NODE_WIDE}
    assert opened.last_updated_at == 5
    assert opened.with_credentials(NAME, NODE_WIDE, now=9) is opened
