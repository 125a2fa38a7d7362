"""The status as a whole."""

import json
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from lightkube.models.core_v1 import PodStatus, ResourceRequirements

from kubeletsim.model.pod import pod_json, set_defaults
from kubeletsim.model.runtime import ContainerState
from kubeletsim.pods.status import compute_pod_status, failed_status, is_marked_to_restart_all
from tests.fakes.pods import container, make_pod, observed, sandbox, status
from tests.strategies import observed_pods, pods


def compute(pod, seen, *, previous=None, now=1_700_000_000.9):
    return compute_pod_status(
        pod,
        seen,
        previous=previous,
        waiting={},
        terminal=False,
        now=now,
        runtime_name="containerd",
    )


def test_a_running_pod_looks_as_pods_shows_it():
    pod = set_defaults(make_pod(hostNetwork=False))
    seen = replace(
        observed(
            replace(
                status(pod, "app"), started_at=1_700_000_001_000_000_000, image="busybox:1.35", image_ref="sha256:a"
            ),
            sandboxes=[sandbox(host_network=False, ips=("10.0.0.7",))],
        ),
        ips=("10.0.0.7", "2001:db8::7"),
    )
    true = {"status": "True", "lastTransitionTime": "2023-11-14T22:13:20Z"}

    assert pod_json(compute(pod, seen)) == {
        "phase": "Running",
        "conditions": [
            {"type": "PodReadyToStartContainers", **true},
            {"type": "Initialized", **true},
            {"type": "Ready", **true},
            {"type": "ContainersReady", **true},
            {"type": "PodScheduled", **true},
        ],
        "podIP": "10.0.0.7",
        "podIPs": [{"ip": "10.0.0.7"}, {"ip": "2001:db8::7"}],
        "startTime": "2023-11-14T22:13:20Z",
        "qosClass": "BestEffort",
        "resources": {},
        "containerStatuses": [
            {
                "name": "app",
                "state": {"running": {"startedAt": "2023-11-14T22:13:21Z"}},
                "lastState": {},
                "ready": True,
                "started": True,
                "restartCount": 0,
                "image": "busybox:1.35",
                "imageID": "sha256:a",
                "containerID": "containerd://app-0",
                "resources": {},
            }
        ],
    }


def test_a_pod_on_the_hosts_network_has_no_address_where_there_is_no_api_server_to_know_the_node():
    made = compute(make_pod(hostNetwork=True), observed())

    assert (made.podIP, made.podIPs, made.hostIP, made.hostIPs) == (None, None, None, None)


def test_a_status_shows_what_the_pod_needs_in_all():
    made = compute(
        make_pod(
            container("a", resources={"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}}),
            container("b", resources={"requests": {"cpu": "300m", "memory": "32Mi"}}),
        ),
        observed(),
    )

    assert made.resources.requests == made.allocatedResources == {"cpu": "400m", "memory": "64Mi"}
    assert made.resources.limits == {"memory": "64Mi"}
    assert (compute(make_pod(), observed()).resources, compute(make_pod(), observed()).allocatedResources) == (
        ResourceRequirements(),
        None,
    )


def test_the_start_time_stays():
    first = compute(make_pod(), observed(), now=100)

    assert compute(make_pod(), observed(), previous=first, now=200).startTime == first.startTime


def test_a_pod_past_its_deadline_has_failed_for_that_reason_and_stays_so():
    pod = make_pod(activeDeadlineSeconds=60)
    seen = observed(status(pod, "app"))
    first = compute(pod, seen, now=100)
    in_time, late = compute(pod, seen, previous=first, now=159), compute(pod, seen, previous=first, now=160)

    assert (in_time.phase, in_time.reason) == ("Running", None)
    assert (late.phase, late.reason) == ("Failed", "DeadlineExceeded")
    assert compute(pod, seen, previous=late, now=161).reason == "DeadlineExceeded"


def test_what_the_api_server_said_counts_before_the_first_status():
    pod = make_pod(source="api")
    pod.status = PodStatus(phase="Failed", reason="Evicted", message="no room")
    made = compute(pod, observed())

    assert (made.phase, made.reason, made.message) == ("Failed", "Evicted", "no room")


def test_a_reason_goes_with_its_phase():
    pod = make_pod()
    before = PodStatus(phase="Pending", reason="Odd", message="why")

    assert compute(pod, observed(), previous=before).reason == "Odd"
    assert compute(pod, observed(status(pod, "app")), previous=before).reason is None


def test_a_pod_the_node_gives_up_keeps_what_was_known_of_it():
    pod = make_pod()
    before = compute(pod, observed(status(pod, "app")), now=100)
    made = failed_status(pod, reason="Evicted", message="no room", previous=before, now=200)

    assert (made.phase, made.reason, made.message) == ("Failed", "Evicted", "no room")
    assert made.containerStatuses == before.containerStatuses
    assert made.startTime == before.startTime


@given(st.data())
def test_a_status_computed_again_from_itself_does_not_change(data):
    pod = set_defaults(data.draw(pods()))
    seen = data.draw(observed_pods(pod))
    first = compute(pod, seen, now=100)
    second = compute(pod, seen, previous=first, now=200)
    assume(not is_marked_to_restart_all(second))  # then each look counts a restart, until none of them is left
    third = compute(pod, seen, previous=second, now=300)

    assert third == second


@given(st.data())
def test_computing_a_status_changes_neither_the_pod_nor_the_previous_status(data):
    pod = set_defaults(data.draw(pods()))
    first = compute(pod, data.draw(observed_pods(pod)), now=100)
    before = json.dumps([pod_json(pod), pod_json(first)])
    compute(pod, data.draw(observed_pods(pod)), previous=first, now=200)

    assert json.dumps([pod_json(pod), pod_json(first)]) == before


def test_restarts_are_counted_by_the_annotation_and_else_by_the_attempt():
    pod = make_pod()
    seen = replace(status(pod, "app", attempt=4), annotations={})

    assert compute(pod, observed(seen)).containerStatuses[0].restartCount == 4


def test_every_container_has_a_status_from_the_first_moment():
    pod = make_pod(container("b"), container("a"), init=[container("i")], ephemeralContainers=[container("debug")])
    made = compute(pod, observed(status(pod, "a", ContainerState.CREATED)))

    assert [one.name for one in made.containerStatuses] == ["a", "b"]
    assert [one.name for one in made.initContainerStatuses] == ["i"]
    assert [one.name for one in made.ephemeralContainerStatuses] == ["debug"]
