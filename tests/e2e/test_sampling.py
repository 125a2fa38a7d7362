"""What is exported is what the configuration and the caller's context say."""

import json
import secrets
import ssl
import urllib.request

from tests.e2e.sleepers import start_two_pods
from tests.lab import Lab

NOTHING = 0
EVERYTHING = 1_000_000


def tracing(lab: Lab, rate: int | None) -> dict[str, object]:
    """A tracing block for the lab's receiver."""
    return {"endpoint": f"127.0.0.1:{lab.grpc_port}", "samplingRatePerMillion": rate}


def https(lab: Lab, path: str, **headers: str) -> str:
    """GET from the authenticated server; its certificate is self-signed."""
    trust_anyone = ssl._create_unverified_context()
    request = urllib.request.Request(f"https://127.0.0.1:{lab.https_port}{path}", headers=headers)
    with urllib.request.urlopen(request, context=trust_anyone, timeout=30) as answer:
        return str(answer.read().decode())


def stop_all(lab: Lab) -> None:
    """Stop everything in order, so that what was recorded has been exported; it ends well and leaves no socket."""
    assert [program.stop() for program in reversed(lab.programs)] == [0] * len(lab.programs)
    assert not lab.socket.exists()


def test_a_rate_of_a_million_exports_both_sides_of_everything_but_what_an_unsampled_caller_asks_for(lab: Lab) -> None:
    lab.start_collector()
    lab.start_stub("--latency", "none")
    lab.start_kubelet(tracing=tracing(lab, EVERYTHING))
    start_two_pods(lab)
    unsampled, caller = secrets.token_hex(16), secrets.token_hex(8)
    https(lab, "/runningpods/", traceparent=f"00-{unsampled}-{caller}-00")
    stop_all(lab)

    spans = lab.spans()
    assert unsampled not in {span.trace_id for span in spans}
    created = [span for span in spans if span.name == "syncPod" and span.attributes["k8s.pod.update_type"] == "create"]
    assert len(created) == 2
    assert all(span.resource == {"service.name": "kubelet", "host.name": "vm"} for span in created)
    below = {span.trace_id: span.service for span in spans if span.kind == "SERVER" and "RunPodSandbox" in span.name}
    assert set(below) == {span.trace_id for span in created}
    assert "kubelet" not in below.values()


def test_at_a_rate_of_zero_only_a_sampled_caller_is_followed_through_the_kubelet_into_the_runtime(lab: Lab) -> None:
    lab.start_collector()
    lab.start_stub("--latency", "none")
    lab.start_kubelet(tracing=tracing(lab, NOTHING))
    start_two_pods(lab)
    trace_id, caller = secrets.token_hex(16), secrets.token_hex(8)

    listing = json.loads(https(lab, "/runningpods/", traceparent=f"00-{trace_id}-{caller}-01"))
    stop_all(lab)

    assert {item["metadata"]["name"] for item in listing["items"]} == {"one-vm", "two-vm"}
    spans = {span.span_id: span for span in lab.spans()}
    assert {span.trace_id for span in spans.values()} == {trace_id}
    request = next(span for span in spans.values() if span.parent_id == caller)
    assert (request.name, request.kind, request.flags) == ("/runningpods/", "SERVER", 769)
    calls = [span for span in spans.values() if span.parent_id == request.span_id]
    assert [span.name.rpartition("/")[2] for span in sorted(calls, key=lambda span: span.start)] == [
        "ListPodSandbox",
        "ListContainers",
    ]
    answered = [span for span in spans.values() if span.parent_id in {call.span_id for call in calls}]
    assert [span.kind for span in answered] == ["SERVER", "SERVER"]
