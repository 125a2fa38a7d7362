"""The whole node: pods started per second, idle processor time and memory with 0 and 30 pods."""

import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.figure import Figure
from tests.lab import Lab, Program, running

PODS = 30
IDLE_SECONDS = 20
IMAGE = "docker.io/library/nginx:1.27"
GO_KUBELET = "kubelet 1.36.2, quoted: 2 cores, all spans sampled"


def manifest(number: int) -> dict[str, object]:
    """Return a pod of one container that runs until it is stopped."""
    container = {"name": "app", "image": IMAGE, "imagePullPolicy": "IfNotPresent"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{number}"},
        "spec": {"hostNetwork": True, "containers": [container]},
    }


def cpu_seconds(program: Program) -> float:
    """Return the processor time a program has used so far."""
    used = psutil.Process(program.process.pid).cpu_times()
    return used.user + used.system


def idle(program: Program, *, seconds: float = IDLE_SECONDS) -> tuple[float, float]:
    """Return the share of a core in percent, over `seconds`, and the resident memory in MB."""
    before, begin = cpu_seconds(program), time.monotonic()
    time.sleep(seconds)
    used = cpu_seconds(program) - before
    memory_bytes = psutil.Process(program.process.pid).memory_info().rss
    return 100 * used / (time.monotonic() - begin), memory_bytes / 1e6


def start_pods(lab: Lab, *, count: int = PODS) -> float:
    """Drop `count` manifests at once; return the seconds until all of them run."""
    begin = time.monotonic()
    for number in range(count):
        lab.apply(manifest(number))

    def all_run() -> bool:
        phases = [pod.get("status", {}).get("phase") for pod in lab.pods()]
        return phases.count("Running") == count

    lab.wait(all_run, what="all pods run", seconds=120)
    return time.monotonic() - begin


@contextmanager
def quick_lab() -> Iterator[Lab]:
    """Run a stub without latency that has the image already."""
    with tempfile.TemporaryDirectory(prefix="ks-bench-") as directory, running(Lab(Path(directory))) as lab:
        lab.start_stub("--latency", "none")
        lab.pull(IMAGE)
        yield lab


def _idle_and_busy() -> Iterator[Figure]:
    """Measure a daemon with every span sampled and a live receiver."""
    with quick_lab() as lab:
        lab.start_collector()
        kubelet = lab.start_kubelet(env={"OTEL_BSP_SCHEDULE_DELAY": "5000"})  # the default; tests are in a hurry
        time.sleep(5)
        cpu, memory = idle(kubelet)
        yield Figure("idle processor time, no pods", cpu, "% of a core", GO_KUBELET, 0.5, "<= 1")
        yield Figure("resident memory, no pods", memory, "MB", GO_KUBELET, 73, "<= 80")
        took = start_pods(lab)
        yield Figure(f"{PODS} pods dropped at once, all running", took, "s", GO_KUBELET, 3.5)
        yield Figure("pods started", PODS / took, "1/s", GO_KUBELET, PODS / 3.5)
        time.sleep(5)
        cpu, memory = idle(kubelet)
        yield Figure(f"idle processor time, {PODS} pods", cpu, "% of a core", GO_KUBELET, 2.0)
        yield Figure(f"resident memory, {PODS} pods", memory, "MB", GO_KUBELET, 86)


def _deaf_receiver() -> Iterator[Figure]:
    """Measure the same start with tracing off, and with a receiver that takes connections and never answers."""
    with quick_lab() as lab:
        lab.start_kubelet(tracing=None)
        untraced = start_pods(lab)
    with quick_lab() as lab, socket.create_server(("127.0.0.1", 0), backlog=64) as deaf:
        endpoint = f"127.0.0.1:{deaf.getsockname()[1]}"
        lab.start_kubelet(tracing={"endpoint": endpoint, "samplingRatePerMillion": 1_000_000})
        yield Figure(f"{PODS} pods, all running, receiver hanging", start_pods(lab), "s", "tracing off", untraced)


def figures() -> Iterator[Figure]:
    """Measure the node."""
    yield from _idle_and_busy()
    yield from _deaf_receiver()
