"""The traces of real processes equal the recordings of a real kubelet on a real containerd.

All the recorded pods live side by side on one node, each as long as it takes to show what was recorded. Their trees do
not depend on how fast the machine is, with one exception: a relist in the middle of a pod's first start costs a sync
more. The recorded crash loop had one there, the other pods had none; so each manifest is dropped in time for that.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import Lab, Span, running
from tests.recordings import Call, call_starts, first_difference, observed_pod_roots, recorded, recorded_pod_roots

IMAGE = "docker.io/library/busybox:1.35"
SCENARIOS = ("single", "two", "crash", "init", "noimage")
"""In the order in which they begin: the first two are over before the others do."""
SYNCS = {name: [root.name for root in recorded_pod_roots(name)].count("syncPod") for name in SCENARIOS}
"""How many syncs a pod has before its manifest is taken away."""
STUB_CONFIGURATION = """
apiVersion: kubeletsim/v1alpha1
kind: RuntimeStubConfiguration
latencies:
  start.task_create: 180  # a start's middle, when the relist is to come, has to be longer than a manifest's way here
  task.exit: 80           # `true` must be seen alive, on a busy machine, too
"""
AFTER_A_RELIST_SECONDS = {"crash": 0.52}
"""When a manifest is dropped, if not at once; the kubelet starts its pod some 250 ms later."""
ATTEMPTS = 8


class Recorder:
    """A node with its receiver, and the pods of the recordings on it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.discarded: Counter[str] = Counter()
        """How many of a pod's root spans belong to attempts at the right time."""
        self.removed: set[str] = set()

    def start(self) -> None:
        """Start the processes, with the recordings' image present."""
        configuration = self.lab.root / "stub.yaml"
        configuration.write_text(STUB_CONFIGURATION)
        self.lab.start_collector()
        self.lab.start_stub("--config", str(configuration))
        self.lab.pull(IMAGE)
        self.lab.start_kubelet()

    def roots(self, name: str, spans: list[Span] | None = None) -> list[Call]:
        """Return a pod's root spans as far as the receiver has them."""
        spans = self.lab.spans() if spans is None else spans
        return observed_pod_roots(spans, f"{name}-vm")[self.discarded[name] :]

    def drop(self, name: str) -> None:
        """Drop a pod's manifest until its first syncs are as recorded: on a busy machine it may miss its time."""
        for attempt in range(ATTEMPTS):
            pod = recorded(name)["pod"]
            if attempt:  # another UID, and so a life of its own
                pod["metadata"]["annotations"] = {"attempt": str(attempt)}
            self._wait_for_a_relist()
            time.sleep(AFTER_A_RELIST_SECONDS.get(name, 0))
            self.lab.apply(pod)
            self.lab.wait(lambda: len(self.roots(name)) > 1, what=f"two syncs of {name}", pause_seconds=0.5)
            for _ in range(2):  # what a relist in the middle of a start leads to comes with the next one
                self._wait_for_a_relist()
            self.lab.wait(lambda: len(self.roots(name)) > 1, what="the receiver", pause_seconds=0.5)
            if self._begins_as_recorded(name):
                self.remove_if_complete(name, self.lab.spans())
                return
            self.lab.delete(name)
            self.lab.wait(lambda: self._has_ended(self.roots(name)), what="the missed attempt's end", pause_seconds=1)
            self.discarded[name] += len(self.roots(name))
        raise AssertionError(f"{name} did not begin as recorded in {ATTEMPTS} attempts")

    def remove_if_complete(self, name: str, spans: list[Span]) -> None:
        """Take a manifest away once its pod has done what was recorded up to there, and before its next sync."""
        if name not in self.removed and len(self.roots(name, spans)) >= SYNCS[name]:
            self.lab.delete(name)
            self.removed.add(name)

    def record(self) -> list[Span]:
        """See all pods to their ends; return all spans."""

        def all_are_removed() -> bool:
            spans = self.lab.spans()
            for name in SCENARIOS:
                self.remove_if_complete(name, spans)
            return len(self.removed) == len(SCENARIOS)

        self.lab.wait(all_are_removed, what="all syncs", seconds=300, pause_seconds=2)

        def all_have_ended() -> bool:
            spans = self.lab.spans()
            return all(self._has_ended(self.roots(name, spans)) for name in SCENARIOS)

        self.lab.wait(all_have_ended, what="the pods' ends", pause_seconds=1)
        for program in reversed(self.lab.programs):
            assert program.stop() == 0, program.output()
        return self.lab.spans()

    def _begins_as_recorded(self, name: str) -> bool:
        pairs = zip(self.roots(name), recorded_pod_roots(name), strict=False)
        return all((one.name, len(one.children)) == (other.name, len(other.children)) for one, other in pairs)

    @staticmethod
    def _has_ended(roots: list[Call]) -> bool:
        return any(root.name == "syncTerminatedPod" for root in roots)

    def _wait_for_a_relist(self) -> None:
        """Return when the kubelet's PLEG has just listed the runtime."""

        def count() -> str:
            metrics = self.lab.get(self.lab.read_only_port, "/metrics").splitlines()
            return next(line for line in metrics if line.startswith("kubelet_pleg_relist_duration_seconds_count"))

        before = count()
        self.lab.wait(lambda: count() != before, what="the next relist", pause_seconds=0.01)


@dataclass(frozen=True)
class Run:
    """What was observed of all the recorded pods."""

    spans: list[Span]
    roots: dict[str, list[Call]]
    """The root spans of each pod."""


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Let the pods live once for all tests: it takes as long as the longest recording."""
    with tempfile.TemporaryDirectory(prefix="ks-") as directory, running(Lab(Path(directory))) as lab:
        recorder = Recorder(lab)
        recorder.start()
        for name in SCENARIOS:
            recorder.drop(name)
        spans = recorder.record()
        yield Run(spans, {name: recorder.roots(name, spans) for name in SCENARIOS})


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_pod_is_traced_as_the_real_kubelet_and_containerd_trace_it(run: Run, scenario: str) -> None:
    difference = first_difference(recorded_pod_roots(scenario), run.roots[scenario])
    assert not difference, difference


def test_a_crash_loop_restarts_when_the_recorded_one_did(run: Run) -> None:
    """Within a tenth, or two seconds: a death is seen with the next relist, which a busy machine has a second late.

    That is less than any backoff. tests/pods/test_scenarios.py holds them to a tenth, in simulated time.
    """
    traces = {span.trace_id for span in run.spans if span.attributes.get("k8s.pod.name") == "crash-vm"}
    calls = [span for span in run.spans if span.trace_id in traces and span.kind == "CLIENT"]
    starts = sorted(span.start / 1e9 for span in calls if span.name.endswith("/StartContainer"))
    expected = call_starts(recorded("crash"), "StartContainer")
    starts = starts[-len(expected) :]  # those before were in attempts at the right time

    offsets = [start - starts[0] for start in starts]
    assert offsets == pytest.approx([at - expected[0] for at in expected], rel=0.1, abs=2)


def test_every_call_has_one_server(run: Run) -> None:
    """Each CRI CLIENT span has exactly one SERVER child, of its own name.

    But for calls that the kubelet's own end cut short: those may never have left it.
    """
    spans = run.spans
    servers = Counter((span.trace_id, span.parent_id, span.name) for span in spans if span.kind == "SERVER")
    clients = [span for span in spans if span.kind == "CLIENT" and span.service == "kubelet"]
    finished = [span for span in clients if span.attributes["rpc.response.status_code"] != "CANCELLED"]
    assert finished
    strays = [span.name for span in finished if servers[(span.trace_id, span.span_id, span.name)] != 1]
    assert not strays
