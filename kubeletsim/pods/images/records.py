"""The records of pulls: that one has begun (ImagePullIntent), and who may use what one has brought (ImagePulledRecord).

A kubelet writes them as JSON of version v1beta1 of its configuration API and reads v1alpha1 as well; so does this one,
so that either can go on with what the other has left. What a record says of Secrets and service accounts, which only a
kubelet with an API server can write, is kept and honoured.

Upstream: staging/src/k8s.io/kubelet/config/v1beta1/types.go, pulledRecordMergeNewCreds in
pkg/kubelet/images/pullmanager/image_pull_manager.go.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from kubeletsim.model.errors import KubeletSimError

API_GROUP = "kubelet.config.k8s.io"
WRITTEN_VERSION = f"{API_GROUP}/v1beta1"
READ_VERSIONS = (WRITTEN_VERSION, f"{API_GROUP}/v1alpha1")


class RecordError(KubeletSimError):
    """A record on disk cannot be understood."""


@dataclass(frozen=True, slots=True)
class PullCredentials:
    """Who may use an image."""

    node_pods_accessible: bool = False
    """Every pod of this node: it was pulled with the node's own credentials, or with none."""
    holders: Mapping[str, Any] = field(default_factory=dict)
    """`kubernetesSecrets` and `kubernetesServiceAccounts`, as they are written."""

    def as_json(self) -> dict[str, Any]:
        """Return the value as it is written."""
        return {**self.holders, **({"nodePodsAccessible": True} if self.node_pods_accessible else {})}


NODE_WIDE = PullCredentials(node_pods_accessible=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledRecord:
    """What is known of an image that was pulled."""

    image_ref: str
    """As the runtime names it."""
    last_updated_at: float
    """Unix seconds, whole ones on disk."""
    credentials: Mapping[str, PullCredentials] = field(default_factory=dict)
    """By the image's name without tag and digest. A record without any makes each pod show its own."""

    def with_credentials(self, name: str, new: PullCredentials, *, now: float) -> "PulledRecord":
        """Return the record with what a new pull of the image has shown; the same one where that is nothing new."""
        if not new.node_pods_accessible or self.credentials.get(name, PullCredentials()).node_pods_accessible:
            return self
        return replace(self, last_updated_at=now, credentials={**self.credentials, name: new})


def encode_intent(image: str) -> bytes:
    """Return the record of a pull that begins; `image` is as the pod names it."""
    return _encode({"kind": "ImagePullIntent", "apiVersion": WRITTEN_VERSION, "image": image})


def encode_pulled(record: PulledRecord) -> bytes:
    """Return the record of a pull that worked."""
    updated = datetime.fromtimestamp(int(record.last_updated_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    mapping = {name: record.credentials[name].as_json() for name in sorted(record.credentials)}
    return _encode(
        {
            "kind": "ImagePulledRecord",
            "apiVersion": WRITTEN_VERSION,
            "lastUpdatedTime": updated,
            "imageRef": record.image_ref,
            "credentialMapping": mapping,
        }
    )


def decode_intent(content: bytes) -> str:
    """Return the image of an ImagePullIntent.

    Raises:
        RecordError: it is none.
    """
    return _text(_decode(content, "ImagePullIntent", {"image"}), "image")


def decode_pulled(content: bytes) -> PulledRecord:
    """Return an ImagePulledRecord.

    Raises:
        RecordError: it is none.
    """
    document = _decode(content, "ImagePulledRecord", {"lastUpdatedTime", "imageRef", "credentialMapping"})
    mapping = document.get("credentialMapping") or {}
    updated = document.get("lastUpdatedTime")
    try:
        return PulledRecord(
            image_ref=_text(document, "imageRef"),
            last_updated_at=datetime.fromisoformat(updated).timestamp() if updated else 0.0,
            credentials={name: _credentials(value) for name, value in mapping.items()},
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise RecordError(f"ImagePulledRecord: {error}") from error


def _credentials(value: Mapping[str, Any]) -> PullCredentials:
    if unknown := value.keys() - {"nodePodsAccessible", "kubernetesSecrets", "kubernetesServiceAccounts"}:
        raise ValueError(f"credentialMapping: no such field: {', '.join(sorted(unknown))}")
    holders = {key: held for key, held in value.items() if key != "nodePodsAccessible" and held}
    return PullCredentials(node_pods_accessible=value.get("nodePodsAccessible") is True, holders=holders)


def _encode(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _decode(content: bytes, kind: str, known: set[str]) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise RecordError(f"not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != kind:
        raise RecordError(f"not an {kind}")
    if document.get("apiVersion") not in READ_VERSIONS:
        raise RecordError(f"apiVersion must be one of {', '.join(READ_VERSIONS)}")
    if unknown := document.keys() - known - {"kind", "apiVersion"}:
        raise RecordError(f"no such field: {', '.join(sorted(unknown))}")
    return document


def _text(document: Mapping[str, Any], field_name: str) -> str:
    value = document.get(field_name, "")
    if not isinstance(value, str):
        raise RecordError(f"{field_name} must be a text")
    return value
