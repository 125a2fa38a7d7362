"""The last status of a pod of which nothing is left."""

import pytest
from lightkube.models.core_v1 import PodStatus

from kubeletsim.model.runtime import ContainerState
from kubeletsim.pods.status import WaitingReason, compute_pod_status, finished_status
from tests.fakes.pods import container, make_pod, observed, sidecar, status

EXITED = ContainerState.EXITED
LOST = ("ContainerStatusUnknown", 137)


def compute(pod, *statuses, **more):
    return compute_pod_status(
        pod,
        observed(*statuses),
        previous=None,
        waiting={},
        terminal=True,
        now=100.0,
        runtime_name="containerd",
        **more,
    )


def ends(statuses):
    return [
        (one.state.terminated.reason, one.state.terminated.exitCode) if one.state.terminated else None
        for one in statuses or ()
    ]


def test_a_container_that_never_ran_or_was_to_run_again_ends_unknown():
    pod = make_pod(container("a"), container("b"), container("c"))
    made = compute(pod, status(pod, "a", EXITED, exit_code=3))

    assert ends(finished_status(pod, made).containerStatuses) == [(None, 3), LOST, LOST]


def test_a_container_that_waits_for_its_next_start_keeps_its_last_end():
    pod = make_pod()
    waiting = {"app": WaitingReason("CrashLoopBackOff", "back-off")}
    before = compute_pod_status(
        pod,
        observed(status(pod, "app", EXITED, exit_code=3)),
        previous=None,
        waiting=waiting,
        terminal=False,
        now=100.0,
        runtime_name="containerd",
    )

    made = finished_status(pod, before).containerStatuses

    assert ends(made) == [LOST]
    assert made[0].lastState.terminated.exitCode == 3


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([], [LOST, None, None]),
        ([("i1", EXITED)], [(None, 0), None, None]),
        ([("i1", EXITED), ("s", EXITED)], [(None, 0), (None, 0), None]),
        ([("s", EXITED)], [LOST, (None, 0), None]),
    ],
    ids=["none", "first", "two", "a gap"],
)
def test_of_the_init_containers_only_those_up_to_the_last_that_started_end(seen, expected):
    pod = make_pod(init=[container("i1"), sidecar("s"), container("i2")])
    made = finished_status(pod, compute(pod, *(status(pod, name, state) for name, state in seen)))

    assert ends(made.initContainerStatuses) == expected
    assert ends(made.containerStatuses) == [None]  # a manifest's own status does not say that it was initialised


def test_a_static_pod_keeps_its_phase_and_another_one_fails():
    shown = PodStatus(phase="Running")

    assert finished_status(make_pod(), shown).phase == "Running"
    assert finished_status(make_pod(source="api"), shown).phase == "Failed"


def test_a_pod_that_its_source_showed_initialised_counts_as_such():
    pod = make_pod(init=[container("i")])
    pod.status = compute(pod, status(pod, "i", EXITED))

    assert ends(finished_status(pod, compute(pod)).containerStatuses) == [LOST]
