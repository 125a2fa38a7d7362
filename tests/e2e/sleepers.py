"""Pods that sleep, and what of them runs: what most end-to-end tests start with."""

from typing import Any

import grpc

from kubeletsim.pb import cri_pb2
from kubeletsim.pb.cri_pb2_grpc import RuntimeServiceStub
from tests.lab import Lab

SLEEPER = ["/bin/sleep", "10000"]


def pod(name: str, *containers: str) -> dict[str, Any]:
    """A pod of sleepers with a short grace period."""
    image = "docker.io/library/busybox:1.35"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": one, "image": image, "command": SLEEPER} for one in containers],
        },
    }


def running_containers(lab: Lab) -> dict[str, str]:
    """Ask the runtime itself: ids of running containers by `pod/container`; a doubled name fails."""
    with grpc.insecure_channel(f"unix://{lab.socket}") as channel:
        only = cri_pb2.ContainerFilter(state=cri_pb2.ContainerStateValue(state=cri_pb2.CONTAINER_RUNNING))
        answer = RuntimeServiceStub(channel).ListContainers(cri_pb2.ListContainersRequest(filter=only), timeout=30)
    found: dict[str, str] = {}
    for container in answer.containers:
        name = f"{container.labels['io.kubernetes.pod.name']}/{container.metadata.name}"
        assert name not in found, f"{name} runs twice"
        found[name] = container.id
    return found


def start_two_pods(lab: Lab) -> dict[str, str]:
    """Hand a running node two pods; return what runs once all of it does."""
    lab.apply(pod("one", "a"))
    lab.apply(pod("two", "a", "b"))
    lab.wait(lambda: [lab.phase("one"), lab.phase("two")] == ["Running"] * 2, what="both pods run")
    return running_containers(lab)
