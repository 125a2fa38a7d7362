"""The whole node: pods started per second, idle processor time and memory with 0 and 30 pods."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.figure import Figure
from tests.lab import Lab, Program, running

PODS = 30
IDLE_SECONDS = 20
GO_KUBELET = "kubelet 1.36.2, quoted: 2 cores, all spans sampled"


def _manifest(number: int) -> dict[str, object]:
    container = {"name": "app", "image": "docker.io/library/nginx:1.27", "imagePullPolicy": "IfNotPresent"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{number}"},
        "spec": {"hostNetwork": True, "containers": [container]},
    }


def _idle(program: Program) -> tuple[float, float]:
    """Return the share of a core in percent, over IDLE_SECONDS, and the resident memory in MB."""
    process = psutil.Process(program.process.pid)
    before, begin = process.cpu_times(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return 100 * used / (time.monotonic() - begin), process.memory_info().rss / 1e6


def figures() -> Iterator[Figure]:
    """Measure a daemon with every span sampled, a receiver and a stub without latency beside it."""
    with tempfile.TemporaryDirectory(prefix="ks-bench-") as directory, running(Lab(Path(directory))) as lab:
        lab.start_collector()
        lab.start_stub("--latency", "none")
        lab.pull("docker.io/library/nginx:1.27")
        kubelet = lab.start_kubelet(env={"OTEL_BSP_SCHEDULE_DELAY": "5000"})  # the default; tests are in a hurry
        time.sleep(5)
        cpu, memory = _idle(kubelet)
        yield Figure("idle processor time, no pods", cpu, "% of a core", GO_KUBELET, 0.5, "<= 1")
        yield Figure("resident memory, no pods", memory, "MB", GO_KUBELET, 73, "<= 80")
        begin = time.monotonic()
        for number in range(PODS):
            lab.apply(_manifest(number))
        phases = lambda: [pod.get("status", {}).get("phase") for pod in lab.pods()]  # noqa: E731
        lab.wait(lambda: phases().count("Running") == PODS, what="all pods run", seconds=120)
        took = time.monotonic() - begin
        yield Figure(f"{PODS} pods dropped at once, all running", took, "s", GO_KUBELET, 3.5)
        yield Figure("pods started", PODS / took, "1/s", GO_KUBELET, PODS / 3.5)
        time.sleep(5)
        cpu, memory = _idle(kubelet)
        yield Figure(f"idle processor time, {PODS} pods", cpu, "% of a core", GO_KUBELET, 2.0)
        yield Figure(f"resident memory, {PODS} pods", memory, "MB", GO_KUBELET, 86)
