"""SIGTERM: with a grace period for shutdowns the pods end first, without one they stay as they are."""

import json

from tests.e2e.sleepers import pod, running_containers, start_two_pods
from tests.lab import Lab


def test_with_a_shutdown_grace_period_the_pods_end_before_the_kubelet(lab: Lab) -> None:
    lab.start_stub("--latency", "none")
    kubelet = lab.start_kubelet(shutdownGracePeriod="20m", shutdownGracePeriodCriticalPods="5s")
    start_two_pods(lab)
    elsewhere = pod("elsewhere", "a")
    elsewhere["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "elsewhere"}
    lab.apply(elsewhere)
    lab.wait(lambda: lab.pod("elsewhere").get("status", {}).get("reason") == "NodeAffinity", what="a pod is rejected")

    assert kubelet.stop() == 0  # nobody waits longer than the pods do, which is a second

    assert running_containers(lab) == {}
    assert "Traceback" not in kubelet.output()
    journal = next(lab.root.rglob("events.jsonl")).read_text()
    events = [json.loads(line) for line in journal.splitlines()]
    assert {"Starting", "Started", "NodeAffinity", "Killing", "Shutdown"} <= {event["reason"] for event in events}


def test_without_one_the_pods_run_on(lab: Lab) -> None:
    lab.start_stub("--latency", "none")
    kubelet = lab.start_kubelet()
    before = start_two_pods(lab)

    assert kubelet.stop() == 0

    assert running_containers(lab) == before
