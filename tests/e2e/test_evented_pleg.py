"""A node that hears of its containers instead of listing them (gate EventedPLEG), and what it does when it is deaf."""

from tests.e2e.sleepers import pod, running_containers, start_two_pods
from tests.lab import Lab

EVENTS = "runtime.v1.RuntimeService/GetContainerEvents"
FALLBACK = "Fall back to Generic PLEG relisting since Evented PLEG is not working"


def test_pods_live_by_the_runtimes_events_and_relists_are_rare(lab: Lab) -> None:
    lab.start_collector()
    lab.start_stub("--latency", "none")
    kubelet = lab.start_kubelet(featureGates={"EventedPLEG": True})
    start_two_pods(lab)
    lab.delete("two")
    lab.wait(lambda: set(running_containers(lab)) == {"one-vm/a"}, what="only one pod is left")

    metrics = lab.get(lab.read_only_port, "/metrics")

    assert kubelet.stop() == 0
    (stream,) = (span for span in lab.spans() if span.name == EVENTS and span.service == "kubelet")
    assert not stream.parent_id
    assert stream.attributes["rpc.response.status_code"] == "CANCELLED"
    assert "kubelet_pleg_relist_duration_seconds_count 1.0" in metrics  # it would be one more each second
    assert FALLBACK not in kubelet.output()


def test_a_runtime_that_is_killed_makes_the_node_list_again(lab: Lab) -> None:
    stub = lab.start_stub("--latency", "none")
    kubelet = lab.start_kubelet(featureGates={"EventedPLEG": True})
    start_two_pods(lab)

    stub.kill()
    lab.wait(lambda: FALLBACK in kubelet.output(), what="the node gives the stream up")
    metrics = lab.get(lab.read_only_port, "/metrics")
    lab.start_stub("--latency", "none")
    lab.apply(pod("three", "a"))
    lab.wait(lambda: lab.phase("three") == "Running", what="a pod that came later runs")

    assert "kubelet_evented_pleg_connection_error_count 5.0" in metrics
    assert "kubelet_evented_pleg_connection_success_count 1.0" in metrics
    assert kubelet.output().count("Evented PLEG: Failed to get container events, retrying") == 5
    assert "Traceback" not in kubelet.output()
    assert kubelet.process.poll() is None
