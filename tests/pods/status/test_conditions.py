"""Conditions of pods."""

import pytest
from lightkube.models.core_v1 import PodCondition

from kubeletsim.model.pod import with_metadata
from kubeletsim.model.runtime import ContainerState
from kubeletsim.pods.status import compute_pod_status
from tests.fakes.pods import container, make_pod, observed, sandbox, sidecar, status

EXITED = ContainerState.EXITED
ORDER = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]


def compute(pod, *statuses, previous=None, now=100.0, sandboxes=None):
    return compute_pod_status(
        pod,
        observed(*statuses, sandboxes=sandboxes),
        previous=previous,
        waiting={},
        terminal=False,
        now=now,
        runtime_name="containerd",
    )


def shown(pod_status):
    return {one.type: (one.status, one.reason, one.message) for one in pod_status.conditions}


def test_conditions_come_in_the_kubelets_order():
    assert [one.type for one in compute(make_pod()).conditions] == ORDER


def test_a_pod_that_starts_is_scheduled_and_initialised_but_not_ready():
    not_ready = ("False", "ContainersNotReady", "containers with unready status: [app]")

    assert shown(compute(make_pod())) == {
        "PodReadyToStartContainers": ("True", None, None),
        "Initialized": ("True", None, None),
        "Ready": not_ready,
        "ContainersReady": not_ready,
        "PodScheduled": ("True", None, None),
    }


def test_a_running_pod_has_nothing_to_complain_about():
    pod = make_pod()

    assert set(shown(compute(pod, status(pod, "app"))).values()) == {("True", None, None)}


@pytest.mark.parametrize(
    ("sandboxes", "expected"),
    [
        ([], "False"),
        ([sandbox(ready=False)], "False"),
        ([sandbox()], "True"),
        ([sandbox(attempt=1), sandbox(attempt=0)], "False"),
        ([sandbox(host_network=False)], "False"),
    ],
    ids=["none", "dead", "good", "two", "wrong network"],
)
def test_containers_can_start_once_the_sandbox_is_right(sandboxes, expected):
    made = compute(make_pod(), sandboxes=sandboxes)

    assert shown(made)["PodReadyToStartContainers"][0] == expected


def test_init_containers_hold_up_initialisation_by_name():
    pod = make_pod(init=[container("i1"), container("i2"), sidecar("s")])
    made = shown(compute(pod, status(pod, "i1", EXITED)))

    assert made["Initialized"] == (
        "False",
        "ContainersNotInitialized",
        "containers with incomplete status: [i2 s]",
    )
    assert made["ContainersReady"][2] == "containers with unready status: [s app]"


def test_a_pod_whose_regular_container_ran_is_initialised_whatever_is_left_of_the_rest():
    pod = make_pod(init=[container("i")])

    assert shown(compute(pod, status(pod, "app")))["Initialized"] == ("True", None, None)


def test_a_pod_that_was_initialised_once_stays_so():
    pod = make_pod(init=[container("i")])
    before = compute(pod, status(pod, "i", EXITED))

    assert shown(compute(pod, status(pod, "i"), previous=before))["Initialized"] == ("True", None, None)


def test_a_completed_pod_is_initialised_and_no_longer_ready():
    pod = make_pod(restartPolicy="Never")
    made = shown(compute(pod, status(pod, "app", EXITED)))

    assert made["Initialized"] == ("True", "PodCompleted", None)
    assert made["Ready"] == made["ContainersReady"] == ("False", "PodCompleted", None)


def test_a_failed_pod_is_not_ready_because_it_failed():
    pod = make_pod(restartPolicy="Never")
    made = shown(compute(pod, status(pod, "app", EXITED, exit_code=1)))

    assert made["Ready"] == made["ContainersReady"] == ("False", "PodFailed", None)


def test_readiness_gates_are_asked_last():
    pod = make_pod(readinessGates=[{"conditionType": "example.com/a"}, {"conditionType": "example.com/b"}])
    before = compute(pod)
    before.conditions.append(PodCondition(type="example.com/b", status="False"))
    made = shown(compute(pod, status(pod, "app"), previous=before))

    assert made["ContainersReady"] == ("True", None, None)
    assert made["Ready"] == (
        "False",
        "ReadinessGatesNotReady",
        (
            'corresponding condition of pod readiness gate "example.com/a" does not exist., '
            'the status of pod readiness gate "example.com/b" is not "True", but False'
        ),
    )


def test_conditions_of_others_are_kept_and_come_first():
    pod = make_pod()
    before = compute(pod)
    before.conditions += [
        PodCondition(type="DisruptionTarget", status="True"),
        PodCondition(type="example.com/a", status="True"),
    ]
    made = compute(pod, previous=before)

    assert [one.type for one in made.conditions] == ["example.com/a", "DisruptionTarget", *ORDER]


def test_a_condition_keeps_its_time_until_its_status_changes():
    pod = make_pod()
    first = compute(pod, now=100)
    second = compute(pod, status(pod, "app"), previous=first, now=200)
    times = {one.type: one.lastTransitionTime.timestamp() for one in second.conditions}

    assert times == {
        "PodReadyToStartContainers": 100,
        "Initialized": 100,
        "Ready": 200,
        "ContainersReady": 200,
        "PodScheduled": 100,
    }


def test_conditions_say_which_generation_they_are_about():
    pod = with_metadata(make_pod(), generation=3)
    made = compute(pod)

    assert made.observedGeneration == 3
    assert {one.observedGeneration for one in made.conditions} == {3}
