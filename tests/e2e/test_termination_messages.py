"""What containers say last is what their pod's status says of their end."""

from typing import Any

from tests.e2e.sleepers import pod
from tests.lab import Lab


def test_a_file_or_the_end_of_the_log_is_the_message(lab: Lab) -> None:
    lab.start_stub("--latency", "none")
    lab.start_kubelet()
    manifest: dict[str, Any] = pod("words", "a", "b")
    manifest["spec"]["restartPolicy"] = "Never"
    first, second = manifest["spec"]["containers"]
    first["command"] = ["/bin/sh", "-c", "echo farewell > /dev/termination-log; exit 1"]
    second["command"] = ["/bin/sh", "-c", "echo one; echo two; exit 2"]
    second["terminationMessagePolicy"] = "FallbackToLogsOnError"

    lab.apply(manifest)
    lab.wait(lambda: lab.phase("words") == "Failed", what="the pod has ended")

    ends = [one["state"]["terminated"] for one in lab.pod("words")["status"]["containerStatuses"]]
    assert [(end["exitCode"], end["message"]) for end in ends] == [(1, "farewell\n"), (2, "one\ntwo\n")]
