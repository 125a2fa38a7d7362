"""A runtime-stub with 10,000 running containers, and two stubs at a time."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil

from bench.cri import EVERYTHING, processor_seconds
from bench.figure import Figure
from kubeletsim.pb import cri_pb2 as pb
from kubeletsim.pb.cri_pb2_grpc import RuntimeServiceStub
from tests.lab import Lab, Program, running

PODS, CONTAINERS_A_POD, AT_ONCE = 1_000, 10, 8
IMAGE = "docker.io/library/nginx:1.27"
SERVICE = "/runtime.v1.RuntimeService"
LARGEST_ANSWER_BYTES = 64 << 20

BUSY_CONTAINERS, BUSY_ROUNDS, BUSY_SECONDS, BUSY_AT_ONCE = 300, 3, 1.5, 2
"""For the second process: calls that keep a server busy and a client idle."""


def figures() -> Iterator[Figure]:
    """Measure many containers, then whether a second process adds its own processor."""
    with tempfile.TemporaryDirectory(prefix="ks-bench-") as directory, running(Lab(Path(directory))) as lab:
        lab.start_collector()
        stub = lab.start_stub("--latency", "none", "--sampling-rate-per-million", str(EVERYTHING))
        lab.pull(IMAGE)
        yield from _many(lab, stub)
    with tempfile.TemporaryDirectory(prefix="ks-bench-") as directory, ExitStack() as stack:
        labs = [stack.enter_context(running(Lab(Path(directory) / name))) for name in ("first", "second")]
        yield from _second_process(labs)


def _many(lab: Lab, stub: Program) -> Iterator[Figure]:
    count = PODS * CONTAINERS_A_POD
    with _channel(lab) as channel:
        runtime: Any = RuntimeServiceStub(channel)  # type: ignore[no-untyped-call]
        begin = time.perf_counter()
        _fill(runtime, pods=PODS, containers_a_pod=CONTAINERS_A_POD)
        took = time.perf_counter() - begin
        yield Figure(f"{count:,} containers made and started", count / took, "1/s", "a plain client, every span sent")
        yield Figure("resident memory then", _resident_mb(stub), "MB", limit="<= 150")
        for when in ("first", "again"):
            used, begin = processor_seconds(stub), time.perf_counter()
            answer = runtime.ListContainers(pb.ListContainersRequest())
            took = time.perf_counter() - begin
            assert len(answer.containers) == count
            used = processor_seconds(stub) - used
            yield Figure(
                f"{count:,} containers listed, {when}", took, "s", "with the client's decoding", limit="<= 0.3"
            )
            yield Figure(f"the stub's processor time for that, {when}", used, "s", limit="<= 0.3")
        labels = {"io.kubernetes.pod.uid": f"{PODS // 2:032x}"}
        request = pb.ListContainersRequest(filter=pb.ContainerFilter(label_selector=labels))
        begin = time.perf_counter()
        assert len(runtime.ListContainers(request).containers) == CONTAINERS_A_POD
        yield Figure("one pod of them found by a label", time.perf_counter() - begin, "s")
        yield Figure("resident memory at last", _resident_mb(stub), "MB", limit="<= 150")


def _second_process(labs: list[Lab]) -> Iterator[Figure]:
    """Ask for statistics, whose answers are left undecoded: the client must not be what is measured."""
    for lab in labs:
        lab.start_stub("--latency", "none")
        lab.pull(IMAGE)
        with _channel(lab) as channel:
            made: Any = RuntimeServiceStub(channel)  # type: ignore[no-untyped-call]
            _fill(made, pods=BUSY_CONTAINERS // CONTAINERS_A_POD, containers_a_pod=CONTAINERS_A_POD)
    rounds = [(_answers_a_second(labs[:1]), _answers_a_second(labs)) for _ in range(BUSY_ROUNDS)]
    alone, both = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    what = f"statistics of {BUSY_CONTAINERS} containers from two stubs at a time"
    yield Figure(what, both, "1/s", "from one; two cores must be free", alone, "ratio >= 1.6")


def _answers_a_second(labs: list[Lab]) -> float:
    """Keep each stub busy for a while; return how many answers all gave a second."""
    request = pb.ListContainerStatsRequest().SerializeToString()
    with ExitStack() as stack, ThreadPoolExecutor(BUSY_AT_ONCE * len(labs)) as threads:
        calls = [stack.enter_context(_channel(lab)).unary_unary(f"{SERVICE}/ListContainerStats") for lab in labs]
        begin = time.perf_counter()

        def ask(call: Any) -> int:
            answers = 0
            while time.perf_counter() - begin < BUSY_SECONDS:
                call(request)
                answers += 1
            return answers

        answers = sum(threads.map(ask, calls * BUSY_AT_ONCE))
        return answers / (time.perf_counter() - begin)


@contextmanager
def _channel(lab: Lab) -> Iterator[grpc.Channel]:
    options = [("grpc.max_receive_message_length", LARGEST_ANSWER_BYTES)]
    with grpc.insecure_channel(f"unix://{lab.socket}", options) as channel:
        yield channel


def _resident_mb(program: Program) -> float:
    return float(psutil.Process(program.process.pid).memory_info().rss / 1e6)


def _fill(runtime: Any, *, pods: int, containers_a_pod: int) -> None:
    """Make pods with running containers, a few at a time."""

    def fill(number: int) -> None:
        config = sandbox_config(number)
        sandbox = runtime.RunPodSandbox(pb.RunPodSandboxRequest(config=config)).pod_sandbox_id
        for index in range(containers_a_pod):
            request = pb.CreateContainerRequest(
                pod_sandbox_id=sandbox, config=container_config(number, index), sandbox_config=config
            )
            made = runtime.CreateContainer(request).container_id
            runtime.StartContainer(pb.StartContainerRequest(container_id=made))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in threads.map(fill, range(pods)):
            pass


def sandbox_config(number: int) -> pb.PodSandboxConfig:
    """Return what a kubelet sends for a pod, give or take."""
    uid = f"{number:032x}"
    return pb.PodSandboxConfig(
        metadata=pb.PodSandboxMetadata(name=f"web-{number}", namespace="default", uid=uid),
        hostname=f"web-{number}",
        labels={**_labels(number), "app": "web"},
        annotations={"kubernetes.io/config.seen": "2026-11-23T10:00:00Z", "kubernetes.io/config.source": "file"},
        dns_config=pb.DNSConfig(servers=["10.96.0.10"], searches=["default.svc.cluster.local"], options=["ndots:5"]),
        linux=pb.LinuxPodSandboxConfig(cgroup_parent=f"/kubepods/besteffort/pod{uid}"),
    )


def container_config(number: int, index: int) -> pb.ContainerConfig:
    """Return what a kubelet sends for a container, give or take: some 1,200 bytes."""
    name, pod = f"app-{index}", f"/var/lib/kubelet/pods/{number:032x}"
    security = pb.LinuxContainerSecurityContext(
        namespace_options=pb.NamespaceOption(pid=pb.CONTAINER),
        masked_paths=["/proc/acpi", "/proc/kcore", "/proc/keys"],
        readonly_paths=["/proc/asound", "/proc/bus"],
    )
    resources = pb.LinuxContainerResources(cpu_period=100_000, cpu_shares=2, oom_score_adj=1000)
    return pb.ContainerConfig(
        metadata=pb.ContainerMetadata(name=name),
        image=pb.ImageSpec(image=IMAGE, user_specified_image=IMAGE),
        command=["sleep", "infinity"],
        envs=[pb.KeyValue(key=f"WEB_{port}_PORT", value=f"tcp://10.96.0.1:{port}".encode()) for port in range(8)],
        mounts=[
            pb.Mount(container_path=path, host_path=f"{pod}/{name}/{number}")
            for number, path in enumerate(("/etc/hosts", "/dev/termination-log", "/var/run/secrets"))
        ],
        labels={**_labels(number), "io.kubernetes.container.name": name},
        annotations={
            "io.kubernetes.container.hash": f"{number * index:x}",
            "io.kubernetes.container.restartCount": "0",
            "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
            "io.kubernetes.container.terminationMessagePolicy": "File",
            "io.kubernetes.pod.terminationGracePeriod": "30",
        },
        linux=pb.LinuxContainerConfig(resources=resources, security_context=security),
    )


def _labels(number: int) -> dict[str, str]:
    return {
        "io.kubernetes.pod.name": f"web-{number}",
        "io.kubernetes.pod.namespace": "default",
        "io.kubernetes.pod.uid": f"{number:032x}",
    }
