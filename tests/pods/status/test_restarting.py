"""The restart of all containers, as a pod's status shows it: `RestartAllContainers` in kubelet-behaviour §6.5."""

import pytest

from kubeletsim.model.runtime import ContainerState
from kubeletsim.pods.status import compute_pod_status, is_marked_to_restart_all
from tests.fakes.pods import container, make_pod, observed, sidecar, status

RUNNING, EXITED, UNKNOWN = ContainerState.RUNNING, ContainerState.EXITED, ContainerState.UNKNOWN
RULE = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}
POD = make_pod(
    container("trigger", restartPolicy="Never", restartPolicyRules=[RULE]),
    container("other"),
    init=[container("i")],
    restartPolicy="Never",
)
ASKED = observed(status(POD, "trigger", EXITED, exit_code=42), status(POD, "other"), status(POD, "i", EXITED))


def compute(seen, *, previous=None, pod=POD, **more):
    return compute_pod_status(
        pod,
        seen,
        previous=previous,
        waiting={},
        terminal=False,
        now=100.0,
        runtime_name="containerd",
        **more,
    )


def condition(made):
    return next((one for one in made.conditions if one.type == "AllContainersRestarting"), None)


def test_only_a_pod_with_such_a_rule_has_the_condition_and_it_is_the_last():
    assert condition(compute(observed(), pod=make_pod())) is None
    made = compute(observed())

    assert made.conditions[-1] is condition(made)
    assert (condition(made).status, condition(made).reason) == ("False", None)


def test_an_exit_that_a_rule_names_sets_the_condition():
    made = compute(ASKED)

    assert is_marked_to_restart_all(made)
    assert condition(made).reason == "RestartAllContainersStarted"
    assert condition(made).message == "container exited with restart policy rule"
    assert made.phase == "Running"


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(observed(status(POD, "trigger", EXITED, exit_code=1), status(POD, "other")), id="another code"),
        pytest.param(
            observed(status(POD, "trigger"), status(POD, "other", EXITED, exit_code=42)), id="another container"
        ),
    ],
)
def test_other_exits_do_not(seen):
    assert not is_marked_to_restart_all(compute(seen))


def test_the_condition_holds_while_containers_are_left_although_the_one_that_asked_is_gone():
    begun = compute(ASKED)

    assert is_marked_to_restart_all(compute(observed(status(POD, "other")), previous=begun))


def test_once_all_are_gone_they_wait_in_a_running_pod_even_if_they_may_not_restart_by_themselves():
    made = compute(observed(), previous=compute(ASKED))

    assert not is_marked_to_restart_all(made)
    assert made.phase == "Running"
    for one in (*made.initContainerStatuses, *made.containerStatuses):
        assert one.state.waiting.reason == "RestartingAllContainers"
        assert (one.lastState.terminated.reason, one.lastState.terminated.exitCode) == ("RestartingAllContainers", 137)
        assert one.restartCount == 1
    later = compute(observed(), previous=made)
    assert (later.phase, [one.restartCount for one in later.containerStatuses]) == ("Running", [1, 1])
    again = compute(observed(status(POD, "i", attempt=1)), previous=made)
    assert again.phase == "Pending"


def test_a_sidecar_that_has_just_restarted_keeps_the_pod_pending_for_one_more_look():
    pod = make_pod(container("a"), init=[sidecar("s", restartPolicyRules=[RULE])])
    cleared = compute(
        observed(),
        pod=pod,
        previous=compute(observed(status(pod, "s", EXITED, exit_code=42), status(pod, "a")), pod=pod),
    )
    seen = observed(status(pod, "s", attempt=1))

    made = compute(seen, pod=pod, previous=cleared)

    assert (cleared.phase, made.phase) == ("Running", "Pending")
    assert compute(seen, pod=pod, previous=made).phase == "Running"


def test_an_exit_that_was_shown_counts_even_when_the_runtime_has_lost_it():
    shown = compute(ASKED, restarts_all=False)  # by a kubelet that did not heed the rule

    assert is_marked_to_restart_all(compute(observed(status(POD, "other")), previous=shown))


def test_a_container_started_afterwards_remembers_why_it_was_restarted():
    cleared = compute(observed(), previous=compute(ASKED))
    seen = observed(
        status(POD, "other", attempt=1), status(POD, "trigger", attempt=1), status(POD, "i", EXITED, attempt=1)
    )

    made = compute(seen, previous=cleared)

    assert made.phase == "Running"
    for one in made.containerStatuses:
        assert one.lastState.terminated.reason == "RestartingAllContainers"
        assert one.restartCount == 1


def test_a_container_lost_meanwhile_was_lost_to_the_restart():
    begun = compute(ASKED)

    made = compute(observed(status(POD, "other", UNKNOWN)), previous=begun)

    lost = next(one for one in made.containerStatuses if one.name == "other")
    assert (lost.state.terminated.reason, lost.restartCount) == ("RestartingAllContainers", 1)


def test_a_pod_that_has_ended_does_not_begin_again():
    ended = compute(observed(status(POD, "trigger", EXITED), status(POD, "other", EXITED), status(POD, "i", EXITED)))

    assert (ended.phase, condition(ended).reason) == ("Succeeded", "PodCompleted")


def test_with_the_gate_off_rules_restart_their_own_container_alone():
    made = compute(ASKED, restarts_all=False)

    assert condition(made) is None
    assert not is_marked_to_restart_all(made)
