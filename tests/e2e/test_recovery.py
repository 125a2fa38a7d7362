"""Parts that die and come back, one at a time, while the others go on."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.sleepers import pod, running_containers, start_two_pods
from tests.lab import Lab
from tests.ports import free_port


def test_a_runtime_that_is_killed_and_returns_keeps_its_pods_and_gets_new_ones(lab: Lab) -> None:
    stub = lab.start_stub("--latency", "none")
    kubelet = lab.start_kubelet()
    before = start_two_pods(lab)

    stub.kill()
    lab.apply(pod("three", "a"))
    lab.start_stub("--latency", "none")
    lab.wait(lambda: lab.phase("three") == "Running", what="a pod that arrived meanwhile runs")

    after = running_containers(lab)
    assert before.items() <= after.items()
    assert set(after) == {*before, "three-vm/a"}
    assert "Traceback" not in kubelet.output()
    assert kubelet.process.poll() is None


def test_a_kubelet_that_is_killed_and_returns_adopts_what_runs(lab: Lab) -> None:
    lab.start_stub("--latency", "none")
    kubelet = lab.start_kubelet()
    before = start_two_pods(lab)

    kubelet.kill()
    lab.start_kubelet()
    lab.wait(lambda: [lab.phase("one"), lab.phase("two")] == ["Running"] * 2, what="both pods are adopted")

    assert running_containers(lab) == before
    statuses = [status for one in lab.pods() for status in one["status"]["containerStatuses"]]
    assert [status.get("restartCount", 0) for status in statuses] == [0, 0, 0]


def test_a_pod_whose_manifest_vanished_while_the_kubelet_was_away_is_killed(lab: Lab) -> None:
    lab.start_stub("--latency", "none")
    kubelet = lab.start_kubelet()
    start_two_pods(lab)

    kubelet.kill()
    lab.delete("one")
    lab.start_kubelet()

    lab.wait(lambda: set(running_containers(lab)) == {"two-vm/a", "two-vm/b"}, what="only the other pod is left")


@contextmanager
def deaf_receiver() -> Iterator[int]:
    """Listen on a port, take connections and never say a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def test_pods_start_while_the_receiver_is_away(lab: Lab) -> None:
    lab.start_stub("--latency", "none")
    kubelet = lab.start_kubelet(tracing={"endpoint": f"127.0.0.1:{free_port()}", "samplingRatePerMillion": 1_000_000})

    start_two_pods(lab)

    assert kubelet.stop() == 0
    assert "traces export" in kubelet.output()
    assert "Traceback" not in kubelet.output()


def test_pods_start_and_the_node_stops_while_the_receiver_hangs(lab: Lab) -> None:
    with deaf_receiver() as port:
        lab.start_stub("--latency", "none")
        kubelet = lab.start_kubelet(tracing={"endpoint": f"127.0.0.1:{port}", "samplingRatePerMillion": 1_000_000})

        start_two_pods(lab)

        assert kubelet.stop() == 0


def test_an_edited_manifest_replaces_the_pod(lab: Lab) -> None:
    lab.start_stub("--latency", "none")
    lab.start_kubelet()
    start_two_pods(lab)
    old = lab.pod("one")["metadata"]["uid"]

    lab.apply(pod("one", "a", "extra"))

    lab.wait(lambda: {"one-vm/a", "one-vm/extra"} <= set(running_containers(lab)), what="the edited pod")
    assert lab.pod("one")["metadata"]["uid"] != old
