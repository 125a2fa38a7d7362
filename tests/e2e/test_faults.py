"""A kubelet on a runtime that is slow, fails and goes away gets its pods through, and the traces say what happened."""

import json
import urllib.request
from typing import Any

import pytest
import yaml

from tests.e2e.sleepers import pod, running_containers
from tests.lab import Lab, Program, Span
from tests.ports import free_port

HEAD = {"apiVersion": "kubeletsim/v1alpha1", "kind": "RuntimeStubConfiguration"}


def start_stub(lab: Lab, **fields: Any) -> Program:
    """Start a stub with a configuration file; saving the file again changes it."""
    save(lab, **fields)
    return lab.start_stub("--config", str(lab.root / "stub.yaml"), "--latency", "none")


def save(lab: Lab, **fields: Any) -> None:
    draft = lab.root / "stub.draft"
    draft.write_text(yaml.safe_dump({**HEAD, **fields}))
    draft.rename(lab.root / "stub.yaml")


def order(port: int, method: str, path: str, body: Any = None) -> Any:
    """Do what curl does with the control API."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def stubs(spans: list[Span], rpc: str) -> list[Span]:
    found = [one for one in spans if one.service == "runtime-stub" and one.name.endswith(f"/{rpc}")]
    return sorted(found, key=lambda one: one.start)


def test_a_pod_whose_network_fails_twice_gets_through_and_the_trace_shows_why(lab: Lab) -> None:
    cni = {
        "name": "cni",
        "match": {"rpc": "RunPodSandbox", "pod": "one-*"},
        "when": {"first": 2, "per": "pod"},
        "fault": {
            "error": {"code": "UNKNOWN", "message": 'failed to setup network for sandbox "{id}": no addresses'},
            "at": "cni.setup",
        },
    }
    lab.start_collector()
    start_stub(lab, rules=[cni])
    kubelet = lab.start_kubelet(syncFrequency="1s")

    lab.apply(pod("one", "a"))
    lab.wait(lambda: lab.phase("one") == "Running", what="the pod runs in the end")

    said = kubelet.output()
    assert said.count("FailedCreatePodSandBox") >= 1
    for program in reversed(lab.programs):
        program.stop()
    calls = stubs(lab.spans(), "RunPodSandbox")
    assert [one.attributes.get("stub.fault") for one in calls] == ["error", "error", None]
    assert [one.attributes.get("stub.fault.at") for one in calls] == ["cni.setup", "cni.setup", None]
    assert calls[0].error
    assert "failed to setup network" in calls[0].error


def test_a_runtime_that_is_restarted_keeps_its_containers_and_the_kubelet_finds_it_again(lab: Lab) -> None:
    port = free_port()
    stub = start_stub(lab, control=f"127.0.0.1:{port}")
    kubelet = lab.start_kubelet(syncFrequency="1s")
    lab.apply(pod("one", "a"))
    lab.wait(lambda: lab.phase("one") == "Running", what="the pod runs")
    before = running_containers(lab)

    order(port, "POST", "/restart", {"down": "1s", "initializing": "500ms"})
    lab.wait(lambda: stub.output().count("listening on") == 2, what="the runtime is back")
    lab.apply(pod("two", "a"))
    lab.wait(lambda: lab.phase("two") == "Running", what="a new pod runs")

    assert before.items() <= running_containers(lab).items()
    assert "Traceback" not in kubelet.output() + stub.output()
    assert stub.stop() == 0


def test_rules_come_and_go_with_the_file_and_a_wrong_file_changes_nothing(lab: Lab) -> None:
    port = free_port()
    fail = {"name": "no-starts", "match": {"rpc": "StartContainer"}, "fault": {"error": {"code": "UNKNOWN"}}}
    stub = start_stub(lab, control=f"127.0.0.1:{port}", rules=[fail])
    lab.start_kubelet(syncFrequency="1s")
    lab.apply(pod("one", "a"))

    def acted() -> int:
        (rule,) = order(port, "GET", "/rules")["rules"]
        return int(rule["counts"].get("StartContainer", {}).get("acted", 0))

    lab.wait(lambda: acted() >= 1, what="a start fails")
    save(lab, control=f"127.0.0.1:{port}", rules=[{**fail, "fault": {"eror": {}}}])
    lab.wait(lambda: "the old one stays in force" in stub.output(), what="the wrong file is refused")
    assert "rules[0].fault.eror: no such field; did you mean error?" in stub.output()
    assert [one["name"] for one in order(port, "GET", "/rules")["rules"]] == ["no-starts"]

    save(lab, control=f"127.0.0.1:{port}", rules=[])
    lab.wait(lambda: order(port, "GET", "/rules")["rules"] == [], what="the rules are gone")
    lab.wait(lambda: lab.phase("one") == "Running", what="the pod runs")


@pytest.mark.parametrize("field", [{"control": "0.0.0.0:1"}, {"rules": [{"name": "x"}]}, {"restarts": [{}]}])
def test_a_wrong_file_ends_with_2_at_the_start(lab: Lab, field: dict[str, Any]) -> None:
    save(lab, **field)
    program = lab.spawn("stub", "runtime_stub", "--listen", f"unix://{lab.socket}", "--config", f"{lab.root}/stub.yaml")

    lab.wait(lambda: program.process.poll() is not None, what="the stub gives up")

    assert program.process.returncode == 2
    assert f"{lab.root}/stub.yaml:" in program.output()
    assert next(iter(field)) in program.output()
    assert "Traceback" not in program.output()
