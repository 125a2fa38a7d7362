"""The phase of a pod."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.model.pod import is_sidecar, regular_containers, set_defaults
from kubeletsim.model.runtime import ContainerState
from kubeletsim.pods.status import TERMINAL_PHASES, WaitingReason, compute_pod_status
from tests.fakes.pods import container, make_pod, observed, sandbox, sidecar, status
from tests.strategies import observed_pods, pods

RUNNING, EXITED, CREATED, UNKNOWN = (
    ContainerState.RUNNING,
    ContainerState.EXITED,
    ContainerState.CREATED,
    ContainerState.UNKNOWN,
)
BACKOFF = WaitingReason("CrashLoopBackOff", "back-off 10s")


def phase(pod, *statuses, terminal=False, previous=None, waiting=(), sandboxes=None):
    return compute_pod_status(
        pod,
        observed(*statuses, sandboxes=sandboxes),
        previous=previous,
        waiting=dict.fromkeys(waiting, BACKOFF),
        terminal=terminal,
        now=100.0,
        runtime_name="containerd",
    ).phase


def two(**spec):
    return make_pod(container("a"), container("b"), **spec)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({}, "Pending"),
        ({"a": RUNNING}, "Pending"),
        ({"a": RUNNING, "b": CREATED}, "Pending"),
        ({"a": RUNNING, "b": RUNNING}, "Running"),
        ({"a": RUNNING, "b": EXITED}, "Running"),
        ({"a": EXITED, "b": EXITED}, "Running"),
    ],
)
def test_a_pod_runs_once_each_container_has_started(states, expected):
    pod = two()

    assert phase(pod, *(status(pod, name, state) for name, state in states.items())) == expected


@pytest.mark.parametrize(
    ("policy", "codes", "expected"),
    [
        ("Always", (0, 0), "Running"),
        ("Always", (1, 1), "Running"),
        ("OnFailure", (0, 0), "Succeeded"),
        ("OnFailure", (0, 1), "Running"),
        ("Never", (0, 0), "Succeeded"),
        ("Never", (0, 1), "Failed"),
    ],
)
def test_a_pod_whose_containers_have_all_ended_ends_by_its_policy(policy, codes, expected):
    pod = two(restartPolicy=policy)
    ended = [status(pod, name, EXITED, exit_code=code) for name, code in zip("ab", codes, strict=True)]

    assert phase(pod, *ended) == expected


@pytest.mark.parametrize(
    ("source", "code", "expected"), [("api", 0, "Succeeded"), ("api", 1, "Failed"), ("file", 1, "Running")]
)
def test_a_terminal_pod_gets_its_last_phase_unless_it_is_static(source, code, expected):
    pod = make_pod(source=source)

    assert phase(pod, status(pod, "app", EXITED, exit_code=code), terminal=True) == expected


def test_a_container_waiting_for_its_next_start_keeps_the_pod_running():
    pod = make_pod()

    assert phase(pod, status(pod, "app", EXITED, exit_code=1), waiting=["app"]) == "Running"


def test_a_container_waiting_for_its_first_start_keeps_the_pod_pending():
    pod = two()

    assert phase(pod, status(pod, "a"), waiting=["b"]) == "Pending"


def test_a_containers_rule_can_keep_a_pod_from_failing():
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    pod = make_pod(container("app", restartPolicy="Never", restartPolicyRules=[rule]), restartPolicy="Never")

    assert phase(pod, status(pod, "app", EXITED, exit_code=42)) == "Running"
    assert phase(pod, status(pod, "app", EXITED, exit_code=1)) == "Failed"


@pytest.mark.parametrize(
    ("policy", "state", "code", "expected"),
    [
        ("Always", None, 0, "Pending"),
        ("Always", RUNNING, 0, "Pending"),
        ("Always", EXITED, 0, "Pending"),
        ("Always", EXITED, 1, "Pending"),
        ("Never", EXITED, 1, "Failed"),
    ],
)
def test_init_containers_come_first(policy, state, code, expected):
    pod = make_pod(init=[container("i")], restartPolicy=policy)
    seen = [] if state is None else [status(pod, "i", state, exit_code=code)]

    assert phase(pod, *seen) == expected


def test_a_finished_init_container_may_vanish():
    pod = make_pod(init=[container("i")])
    before = compute(pod, status(pod, "i", EXITED))

    assert phase(pod, status(pod, "app"), previous=before) == "Running"


def compute(pod, *statuses, previous=None):
    return compute_pod_status(
        pod,
        observed(*statuses),
        previous=previous,
        waiting={},
        terminal=False,
        now=100.0,
        runtime_name="containerd",
    )


def test_a_sidecar_that_restarts_does_not_throw_an_initialised_pod_back():
    pod = make_pod(init=[sidecar("s")])
    app, ended = status(pod, "app"), status(pod, "s", EXITED, exit_code=1)

    assert phase(pod, app, status(pod, "s")) == "Running"
    assert phase(pod, app, ended) == "Running"
    assert phase(pod, app, ended, waiting=["s"]) == "Running"


def test_a_sidecar_does_not_keep_a_pod_from_ending():
    pod = make_pod(init=[sidecar("s")], restartPolicy="Never")

    assert phase(pod, status(pod, "app", EXITED), status(pod, "s", EXITED, exit_code=137)) == "Succeeded"


@pytest.mark.parametrize("ended", TERMINAL_PHASES)
def test_a_pod_that_has_ended_does_not_begin_again(ended):
    pod = make_pod()
    before = compute(pod, status(pod, "app"))
    before.phase = ended

    assert phase(pod, status(pod, "app"), previous=before) == ended


def test_an_older_sandboxs_container_proves_no_initialisation():
    pod = make_pod(init=[sidecar("s")])
    fresh = sandbox(attempt=5)
    old_app, waiting_sidecar = status(pod, "app", EXITED), status(pod, "s", CREATED)

    assert phase(pod, old_app, waiting_sidecar, sandboxes=[fresh]) == "Pending"


@given(st.data())
def test_phases_follow_their_rules_whatever_the_runtime_reports(data):
    pod = set_defaults(data.draw(pods()))
    seen = data.draw(observed_pods(pod))
    terminal = data.draw(st.booleans())
    made = compute_pod_status(
        pod,
        seen,
        previous=None,
        waiting={},
        terminal=terminal,
        now=100.0,
        runtime_name="containerd",
    )
    shown = {one.name: one for one in [*(made.containerStatuses or []), *(made.initContainerStatuses or [])]}
    regular = [shown[one.name] for one in regular_containers(pod)]
    init = [shown[one.name] for one in pod.spec.initContainers or [] if not is_sidecar(one)]

    if made.phase == "Succeeded":
        assert all(one.state.terminated is not None and one.state.terminated.exitCode == 0 for one in regular)
    if made.phase == "Failed":
        assert any(one.state.terminated is None or one.state.terminated.exitCode for one in [*regular, *init])
    if made.phase == "Running":
        assert all(one.state.running is not None or last_exit_code(one) is not None for one in regular)
        assert all(last_exit_code(one) is not None for one in init)
    if pod.spec.restartPolicy == "Always":
        assert made.phase in ("Pending", "Running") or pod.spec.initContainers or terminal


def last_exit_code(one):
    """How a stopped container ended: one that shows its end, or waits to be started again after one."""
    ended = one.state.terminated or (one.lastState.terminated if one.state.waiting is not None else None)
    return ended.exitCode if ended is not None else None
