"""On a real runtime pods live as they were recorded, and what they are made of is what their manifests say.

A real runtime keeps its own time, so what depends on the moment of a relist or on a jitter is left out: syncs that find
nothing to do, and back-offs told once more.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.lab import Span
from tests.real.conftest import IMAGE, RealLab
from tests.recordings import Call, first_difference, observed_pod_roots, recorded, recorded_pod_roots

SCENARIOS = ("single", "two", "init", "noimage", "crash")
RESOLVER = re.compile(r"(dial tcp: lookup registry\.invalid)[^\"\\]*")

SCRIPT = """
trap 'echo ended > /dev/termination-log; exit 7' TERM
id; grep example /etc/hosts; cat /info/app; echo; stat -c %a:%g /part
grep -E 'NoNewPrivs|Seccomp:' /proc/self/status; echo $MEMORY
until test -e /data/go; do sleep 0.1; done
cat /data/go; touch /part/ready
while true; do sleep 0.1; done
"""
RICH: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "rich", "labels": {"app": "rich"}},
    "spec": {
        "hostNetwork": True,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 10,
        "securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000},
        "hostAliases": [{"ip": "192.0.2.7", "hostnames": ["there.example"]}],
        "containers": [
            {
                "name": "app",
                "image": IMAGE,
                "command": ["/bin/sh", "-c"],
                "args": [SCRIPT],
                "env": [{"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}}],
                "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "volumeMounts": [
                    {"name": "data", "mountPath": "/data"},
                    {"name": "data", "mountPath": "/part", "subPath": "a/part"},
                    {"name": "info", "mountPath": "/info"},
                ],
                "lifecycle": {"postStart": {"exec": {"command": ["/bin/sh", "-c", "echo hooked > /data/go"]}}},
                "readinessProbe": {"exec": {"command": ["test", "-e", "/part/ready"]}, "periodSeconds": 1},
            }
        ],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {
                "name": "info",
                "downwardAPI": {"items": [{"path": "app", "fieldRef": {"fieldPath": "metadata.labels['app']"}}]},
            },
        ],
    },
}


def decisive(roots: Sequence[Call], *, runtime: bool) -> list[Call]:
    """Return the roots in which something was done or failed anew, without the runtime's side unless it is traced."""
    busy = [root for root in roots if root.name != "syncPod" or root.error or len(root.children) > 2]
    told = [root for before, root in zip([None, *busy], busy, strict=False) if root.error is None or root != before]
    return [_comparable(root, runtime=runtime) for root in told]


def _comparable(call: Call, *, runtime: bool) -> Call:
    children = [child for child in call.children if runtime or child.side == "kubelet"]
    error = RESOLVER.sub(r"\1", call.error) if call.error else call.error
    return replace(call, error=error, children=tuple(_comparable(child, runtime=runtime) for child in children))


@pytest.fixture(scope="module")
def spans(real_lab: RealLab) -> list[Span]:
    """Have all the recorded pods live, each until it has done what was recorded, and return the spans of that."""
    waiting = {name: len(decisive(recorded_pod_roots(name), runtime=False)) - 2 for name in SCENARIOS}
    for name in SCENARIOS:
        real_lab.apply(recorded(name)["pod"])

    def remove_what_is_complete() -> bool:
        spans = real_lab.spans()
        for name, wanted in list(waiting.items()):
            if len(decisive(observed_pod_roots(spans, f"{name}-vm"), runtime=False)) >= wanted:
                real_lab.delete(name)
                del waiting[name]
        return not waiting

    def all_have_ended() -> bool:
        ended = {span.attributes["k8s.pod.name"] for span in real_lab.spans() if span.name == "syncTerminatedPod"}
        return ended >= {f"{name}-vm" for name in SCENARIOS}

    real_lab.wait(remove_what_is_complete, what="all syncs", seconds=180, pause_seconds=2)
    real_lab.wait(all_have_ended, what="the pods' ends", seconds=60, pause_seconds=1)
    return real_lab.spans()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_pod_is_traced_as_recorded(real_lab: RealLab, spans: list[Span], scenario: str) -> None:
    roots = observed_pod_roots(spans, f"{scenario}-vm")

    assert not first_difference(
        decisive(recorded_pod_roots(scenario), runtime=real_lab.traced), decisive(roots, runtime=real_lab.traced)
    )


def app(lab: RealLab) -> dict[str, Any]:
    """Return the status of the rich pod's container."""
    statuses = lab.pod("rich").get("status", {}).get("containerStatuses", [])
    return dict(statuses[0]) if statuses else {}


def test_a_container_is_what_its_manifest_says(real_lab: RealLab) -> None:
    real_lab.apply(RICH)
    real_lab.wait(lambda: app(real_lab).get("ready"), what="the hook's file, and the probe that looks for it")

    (log,) = (real_lab.root / "logs").glob("default_rich-vm_*/app/0.log")
    said = [line.split(" ", 3)[3] for line in log.read_text().splitlines()]
    assert said[0].startswith("uid=1000 gid=3000 groups=2000")
    assert [line.split() for line in said[1:]] == [
        ["192.0.2.7", "there.example"],
        ["rich"],
        ["2777:2000"],
        ["NoNewPrivs:", "1"],
        ["Seccomp:", "2"],
        [str(64 * 1024 * 1024)],
        ["hooked"],
    ]


def test_a_kubelet_that_was_killed_finds_its_containers_again(real_lab: RealLab) -> None:
    before = app(real_lab)
    kubelet = real_lab.programs[-1]
    kubelet.kill()
    real_lab.start_kubelet()

    real_lab.wait(lambda: app(real_lab).get("ready"), what="the probe's next success")
    after = app(real_lab)
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)


def test_a_container_ends_with_the_words_it_leaves(real_lab: RealLab) -> None:
    pod_uid = real_lab.pod("rich")["metadata"]["uid"]
    termination_log = next((real_lab.root / "kubelet" / "pods" / pod_uid / "containers" / "app").iterdir())

    real_lab.delete("rich")
    real_lab.wait(lambda: termination_log.read_text() == "ended\n", what="the container's last words")
    real_lab.wait(lambda: not real_lab.pod("rich"), what="the pod's end")
    stops = [span for span in real_lab.spans() if span.name.endswith("/StopContainer") and span.kind == "CLIENT"]
    assert (stops[-1].end - stops[-1].start) / 1e9 < 5  # well before the grace period's end
