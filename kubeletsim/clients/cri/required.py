"""This module is the law for answers: the fields without which a kubelet takes an answer for an error.

Upstream: staging/src/k8s.io/cri-client/pkg/remote_runtime.go, remote_image.go and utils.go. Each function returns what
it was given, or raises BadAnswer.
"""

from kubeletsim.model.errors import BadAnswer, go_quote
from kubeletsim.pb import cri_pb2 as pb


def required_version(answer: pb.VersionResponse) -> pb.VersionResponse:
    """All four fields."""
    _require(
        "Version",
        version=answer.version,
        runtime_name=answer.runtime_name,
        runtime_version=answer.runtime_version,
        runtime_api_version=answer.runtime_api_version,
    )
    return answer


def required_status(answer: pb.StatusResponse) -> pb.StatusResponse:
    """At least the conditions RuntimeReady and NetworkReady, by their number as upstream."""
    if len(answer.status.conditions) < 2:
        raise BadAnswer("Status: RuntimeReady or NetworkReady condition is not set", rpc="Status")
    return answer


def required_sandbox_status(answer: pb.PodSandboxStatusResponse) -> pb.PodSandboxStatusResponse:
    """Identity, metadata and creation time."""
    status = answer.status
    _require(
        "PodSandboxStatus",
        status=answer.HasField("status"),
        id=status.id,
        metadata=status.HasField("metadata"),
        name=status.metadata.name,
        namespace=status.metadata.namespace,
        uid=status.metadata.uid,
        created_at=status.created_at,
    )
    return answer


def required_container_status(answer: pb.ContainerStatusResponse) -> pb.ContainerStatusResponse:
    """Identity, name, creation time and image."""
    status = answer.status
    _require(
        "ContainerStatus",
        status=answer.HasField("status"),
        id=status.id,
        metadata=status.HasField("metadata"),
        name=status.metadata.name,
        created_at=status.created_at,
        image=status.image.image,
        image_ref=status.image_ref,
    )
    return answer


def required_image(answer: pb.ImageStatusResponse, *, image: str) -> pb.ImageStatusResponse:
    """An image may be absent; one that is there has an id and a size."""
    if answer.HasField("image") and not (answer.image.id and answer.image.size):
        raise BadAnswer(f"ImageStatus: id or size of image {go_quote(image)} is not set", rpc="ImageStatus")
    return answer


def required_text(value: str, *, rpc: str, field: str) -> str:
    """An id or a URL that must not be empty."""
    _require(rpc, **{field: value})
    return value


def _require(rpc: str, **fields: object) -> None:
    for name, value in fields.items():
        if not value:
            raise BadAnswer(f"{rpc}: {name} is not set", rpc=rpc)
