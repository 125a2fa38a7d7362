"""Pods and their observed states for tests: real structs, short to write."""

from collections.abc import Sequence
from typing import Any

from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import CONFIG_SOURCE_ANNOTATION, container_hash, find_container, with_metadata
from kubeletsim.model.pod.decode import decode_pod
from kubeletsim.model.runtime import (
    ContainerID,
    ContainerState,
    ContainerStatus,
    ObservedPod,
    PodUID,
    SandboxID,
    SandboxState,
    SandboxStatus,
)

IMAGE = "docker.io/library/busybox:1.35"
UID = "0cea98e22ce14826b911a94e09c29479"


def container(name: str, **fields: Any) -> dict[str, Any]:
    """Return a container's manifest."""
    return {"name": name, "image": IMAGE, "imagePullPolicy": "IfNotPresent", **fields}


def sidecar(name: str, **fields: Any) -> dict[str, Any]:
    """Return a restartable init container's manifest."""
    return container(name, restartPolicy="Always", **fields)


def make_pod(
    *containers: dict[str, Any],
    name: str = "web",
    uid: str = UID,
    init: Sequence[dict[str, Any]] = (),
    source: str = "file",
    **spec: Any,
) -> Pod:
    """Return a pod as a source hands it on: with uid and source, on the host's network unless told otherwise."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "hostNetwork": True,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 2,
            "initContainers": list(init),
            "containers": list(containers) or [container("app")],
            **spec,
        },
    }
    return as_from_source(manifest, name=name, uid=uid, source=source)


def as_from_source(manifest: dict[str, Any], *, name: str, uid: str, source: str = "file") -> Pod:
    """Return a manifest's pod under the name and the uid a source would give it."""
    return with_metadata(decode_pod(manifest), name=name, uid=uid, annotations={CONFIG_SOURCE_ANNOTATION: source})


def sandbox(
    *, attempt: int = 0, ready: bool = True, host_network: bool = True, ips: tuple[str, ...] = ()
) -> SandboxStatus:
    """Return a sandbox of the test pod."""
    return SandboxStatus(
        id=SandboxID(f"sandbox-{attempt}"),
        name="web",
        namespace="default",
        uid=PodUID(UID),
        attempt=attempt,
        state=SandboxState.READY if ready else SandboxState.NOTREADY,
        created_at=attempt + 1,
        host_network=host_network,
        ips=ips,
    )


def status(
    pod: Pod, name: str, state: ContainerState = ContainerState.RUNNING, *, exit_code: int = 0, attempt: int = 0
) -> ContainerStatus:
    """Return what the runtime says of one of the pod's containers, made from the spec as it is now."""
    spec = find_container(pod, name)
    assert spec is not None
    return ContainerStatus(
        id=ContainerID(f"{name}-{attempt}"),
        name=name,
        attempt=attempt,
        state=state,
        created_at=attempt + 1,
        exit_code=exit_code,
        annotations={
            "io.kubernetes.container.hash": container_hash(spec),
            "io.kubernetes.container.restartCount": str(attempt),
        },
    )


def observed(*containers: ContainerStatus, sandboxes: Sequence[SandboxStatus] | None = None) -> ObservedPod:
    """Return an observation; newest first is the caller's business. One ready sandbox unless told otherwise."""
    return ObservedPod(
        uid=PodUID(UID),
        name="web",
        namespace="default",
        sandboxes=tuple([sandbox()] if sandboxes is None else sandboxes),
        containers=containers,
    )
