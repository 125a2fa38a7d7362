"""The traces of real processes equal the recordings of a real kubelet on a real containerd."""

from collections import Counter

import pytest

from tests.lab import Lab, Span
from tests.recordings import first_difference, observed_pod_roots, recorded, recorded_pod_roots

IMAGE = "docker.io/library/busybox:1.35"


def run_pod(lab: Lab, scenario: str) -> list[Span]:
    """Start and remove the recording's pod, its image present as it was there; return every span of the run."""
    pod = recorded(scenario)["pod"]
    lab.start_collector()
    lab.start_stub()
    lab.pull(IMAGE)
    lab.start_kubelet()
    lab.apply(pod)
    containers = len(pod["spec"]["containers"])
    lab.wait(lambda: lab.phase(scenario) == "Running", what="the pod runs")
    lab.wait(lambda: len(observed_pod_roots(lab.spans(), f"{scenario}-vm")) >= 2, what="its second sync")
    lab.delete(scenario)
    lab.wait(lambda: not lab.pod(scenario), what="the pod is gone", seconds=20 + 2 * containers)
    lab.wait(
        lambda: any(call.name == "syncTerminatedPod" for call in observed_pod_roots(lab.spans(), f"{scenario}-vm")),
        what="its last span",
    )
    for program in reversed(lab.programs):
        assert program.stop() == 0, program.output()
    return lab.spans()


@pytest.mark.parametrize("scenario", ["single", "two"])
def test_a_pod_is_traced_as_the_real_kubelet_and_containerd_trace_it(lab: Lab, scenario: str) -> None:
    spans = run_pod(lab, scenario)

    assert not first_difference(recorded_pod_roots(scenario), observed_pod_roots(spans, f"{scenario}-vm"))
    every_call_has_one_server(spans)


def every_call_has_one_server(spans: list[Span]) -> None:
    """Each CRI CLIENT span has exactly one SERVER child, of its own name.

    But for calls that the kubelet's own end cut short: those may never have left it.
    """
    servers = Counter((span.trace_id, span.parent_id, span.name) for span in spans if span.kind == "SERVER")
    clients = [span for span in spans if span.kind == "CLIENT" and span.service == "kubelet"]
    finished = [span for span in clients if span.attributes["rpc.response.status_code"] != "CANCELLED"]
    assert finished
    strays = [span.name for span in finished if servers[(span.trace_id, span.span_id, span.name)] != 1]
    assert not strays
