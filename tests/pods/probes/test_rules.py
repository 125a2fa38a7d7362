"""Claims about the rules of probing: thresholds, first values, holds, delays, ends."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.models.core_v1 import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
    PodStatus,
    Probe,
)

from kubeletsim.model.pod import with_metadata
from kubeletsim.model.runtime import ContainerID
from kubeletsim.pods.probes.rules import Action, ProbeKind, ProbeResult, Streak, Target, Turn, next_turn, targets
from tests.fakes.pods import container, make_pod, sidecar

NOW = 1_700_000_000.0
ID = ContainerID("app-0")
PROBE = {"exec": {"command": ["check"]}}
S, F, U = ProbeResult.SUCCESS, ProbeResult.FAILURE, ProbeResult.UNKNOWN
kinds = pytest.mark.parametrize("kind", list(ProbeKind))
results = st.lists(st.sampled_from([S, F]), max_size=40)
thresholds = st.integers(1, 6)


def held_after(found: list[ProbeResult], probe: Probe, *, at_first: ProbeResult) -> ProbeResult:
    held, streak = at_first, Streak()
    for result in found:
        streak = streak.after(result)
        if streak.counts(probe):
            held = result
    return held


@given(found=results, success=thresholds, failure=thresholds, at_first=st.sampled_from([S, F, U]))
def test_what_is_held_is_what_was_last_found_often_enough_in_a_row(
    found: list[ProbeResult], success: int, failure: int, at_first: ProbeResult
) -> None:
    needed = {S: success, F: failure}
    expected = at_first
    for end in range(1, len(found) + 1):
        last = found[end - 1]
        row = found[:end][-needed[last] :]
        if len(row) == needed[last] and set(row) == {last}:
            expected = last

    assert held_after(found, Probe(successThreshold=success, failureThreshold=failure), at_first=at_first) is expected


@given(found=results)
def test_with_thresholds_of_one_the_last_result_is_held(found: list[ProbeResult]) -> None:
    probe = Probe(successThreshold=1, failureThreshold=1)
    assert held_after(found, probe, at_first=U) is (found[-1] if found else U)


@given(found=results, failure=thresholds)
def test_fewer_failures_than_the_threshold_change_nothing(found: list[ProbeResult], failure: int) -> None:
    calm = [S if index % failure == failure - 1 else result for index, result in enumerate(found)]
    if failure > 1:
        assert held_after(calm, Probe(successThreshold=1, failureThreshold=failure), at_first=S) is S


def target(kind: ProbeKind = ProbeKind.LIVENESS, *, pod: Pod | None = None, **fields: int) -> Target:
    key = {ProbeKind.STARTUP: "startupProbe", ProbeKind.LIVENESS: "livenessProbe"}.get(kind, "readinessProbe")
    pod = pod or make_pod(container("app", **{key: {**PROBE, **fields}}))
    (found,) = [one for one in targets(pod) if one.kind is kind]
    return found


def status(
    *,
    state: ContainerState | None = None,
    ran_seconds: float = 100,
    started: bool = True,
    phase: str = "Running",
    id_: str = ID,
) -> PodStatus:
    running = ContainerStateRunning(startedAt=datetime.fromtimestamp(NOW - ran_seconds, UTC))
    shown = ContainerStatus(
        name="app",
        image="",
        imageID="",
        ready=False,
        restartCount=0,
        containerID=f"containerd://{id_}" if id_ else None,
        started=started,
        state=state or ContainerState(running=running),
    )
    return PodStatus(phase=phase, containerStatuses=[shown])


def turn(
    one: Target,
    shown: PodStatus | None,
    *,
    container_id: ContainerID | None = ID,
    on_hold: bool = False,
    node_started: float = NOW - 1000,
) -> Turn:
    return next_turn(one, shown, container_id=container_id, on_hold=on_hold, now=NOW, node_started=node_started)


@kinds
def test_a_pod_without_a_status_is_waited_for_and_one_that_is_over_is_not(kind: ProbeKind) -> None:
    assert turn(target(kind), None).action is Action.WAIT
    assert turn(target(kind), status(id_="")).action is Action.WAIT
    assert turn(target(kind), status(phase="Succeeded")).action is Action.END
    assert turn(target(kind), status(phase="Failed")).action is Action.END


@pytest.mark.parametrize(("kind", "value"), [(ProbeKind.STARTUP, U), (ProbeKind.LIVENESS, S), (ProbeKind.READINESS, F)])
def test_a_new_container_has_the_first_value_of_its_kind(kind: ProbeKind, value: ProbeResult) -> None:
    for known in (None, ContainerID("older")):
        done = turn(target(kind), status(), container_id=known)
        assert (done.container_id, done.results) == (ID, (value,))
    assert turn(target(kind), status()).results == ()


@kinds
def test_a_container_from_before_the_node_has_no_first_value(kind: ProbeKind) -> None:
    assert turn(target(kind), status(ran_seconds=100), container_id=None, node_started=NOW - 80).results == ()
    assert len(turn(target(kind), status(ran_seconds=85), container_id=None, node_started=NOW - 80).results) == 1


def test_a_started_sidecar_from_before_the_node_has_started() -> None:
    pod = make_pod(container("x"), init=[sidecar("app", startupProbe=PROBE)])
    shown = status()
    shown.initContainerStatuses, shown.containerStatuses = shown.containerStatuses, None
    done = turn(target(ProbeKind.STARTUP, pod=pod), shown, container_id=None, node_started=NOW - 1)
    assert done == Turn(Action.WAIT, ID, (S,))


@kinds
def test_nothing_is_sent_before_the_initial_delay(kind: ProbeKind) -> None:
    one = target(kind, initialDelaySeconds=30)
    started = kind is not ProbeKind.STARTUP
    assert turn(one, status(ran_seconds=29.9, started=started)).action is Action.WAIT
    assert turn(one, status(ran_seconds=30.1, started=started)).action is Action.PROBE


@kinds
def test_a_container_from_before_the_clock_was_put_back_is_not_waited_for(kind: ProbeKind) -> None:
    one = target(kind, initialDelaySeconds=30)
    assert turn(one, status(ran_seconds=-7200, started=kind is not ProbeKind.STARTUP)).action is Action.PROBE


@kinds
def test_startup_probes_are_for_what_has_not_started_and_the_others_for_what_has(kind: ProbeKind) -> None:
    is_startup = kind is ProbeKind.STARTUP
    assert turn(target(kind), status(started=False)).action is (Action.PROBE if is_startup else Action.WAIT)
    assert turn(target(kind), status(started=True)).action is (Action.WAIT if is_startup else Action.PROBE)


def test_a_worker_on_hold_waits_for_another_container() -> None:
    assert turn(target(), status(), on_hold=True).action is Action.WAIT
    assert turn(target(), status(id_="app-1"), on_hold=True).action is Action.PROBE


@kinds
@pytest.mark.parametrize(
    ("policy", "code", "action"),
    [("Always", 0, Action.WAIT), ("OnFailure", 1, Action.WAIT), ("OnFailure", 0, Action.END), ("Never", 1, Action.END)],
)
def test_a_dead_container_has_failed_and_ends_the_worker_unless_it_comes_back(
    kind: ProbeKind, policy: str, code: int, action: Action
) -> None:
    key = f"{kind.value.lower()}Probe"
    pod = make_pod(container("app", **{key: PROBE}), restartPolicy=policy)
    dead = status(state=ContainerState(terminated=ContainerStateTerminated(exitCode=code)))
    assert turn(target(kind, pod=pod), dead) == Turn(action, ID, (F,))


def test_a_waiting_container_is_waited_for() -> None:
    waiting = status(state=ContainerState(waiting=ContainerStateWaiting(reason="CrashLoopBackOff")))
    assert turn(target(), waiting) == Turn(Action.WAIT, ID, (F,))


@kinds
def test_a_deletion_ends_liveness_and_startup_with_a_good_word_and_readiness_goes_on(kind: ProbeKind) -> None:
    key = f"{kind.value.lower()}Probe"
    pod = with_metadata(make_pod(container("app", **{key: PROBE})), deletionTimestamp=datetime.now(UTC))
    done = turn(target(kind, pod=pod), status())
    assert done == (Turn(Action.PROBE, ID) if kind is ProbeKind.READINESS else Turn(Action.END, ID, (S,)))


def test_init_containers_are_not_probed_and_sidecars_are() -> None:
    pod = make_pod(
        container("app", startupProbe=PROBE, livenessProbe=PROBE, readinessProbe=PROBE),
        init=[container("first"), sidecar("side", livenessProbe=PROBE)],
    )
    assert [(one.container.name, one.kind.value) for one in targets(pod)] == [
        ("app", "Startup"),
        ("app", "Readiness"),
        ("app", "Liveness"),
        ("side", "Liveness"),
    ]
