"""This module is the ports that a pod declares, which is where an image nobody has described is taken to answer.

The CRI tells of ports that are mapped, for the whole pod. A kubelet says in an annotation which are a container's own
(upstream: pkg/kubelet/kuberuntime/labels.go).
"""

import json

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.service import Service

ANNOTATION = "io.kubernetes.container.ports"


def declared_services(container: pb.ContainerConfig, sandbox: pb.PodSandboxConfig | None) -> tuple[Service, ...]:
    """Return a healthy server on each TCP port that is declared for a container."""
    ports = _annotated(container.annotations.get(ANNOTATION, ""))
    if not ports and sandbox is not None:
        ports = [one.container_port for one in sandbox.port_mappings if one.protocol == pb.TCP]
    return tuple(Service(port=port) for port in sorted({*ports}) if 0 < port < 1 << 16)


def _annotated(text: str) -> list[int]:
    try:
        ports = json.loads(text) if text else []
    except ValueError:
        return []  # somebody else's annotation
    found = [one for one in ports if isinstance(one, dict)] if isinstance(ports, list) else []
    return [
        one["containerPort"]
        for one in found
        if isinstance(one.get("containerPort"), int) and one.get("protocol", "TCP") == "TCP"
    ]
