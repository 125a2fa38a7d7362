"""Statuses of containers."""

from dataclasses import replace

import pytest

from kubeletsim.model.pod import pod_json, set_defaults, with_metadata
from kubeletsim.model.runtime import ContainerState, ContainerUser
from kubeletsim.pods.status import ProbeView, WaitingReason, compute_pod_status
from tests.fakes.pods import container, make_pod, observed, sidecar, status

RUNNING, EXITED, CREATED, UNKNOWN = (
    ContainerState.RUNNING,
    ContainerState.EXITED,
    ContainerState.CREATED,
    ContainerState.UNKNOWN,
)
SECOND = 1_000_000_000
PULL = WaitingReason("ErrImagePull", "no such host")


def compute(pod, *statuses, previous=None, waiting=None, probes=None):
    return compute_pod_status(
        pod,
        observed(*statuses),
        previous=previous,
        waiting=waiting or {},
        terminal=False,
        now=100.0,
        runtime_name="containerd",
        probes=probes,
    )


def only(pod, *statuses, **more):
    return compute(pod, *statuses, **more).containerStatuses[0]


@pytest.mark.parametrize(("init", "reason"), [([], "ContainerCreating"), ([container("i")], "PodInitializing")])
def test_a_container_nobody_has_seen_waits(init, reason):
    made = only(make_pod(init=init))

    assert made.state.waiting.reason == reason
    assert (made.ready, made.started, made.restartCount, made.imageID) == (False, False, 0, "")
    assert made.containerID is None


def test_last_words_share_what_a_status_may_carry():
    pod = make_pod(*(container(name) for name in "abcd"))
    wordy = [replace(status(pod, name, EXITED), message="ü" * 4000) for name in "abcd"]

    made = compute(pod, *wordy)

    assert [len(one.state.terminated.message.encode()) for one in made.containerStatuses] == [3072] * 4


def test_a_container_shows_whom_it_runs_as_where_the_runtime_tells():
    pod = make_pod()
    told = replace(status(pod, "app"), user=ContainerUser(uid=1000, gid=100, supplemental_groups=(100, 4)))

    assert only(pod, status(pod, "app")).user is None
    user = only(pod, told).user.linux
    assert (user.uid, user.gid, user.supplementalGroups) == (1000, 100, [100, 4])


def test_a_running_container_is_shown_with_its_id_image_and_start():
    pod = make_pod()
    seen = replace(
        status(pod, "app", attempt=2), started_at=3 * SECOND + 5, image="busybox:1.35", image_ref="sha256:abc"
    )
    made = only(pod, seen)

    assert made.containerID == "containerd://app-2"
    assert (made.image, made.imageID, made.restartCount) == ("busybox:1.35", "sha256:abc", 2)
    assert made.state.running.startedAt.isoformat() == "1970-01-01T00:00:03+00:00"
    assert (made.ready, made.started) == (True, True)


def test_an_exited_container_stays_terminated_until_a_start_of_it_fails():
    pod = make_pod()
    ended = replace(status(pod, "app", EXITED, exit_code=3), reason="Error", message="bye", finished_at=9 * SECOND)
    before, after = only(pod, ended), only(pod, ended, waiting={"app": PULL})

    assert (before.state.terminated.exitCode, before.state.terminated.reason) == (3, "Error")
    assert before.state.terminated.message == "bye"
    assert before.lastState.terminated is None
    assert (after.state.waiting.reason, after.state.waiting.message) == ("ErrImagePull", "no such host")
    assert after.lastState.terminated.exitCode == 3


def test_a_container_that_ended_without_a_start_shows_that_as_the_beginning_of_1970():
    pod = make_pod(restartPolicy="Never")
    end = only(pod, replace(status(pod, "app", EXITED, exit_code=128), finished_at=5 * SECOND)).state.terminated

    assert (end.startedAt.timestamp(), end.finishedAt.timestamp()) == (0, 5)


def test_a_container_that_never_started_waits_for_what_failed():
    assert only(make_pod(), waiting={"app": PULL}).state.waiting.reason == "ErrImagePull"


def test_a_container_that_is_done_does_not_wait_whatever_once_failed():
    pod = make_pod(restartPolicy="Never")

    assert only(pod, status(pod, "app", EXITED), waiting={"app": PULL}).state.terminated is not None


def test_nothing_waits_in_a_pod_that_is_being_deleted():
    pod = make_pod()
    ended = status(pod, "app", EXITED, exit_code=1)
    deleted = with_metadata(pod, deletionTimestamp=compute(pod).startTime)

    assert only(deleted, ended, waiting={"app": PULL}).state.terminated is not None


def test_the_instance_before_last_is_the_last_state():
    pod = make_pod()
    made = only(pod, status(pod, "app", attempt=1), status(pod, "app", EXITED, exit_code=7, attempt=0))

    assert made.state.running is not None
    assert made.lastState.terminated.exitCode == 7
    assert made.lastState.terminated.containerID == "containerd://app-0"


def test_instances_count_by_their_age_and_not_by_the_runtimes_order():
    pod = make_pod()
    made = only(pod, status(pod, "app", EXITED, exit_code=7, attempt=0), status(pod, "app", attempt=1))

    assert made.state.running is not None


def test_a_container_that_ran_and_vanished_is_lost_and_not_pending():
    pod = make_pod()
    before = compute(pod, status(pod, "app"))
    made = compute(pod, previous=before)
    lost = made.containerStatuses[0]

    assert (lost.lastState.terminated.reason, lost.lastState.terminated.exitCode) == ("ContainerStatusUnknown", 137)
    assert lost.lastState.terminated.containerID is None
    assert lost.restartCount == 1
    assert made.phase == "Running"


def test_a_container_of_unknown_state_that_ran_is_terminated():
    pod = make_pod()
    before = compute(pod, status(pod, "app"))
    made = only(pod, status(pod, "app", UNKNOWN), previous=before)

    assert (made.state.terminated.reason, made.state.terminated.exitCode) == ("ContainerStatusUnknown", 137)


def test_a_created_container_waits_without_a_word():
    pod = make_pod()

    assert pod_json(only(pod, status(pod, "app", CREATED)))["state"] == {"waiting": {}}


def test_regular_containers_are_listed_by_name_and_init_containers_in_their_order():
    pod = make_pod(container("b"), container("a"), init=[container("z"), container("y")])
    made = compute(pod)

    assert [one.name for one in made.containerStatuses] == ["a", "b"]
    assert [one.name for one in made.initContainerStatuses] == ["z", "y"]


@pytest.mark.parametrize(("code", "ready"), [(0, True), (1, False)])
def test_a_plain_init_container_is_ready_when_it_succeeded(code, ready):
    pod = make_pod(init=[container("i")])
    made = compute(pod, status(pod, "i", EXITED, exit_code=code)).initContainerStatuses[0]

    assert (made.ready, made.started) == (ready, False)


def test_a_succeeded_init_container_does_not_wait_for_a_start_that_failed_before():
    pod = make_pod(init=[container("i")])
    made = compute(pod, status(pod, "i", EXITED), waiting={"i": PULL})

    assert made.initContainerStatuses[0].state.terminated is not None


def test_a_removed_init_container_is_shown_as_it_ended():
    pod = make_pod(init=[container("i")])
    before = compute(pod, status(pod, "i", EXITED, attempt=1))
    after = compute(pod, status(pod, "app"), previous=before)

    assert after.initContainerStatuses == before.initContainerStatuses
    assert after.initContainerStatuses[0] is not before.initContainerStatuses[0]


def test_a_removed_container_that_had_ended_is_shown_as_it_ended_until_its_next_start_fails():
    pod = make_pod()
    before = compute(pod, status(pod, "app", EXITED, exit_code=3))

    assert only(pod, previous=before).state.terminated.exitCode == 3
    failed = only(pod, previous=before, waiting={"app": PULL})
    assert (failed.state.waiting.reason, failed.lastState.terminated.exitCode) == ("ErrImagePull", 3)


def test_an_init_container_without_a_trace_is_taken_for_done_once_a_regular_one_exists():
    pod = make_pod(init=[container("i"), sidecar("s")])
    plain, side = compute(pod, status(pod, "app", EXITED)).initContainerStatuses

    assert (plain.state.terminated.reason, plain.state.terminated.exitCode) == ("Completed", 0)
    assert plain.state.terminated.message.startswith("Unable to get init container status")
    assert plain.ready
    assert side.state.waiting.reason == "PodInitializing"


@pytest.mark.parametrize(
    ("probes", "started", "ready"),
    [
        (ProbeView(), True, True),
        (ProbeView(ready={"app": False}), True, False),
        (ProbeView(started={"app": False}, ready={"app": True}), False, False),
        (ProbeView(started={"app": True}, ready={"app": True}), True, True),
    ],
)
def test_probes_decide_whether_a_running_container_has_started_and_is_ready(probes, started, ready):
    pod = make_pod()
    made = only(pod, status(pod, "app"), probes=probes)

    assert (made.started, made.ready) == (started, ready)


def test_a_sidecar_is_ready_while_it_runs():
    pod = make_pod(init=[sidecar("s")])
    made = compute(pod, status(pod, "s")).initContainerStatuses[0]

    assert (made.started, made.ready) == (True, True)


def test_a_debug_container_has_neither_start_nor_readiness():
    pod = make_pod(ephemeralContainers=[container("debug")])
    made = compute(pod, status(pod, "debug")).ephemeralContainerStatuses[0]

    assert made.started is None
    assert made.ready is False


def test_resources_and_mounts_are_those_of_the_spec():
    app = container(
        "app",
        resources={"limits": {"cpu": "1"}},
        volumeMounts=[{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/r", "readOnly": True}],
    )
    pod = set_defaults(make_pod(app, volumes=[{"name": "v"}]))
    shown = pod_json(only(pod, status(pod, "app")))

    assert shown["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}
    assert shown["allocatedResources"] == {"cpu": "1"}
    assert shown["volumeMounts"] == [
        {"name": "v", "mountPath": "/v"},
        {"name": "v", "mountPath": "/r", "readOnly": True, "recursiveReadOnly": "Disabled"},
    ]
