"""A laboratory around a container runtime that somebody else has started: `make e2e-real`, see docs/real-runtime.md."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from kubeletsim.pb import cri_pb2 as pb
from kubeletsim.pb.cri_pb2_grpc import ImageServiceStub, RuntimeServiceStub
from tests.lab import Lab, running, wait_until

ENDPOINT_VARIABLE = "KUBELETSIM_RUNTIME_ENDPOINT"
OTLP_VARIABLE = "KUBELETSIM_RUNTIME_OTLP"
IMAGE = "docker.io/library/busybox:1.35"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lives in this folder; pyproject.toml leaves it out unless it is asked for."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.real)


class RealLab(Lab):
    """A lab whose runtime is not its own: it has to be empty at the start, and is left empty.

    A kubelet ends every pod that it has no manifest of, so a runtime with pods in it is refused.
    """

    runtime: RuntimeServiceStub
    traced: bool
    """Whether the runtime sends its spans to this lab's receiver."""

    @property
    def socket(self) -> Path:
        """The runtime's socket."""
        return Path(os.environ[ENDPOINT_VARIABLE].removeprefix("unix://"))

    def settle(self, channel: grpc.Channel) -> None:
        """Look whether the runtime can be used, and fail with what is missing."""
        self.runtime = RuntimeServiceStub(channel)
        self.runtime.Version(pb.VersionRequest(), timeout=10, wait_for_ready=True)
        pods = [pod.metadata.name for pod in self.runtime.ListPodSandbox(pb.ListPodSandboxRequest()).items]
        if pods:
            pytest.fail(f"the runtime has pods, which a kubelet would end: {', '.join(pods)}")
        status = ImageServiceStub(channel).ImageStatus(pb.ImageStatusRequest(image=pb.ImageSpec(image=IMAGE)))
        if not status.image.id:
            pytest.fail(f"the runtime has no image {IMAGE}: pull or import it")

    def hears_the_runtime(self) -> bool:
        """Tell whether any span of the runtime has arrived."""
        return any(span.kind == "SERVER" and span.service != "kubelet" for span in self.spans())

    def empty(self) -> None:
        """Remove whatever pods are left: the runtime had none before."""
        for pod in self.runtime.ListPodSandbox(pb.ListPodSandboxRequest()).items:
            self.runtime.StopPodSandbox(pb.StopPodSandboxRequest(pod_sandbox_id=pod.id), timeout=60)
            self.runtime.RemovePodSandbox(pb.RemovePodSandboxRequest(pod_sandbox_id=pod.id), timeout=60)


@pytest.fixture(scope="module")
def real_lab() -> Iterator[RealLab]:
    """A receiver and a kubelet beside the runtime that the environment names."""
    if not os.environ.get(ENDPOINT_VARIABLE, "").startswith("unix://"):
        pytest.fail(
            f"{ENDPOINT_VARIABLE} must name the runtime's socket, such as unix:///run/containerd/containerd.sock"
        )
    otlp = os.environ.get(OTLP_VARIABLE, "")
    with tempfile.TemporaryDirectory(prefix="ks-") as directory:
        lab = RealLab(Path(directory))
        lab.traced = bool(otlp)
        if otlp:
            lab.grpc_port = int(otlp.rpartition(":")[2])
        with grpc.insecure_channel(f"unix://{lab.socket}") as channel:
            try:
                lab.settle(channel)
            except grpc.RpcError as error:
                pytest.fail(f"no runtime at {lab.socket}: {error.details() if isinstance(error, grpc.Call) else error}")
            try:
                with running(lab):
                    lab.start_collector()
                    lab.start_kubelet()
                    if otlp:  # an exporter that was refused before may let its receiver wait
                        lab.wait(lab.hears_the_runtime, what=f"a span of the runtime at {otlp}", seconds=150)
                    yield lab
                    for manifest in (lab.root / "manifests").iterdir():
                        manifest.unlink()
                    wait_until(lambda: not lab.pods(), seconds=60, what="the end of all pods")
            finally:
                lab.empty()
