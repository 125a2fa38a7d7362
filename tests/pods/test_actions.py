"""Claims about what a sync decides to do: kubelet-behaviour §6.2, §6.4 and §6.5 as examples, then as invariants."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import (
    all_containers,
    ephemeral_containers,
    init_containers,
    is_sidecar,
    regular_containers,
)
from kubeletsim.model.runtime import ContainerState, ContainerStatus, ObservedPod
from kubeletsim.pods.actions import KillReason, PodActions, ProbeResults, compute_pod_actions
from tests.fakes.pods import container, make_pod, observed, sandbox, sidecar, status
from tests.strategies import observed_pods, pods

RUNNING, EXITED, CREATED, UNKNOWN = (
    ContainerState.RUNNING,
    ContainerState.EXITED,
    ContainerState.CREATED,
    ContainerState.UNKNOWN,
)
TWO = [container("a"), container("b")]
NEVER: dict[str, Any] = {"restartPolicy": "Never"}
ON_FAILURE: dict[str, Any] = {"restartPolicy": "OnFailure"}


def test_a_new_pod_gets_a_sandbox_and_all_its_containers() -> None:
    plan = compute_pod_actions(make_pod(*TWO), observed(sandboxes=[]))

    assert plan == PodActions(kill_pod=True, create_sandbox=True, attempt=0, containers_to_start=("a", "b"))


def test_a_new_pod_with_init_containers_starts_with_the_first_of_them() -> None:
    plan = compute_pod_actions(make_pod(init=[container("i1"), container("i2")]), observed(sandboxes=[]))

    assert plan.create_sandbox
    assert plan.to_start == ("i1",)


def test_a_pod_that_is_as_it_should_be_is_left_alone() -> None:
    pod = make_pod(*TWO)

    assert compute_pod_actions(pod, observed(status(pod, "a"), status(pod, "b"))).is_noop


@pytest.mark.parametrize(
    ("sandboxes", "attempt", "given_up"),
    [
        pytest.param([], 0, None, id="none"),
        pytest.param([sandbox(attempt=1), sandbox(attempt=0)], 2, "sandbox-1", id="two are ready"),
        pytest.param([sandbox(attempt=3, ready=False), sandbox(attempt=2)], 4, "sandbox-3", id="newest is not ready"),
        pytest.param([sandbox(attempt=1, host_network=False, ips=("10.0.0.1",))], 2, None, id="wrong network"),
    ],
)
def test_a_sandbox_of_no_use_is_replaced_by_the_next_attempt(
    sandboxes: list[object], attempt: int, given_up: str | None
) -> None:
    plan = compute_pod_actions(make_pod(), observed(sandboxes=sandboxes))  # type: ignore[arg-type]

    assert (plan.create_sandbox, plan.attempt, plan.sandbox_id) == (True, attempt, given_up)


def test_a_sandbox_without_an_address_is_replaced_unless_the_pod_needs_none() -> None:
    lost = sandbox(host_network=False)

    assert compute_pod_actions(make_pod(hostNetwork=False), observed(sandboxes=[lost])).create_sandbox
    kept = replace(lost, has_network=False)
    assert not compute_pod_actions(make_pod(hostNetwork=False), observed(sandboxes=[kept])).create_sandbox


def test_a_never_pod_that_lost_its_sandbox_is_only_killed() -> None:
    pod = make_pod(**NEVER)

    plan = compute_pod_actions(pod, observed(status(pod, "app", EXITED), sandboxes=[sandbox(ready=False)]))

    assert (plan.kill_pod, plan.create_sandbox, plan.to_start) == (True, False, ())


def test_a_never_pod_whose_first_sandbox_failed_before_any_container_gets_another() -> None:
    plan = compute_pod_actions(make_pod(**NEVER), observed(sandboxes=[sandbox(ready=False)]))

    assert (plan.create_sandbox, plan.attempt) == (True, 1)


def test_on_failure_does_not_repeat_what_succeeded_in_a_new_sandbox() -> None:
    pod = make_pod(*TWO, **ON_FAILURE)
    seen = [status(pod, "a", EXITED), status(pod, "b", EXITED, exit_code=1)]

    assert compute_pod_actions(pod, observed(*seen, sandboxes=[sandbox(ready=False)])).containers_to_start == ("b",)
    seen[1] = status(pod, "b", EXITED)
    done = compute_pod_actions(pod, observed(*seen, sandboxes=[sandbox(ready=False)]))
    assert (done.kill_pod, done.create_sandbox) == (True, False)


@pytest.mark.parametrize(
    ("pods", "containers", "starts"), [("Always", "OnFailure", ()), ("OnFailure", "Always", ("a",))]
)
def test_in_a_new_sandbox_a_containers_own_policy_outranks_the_pods(
    pods: str, containers: str, starts: tuple[str, ...]
) -> None:
    pod = make_pod(container("a", restartPolicy=containers), restartPolicy=pods)
    plan = compute_pod_actions(pod, observed(status(pod, "a", EXITED), sandboxes=[sandbox(ready=False)]))

    assert plan.containers_to_start == starts


@pytest.mark.parametrize(
    ("policy", "code", "starts"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_the_restart_policy_decides_about_an_exit(policy: str, code: int, starts: bool) -> None:
    pod = make_pod(*TWO, restartPolicy=policy)

    plan = compute_pod_actions(pod, observed(status(pod, "a", EXITED, exit_code=code), status(pod, "b")))

    assert plan.containers_to_start == (("a",) if starts else ())
    assert not plan.kill_pod


@pytest.mark.parametrize(("code", "starts"), [(42, True), (1, False)])
def test_a_containers_own_rules_outrank_the_pods_policy(code: int, starts: bool) -> None:
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    pod = make_pod(container("a", restartPolicy="Never", restartPolicyRules=[rule]), container("b"), **NEVER)

    plan = compute_pod_actions(pod, observed(status(pod, "a", EXITED, exit_code=code), status(pod, "b")))

    assert plan.containers_to_start == (("a",) if starts else ())


ALL_ON_42 = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}
TRIGGER = container("trigger", restartPolicy="Never", restartPolicyRules=[ALL_ON_42])


def test_a_restart_of_all_removes_every_instance_and_the_one_that_asked_for_it_last() -> None:
    pod = make_pod(TRIGGER, container("a"), init=[container("i"), sidecar("s")])
    seen = observed(
        status(pod, "trigger", EXITED, exit_code=42, attempt=1),
        status(pod, "a", attempt=1),
        status(pod, "a", EXITED, attempt=0),
        status(pod, "trigger", EXITED, exit_code=1, attempt=0),
        status(pod, "i", EXITED),
        status(pod, "s"),
    )

    plan = compute_pod_actions(pod, seen, restart_all=True)

    resets = [(reset.id, reset.kill) for reset in plan.containers_to_reset]
    assert resets == [
        ("trigger-0", False),
        ("a-1", True),
        ("a-0", False),
        ("i-0", False),
        ("s-0", True),
        ("trigger-1", False),
    ]
    assert (plan.kill_pod, plan.to_start, plan.containers_to_kill) == (False, (), ())


def test_a_pod_without_a_container_left_begins_with_its_init_containers() -> None:
    pod = make_pod(TRIGGER, init=[container("i")])

    assert compute_pod_actions(pod, observed(), restart_all=True).is_noop
    assert compute_pod_actions(pod, observed()).to_start == ("i",)


@pytest.mark.parametrize("state", [CREATED, UNKNOWN])
def test_a_container_that_never_got_going_is_started_whatever_the_policy(state: ContainerState) -> None:
    pod = make_pod(**NEVER)

    plan = compute_pod_actions(pod, observed(status(pod, "app", state)))

    assert plan.containers_to_start == ("app",)
    assert [kill.reason for kill in plan.containers_to_kill] == ([KillReason.UNKNOWN] if state is UNKNOWN else [])


def test_a_changed_spec_restarts_the_container_whatever_the_policy() -> None:
    before, after = make_pod(**NEVER), make_pod(container("app", image="busybox:2"), **NEVER)

    plan = compute_pod_actions(after, observed(status(before, "app")))

    assert plan.containers_to_start == ("app",)
    (kill,) = plan.containers_to_kill
    assert (kill.reason, kill.message) == (
        KillReason.SPEC_CHANGED,
        "Container app definition changed, will be restarted",
    )


def test_a_failed_liveness_probe_kills_and_restarts_unless_the_policy_is_never() -> None:
    pod = make_pod()
    probes = ProbeResults(liveness_failed=frozenset({status(pod, "app").id}))

    plan = compute_pod_actions(pod, observed(status(pod, "app")), probes=probes)
    assert (plan.containers_to_start, plan.containers_to_kill[0].reason) == (("app",), KillReason.LIVENESS_PROBE)

    last = compute_pod_actions(make_pod(**NEVER), observed(status(pod, "app")), probes=probes)
    assert (last.containers_to_start, last.kill_pod) == ((), True)


def test_a_pod_with_nothing_left_to_run_is_killed_and_its_sidecar_not_restarted() -> None:
    pod = make_pod(init=[sidecar("s1"), sidecar("s2")], **NEVER)
    seen = observed(status(pod, "app", EXITED), status(pod, "s1", EXITED, exit_code=1), status(pod, "s2"))

    plan = compute_pod_actions(pod, seen)

    assert (plan.kill_pod, plan.to_start) == (True, ())


INIT = [container("i1"), sidecar("side"), container("i2")]


@pytest.mark.parametrize(
    ("states", "starts"),
    [
        pytest.param({}, ("i1",), id="nothing yet"),
        pytest.param({"i1": RUNNING}, (), id="first runs"),
        pytest.param({"i1": EXITED}, ("side",), id="first is done"),
        pytest.param({"i1": EXITED, "side": CREATED}, ("side",), id="sidecar was not started"),
        pytest.param({"i1": EXITED, "side": RUNNING}, ("i2",), id="sidecar runs"),
        pytest.param({"i1": EXITED, "side": RUNNING, "i2": RUNNING}, (), id="last runs"),
        pytest.param({"i1": EXITED, "side": RUNNING, "i2": EXITED}, ("app",), id="all done"),
        pytest.param({"side": RUNNING, "i2": EXITED}, ("app",), id="a finished one is gone"),
        pytest.param({"i2": EXITED}, ("side", "app"), id="only the last left a trace"),
        pytest.param({"i2": EXITED, "side": EXITED}, ("side", "app"), id="sidecar died meanwhile"),
        pytest.param({"app": RUNNING, "side": EXITED}, ("side",), id="sidecar died later"),
        pytest.param({"app": RUNNING}, ("side",), id="sidecar was removed"),
        pytest.param({"app": EXITED}, ("i1",), id="an exited regular container proves nothing"),
    ],
)
def test_init_containers_run_in_order_and_sidecars_stay(
    states: dict[str, ContainerState], starts: tuple[str, ...]
) -> None:
    pod = make_pod(init=INIT)

    plan = compute_pod_actions(pod, observed(*[status(pod, name, state) for name, state in states.items()]))

    assert plan.to_start == starts


def test_a_failed_init_container_is_repeated_or_ends_the_pod() -> None:
    failed = status(make_pod(init=INIT), "i1", EXITED, exit_code=1)

    assert compute_pod_actions(make_pod(init=INIT), observed(failed)).to_start == ("i1",)
    assert compute_pod_actions(make_pod(init=INIT, **ON_FAILURE), observed(failed)).to_start == ("i1",)
    ended = compute_pod_actions(make_pod(init=INIT, **NEVER), observed(failed))
    assert (ended.kill_pod, ended.to_start) == (True, ())


def test_a_sidecar_whose_image_changed_is_replaced_while_the_rest_goes_on() -> None:
    before, after = (make_pod(init=[sidecar("side", image=image)]) for image in ("old:1", "new:1"))

    plan = compute_pod_actions(after, observed(status(before, "side"), status(before, "app")))

    (kill,) = plan.containers_to_kill
    assert (kill.name, kill.message) == ("side", "Init container side definition changed")
    assert plan.to_start == ("side",)


def test_a_sidecar_with_a_startup_probe_holds_up_the_next_until_it_passes() -> None:
    pod = make_pod(init=[sidecar("side", startupProbe={"exec": {"command": ["true"]}})])
    seen = observed(status(pod, "side"))
    side = frozenset({status(pod, "side").id})

    assert compute_pod_actions(pod, seen, probes=ProbeResults()).is_noop
    assert compute_pod_actions(pod, seen, probes=ProbeResults(startup_succeeded=side)).to_start == ("app",)
    failed = compute_pod_actions(pod, seen, probes=ProbeResults(startup_failed=side))
    assert (failed.to_start, failed.containers_to_kill[0].reason) == (("side",), KillReason.STARTUP_PROBE)
    assert compute_pod_actions(pod, seen, probes=None).to_start == ("app",)


def test_ephemeral_containers_start_once_even_before_init_is_done() -> None:
    pod = make_pod(init=INIT, ephemeralContainers=[container("debug")])

    assert compute_pod_actions(pod, observed(status(pod, "i1"))).to_start == ("debug",)
    assert compute_pod_actions(pod, observed(status(pod, "i1"), status(pod, "debug", EXITED))).is_noop


# Invariants, whatever the runtime shows.


@given(pods(), st.data())
def test_nothing_that_runs_is_started_unless_it_is_stopped_first(pod: Pod, data: st.DataObject) -> None:
    seen = data.draw(observed_pods(pod))
    plan = compute_pod_actions(pod, seen)

    stopped = {kill.name for kill in plan.containers_to_kill}
    if not plan.kill_pod:
        assert not (set(plan.to_start) & _newest_in(seen, RUNNING)) - stopped


@given(pods(), st.data())
def test_a_sandbox_is_only_created_after_everything_was_stopped(pod: Pod, data: st.DataObject) -> None:
    plan = compute_pod_actions(pod, data.draw(observed_pods(pod)))

    assert plan.kill_pod or not plan.create_sandbox
    assert plan.create_sandbox or not (plan.kill_pod and plan.to_start)


@given(pods(), st.data())
def test_regular_containers_wait_for_init(pod: Pod, data: st.DataObject) -> None:
    seen = data.draw(observed_pods(pod))
    plan = compute_pod_actions(pod, seen)

    normal = [one.name for one in init_containers(pod) if not is_sidecar(one)]
    if plan.containers_to_start:
        assert not set(plan.init_containers_to_start) & set(normal)
        begun = {one.name for one in regular_containers(pod)} & _newest_in(seen, RUNNING, CREATED)
        assert begun or not set(normal) & _newest_in(seen, RUNNING)


@given(pods(), st.data())
def test_a_restart_of_all_starts_nothing_and_spares_nothing(pod: Pod, data: st.DataObject) -> None:
    seen = data.draw(observed_pods(pod))
    plan = compute_pod_actions(pod, seen, restart_all=True)

    kept = {one.name for one in ephemeral_containers(pod)}
    assert {reset.id for reset in plan.containers_to_reset} == {
        one.id for one in seen.containers if one.name not in kept
    }
    assert {reset.id for reset in plan.containers_to_reset if not reset.kill} <= {
        one.id for one in seen.containers if one.state is EXITED
    }
    assert plan.to_start == ()


@given(pods(), st.data())
def test_an_exit_is_answered_by_the_containers_rules_then_its_policy_then_the_pods(
    pod: Pod, data: st.DataObject
) -> None:
    seen = data.draw(observed_pods(pod))
    plan = compute_pod_actions(pod, seen)

    exited = _newest_in(seen, EXITED)
    for one in regular_containers(pod):
        if plan.kill_pod or not plan.containers_to_start or one.name not in exited:
            continue
        code = next(status.exit_code for status in seen.containers if status.name == one.name)
        rules = one.restartPolicyRules or []
        matched = any((code in rule.exitCodes.values) == (rule.exitCodes.operator == "In") for rule in rules)
        policy = one.restartPolicy or (pod.spec and pod.spec.restartPolicy)
        expected = matched or policy == "Always" or (policy == "OnFailure" and code != 0)
        assert (one.name in plan.containers_to_start) == expected


@given(pods(), st.data())
def test_every_name_in_a_plan_is_in_the_spec_once_and_in_its_order(pod: Pod, data: st.DataObject) -> None:
    plan = compute_pod_actions(pod, data.draw(observed_pods(pod)))

    order = [one.name for one in all_containers(pod)]
    for names in (plan.init_containers_to_start, plan.containers_to_start, plan.ephemeral_containers_to_start):
        assert list(names) == sorted(set(names), key=order.index)


@given(pods(), st.data())
def test_carrying_out_plans_comes_to_rest(pod: Pod, data: st.DataObject) -> None:
    """With a runtime in which everything works and nothing but init containers ends, a few plans are enough."""
    seen = data.draw(observed_pods(pod))

    for _ in range(4 + 2 * len(init_containers(pod))):
        plan = compute_pod_actions(pod, seen)
        if plan.is_noop or (plan.kill_pod and not plan.create_sandbox):
            return
        seen = carry_out(pod, seen, plan)
    raise AssertionError(f"still {plan}")


def carry_out(pod: Pod, seen: ObservedPod, plan: PodActions) -> ObservedPod:
    """Return what a perfect runtime shows after a plan; a normal init container succeeds at once."""
    containers, sandboxes = list(seen.containers), list(seen.sandboxes)
    killed = {kill.id for kill in plan.containers_to_kill}
    containers = [
        replace(one, state=EXITED, exit_code=137)
        if (plan.kill_pod or one.id in killed) and one.state in (RUNNING, UNKNOWN)
        else one
        for one in containers
    ]
    if plan.create_sandbox:
        sandboxes = [replace(one, state=type(one.state).NOTREADY) for one in sandboxes]
        ips = () if pod.spec and pod.spec.hostNetwork else ("10.0.0.1",)
        sandboxes.insert(0, sandbox(attempt=plan.attempt, host_network=not ips, ips=ips))
        normal = {one.name for one in init_containers(pod)}
        containers = [one for one in containers if one.name not in normal]  # purged with the old sandbox
    ends = {one.name for one in init_containers(pod) if not is_sidecar(one)}
    for name in plan.to_start:
        attempt = max((one.attempt for one in containers if one.name == name), default=-1) + 1
        containers.insert(0, status(pod, name, EXITED if name in ends else RUNNING, attempt=attempt))
    return replace(seen, containers=tuple(containers), sandboxes=tuple(sandboxes))


def _newest_in(seen: ObservedPod, *states: ContainerState) -> set[str]:
    """Return the names whose newest instance is in one of the states."""
    newest: dict[str, ContainerStatus] = {}
    for one in seen.containers:
        newest.setdefault(one.name, one)
    return {name for name, one in newest.items() if one.state in states}
