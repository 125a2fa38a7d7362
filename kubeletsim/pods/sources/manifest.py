"""Manifests of static pods: from their text to pods with defaults, name, namespace, UID and annotations.

The UID is a hash of the decoded object, the node and the place it came from, so that the same manifest on the same node
keeps its UID over restarts and any edit gives another pod. Comments and formatting are no edit.
Upstream: pkg/kubelet/config/common.go.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from lightkube.models.core_v1 import Pod, PodStatus, Toleration

from kubeletsim.base.go_yaml import ExcessiveTextError, UnreadableTextError, read_document
from kubeletsim.model.errors import ManifestError
from kubeletsim.model.pod import (
    CONFIG_HASH_ANNOTATION,
    FILE_SOURCE,
    annotations,
    check_type,
    decode_pod,
    metadata,
    pod_uid,
    set_defaults,
    spec,
    validate_static,
    with_metadata,
)

MAX_MANIFEST_BYTES = 10 << 20
DEFAULT_NAMESPACE = "default"
FNV128_OFFSET = 0x6C62272E07BB014262B821756295C58D
FNV128_PRIME = 0x0000000001000000000000000000013B
_MASK_128 = (1 << 128) - 1
MAX_VALUES = 200_000


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a manifest is and what it may hold there; the arguments of `decode_manifest`."""

    node_name: str
    source: str
    location: str
    may_reference_api: bool


def decode_manifest(
    content: bytes, *, node_name: str, source: str, location: str, may_reference_api: bool = False
) -> Pod:
    """Return the static pod a manifest describes, ready to be merged with the other pods of its source.

    Args:
        content: YAML or JSON.
        node_name: this node; the pod's name gets it as a suffix, in lower case.
        source: `file` or `http`.
        location: the path or URL; part of the UID.
        may_reference_api: whether Secrets and the like may be referred to, although nobody can deliver them.

    Raises:
        ManifestError: what is wrong, with the path inside the manifest.
    """
    place = _Place(node_name, source, location, may_reference_api)
    return static_pod(parse_document(content), place)


def decode_manifests(
    content: bytes, *, node_name: str, source: str, location: str, may_reference_api: bool = False
) -> list[Pod]:
    """Return the static pods that a Pod or a PodList describes; see `decode_manifest`.

    Raises:
        ManifestError: something in it cannot be used; then none of its pods are, as upstream.
    """
    document, place = parse_document(content), _Place(node_name, source, location, may_reference_api)
    if not isinstance(document, dict) or document.get("kind") != "PodList":
        return [static_pod(document, place)]
    check_type(document, kind="PodList")
    items = document.get("items") or []
    if not isinstance(items, list):
        raise ManifestError("items: must be a list of pods")
    pods = []
    for number, item in enumerate(items):
        # Items of a typed list go without apiVersion and kind, and what they may say there is not looked at.
        typed = {**item, "apiVersion": "v1", "kind": "Pod"} if isinstance(item, dict) else item
        try:
            pods.append(static_pod(typed, place))
        except ManifestError as error:
            raise ManifestError(f"items[{number}]: {error}") from error
    return pods


def parse_document(content: bytes) -> Any:
    """Return the values of the first document in a YAML or JSON text; upstream does not look at further ones either.

    Raises:
        ManifestError: the text is neither; the message has line and column.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ManifestError(f"not UTF-8: byte {error.start} is 0x{content[error.start]:02x}") from error
    try:
        return read_document(text, most_values=MAX_VALUES).value
    except ExcessiveTextError as error:
        raise ManifestError(f"too large or too deep once its aliases are followed: {error}") from error
    except UnreadableTextError as error:
        raise ManifestError(f"neither YAML nor JSON: {error}") from error


def static_pod(document: object, place: _Place) -> Pod:
    """Return the static pod that a decoded document describes; see `decode_manifest`."""
    node_name, source = place.node_name, place.source
    pod = set_defaults(decode_pod(document))
    uid = pod_uid(pod) or _static_uid(pod, node_name=node_name, source=source, location=place.location)
    name = metadata(pod).name
    pod = with_metadata(
        pod,
        name=f"{name}-{node_name.lower()}" if name else None,
        namespace=metadata(pod).namespace or DEFAULT_NAMESPACE,
        uid=uid,
        annotations={**annotations(pod), CONFIG_HASH_ANNOTATION: uid},
    )
    bound = spec(pod)
    bound.nodeName = node_name
    if source == FILE_SOURCE:
        # A taint that evicts pods must not evict what an administrator put on this very node.
        bound.tolerations = [*(bound.tolerations or []), Toleration(operator="Exists", effect="NoExecute")]
    pod.status = PodStatus(phase="Pending")
    validate_static(pod, may_reference_api=place.may_reference_api)
    return pod


def _static_uid(pod: Pod, *, node_name: str, source: str, location: str) -> str:
    place = f"{'file' if source == FILE_SOURCE else 'url'}:{location}"
    content = msgspec.json.encode(pod, order="deterministic")
    return f"{fnv1a_128(content, f'host:{node_name}'.encode(), place.encode()):032x}"


def fnv1a_128(*parts: bytes) -> int:
    """Return the FNV-1a hash of 128 bits over the parts, one after another."""
    value = FNV128_OFFSET
    for part in parts:
        for byte in part:
            value = (value ^ byte) * FNV128_PRIME & _MASK_128
    return value
