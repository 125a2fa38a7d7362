"""A container that ends with a code that makes its whole pod begin from scratch."""

from typing import Any

from tests.e2e.sleepers import pod
from tests.lab import Lab

RULE = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}
ONCE = "test -e /state/once && exec sleep 10000; touch /state/once; sleep 1; exit 42"


def test_every_container_is_removed_and_started_again_in_the_same_sandbox(lab: Lab) -> None:
    lab.start_collector()
    lab.start_stub("--latency", "none")
    kubelet = lab.start_kubelet()
    manifest: dict[str, Any] = pod("gang", "other", "trigger")
    state = {"name": "state", "mountPath": "/state"}
    manifest["spec"]["volumes"] = [{"name": "state", "emptyDir": {}}]
    manifest["spec"]["containers"][1] |= {
        "command": ["/bin/sh", "-c", ONCE],
        "restartPolicy": "Never",
        "restartPolicyRules": [RULE],
        "volumeMounts": [state],
    }
    lab.apply(manifest)

    def counts() -> list[int]:
        status = lab.pod("gang").get("status", {})
        running = [one for one in status.get("containerStatuses", []) if "running" in one["state"]]
        return [one["restartCount"] for one in running]

    lab.wait(lambda: counts() == [1, 1], what="both containers run again")
    status = lab.pod("gang")["status"]
    reasons = {one["lastState"]["terminated"]["reason"] for one in status["containerStatuses"]}
    assert (status["phase"], reasons) == ("Running", {"RestartingAllContainers"})
    assert kubelet.stop() == 0

    spans = [span for span in lab.spans() if span.service == "kubelet"]
    names = {span.span_id: span.name for span in spans}
    removals = [span for span in spans if span.name.endswith("/RemoveContainer")]
    assert [names[span.parent_id] for span in removals] == ["syncPod"] * 2
    assert sum(span.name.endswith("/RunPodSandbox") for span in spans) == 1
