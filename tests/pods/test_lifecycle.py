"""Claims about a worker's life: one way, and never back; grace periods only shrink; delays stay within their bounds."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.model.errors import ActionFailure, KubeletSimError, SyncError
from kubeletsim.model.pod import with_metadata
from kubeletsim.pods.lifecycle import (
    TRANSITIONS,
    NetworkNotReady,
    WorkerEvent,
    WorkerState,
    advance,
    effective_grace_seconds,
    jitter_of,
    requeue_seconds,
)
from tests.fakes.pods import make_pod

RANK = {state: rank for rank, state in enumerate(WorkerState)}


def test_no_event_leads_back() -> None:
    assert all(RANK[after] >= RANK[before] for (before, _), after in TRANSITIONS.items())


@given(st.lists(st.sampled_from(WorkerEvent)))
def test_whatever_happens_a_worker_moves_one_step_at_a_time(events: list[WorkerEvent]) -> None:
    state = WorkerState.SYNCING

    for event in events:
        if (state, event) in TRANSITIONS:
            after = advance(state, event)
            assert RANK[after] - RANK[state] in (0, 1)
            state = after


@pytest.mark.parametrize("event", WorkerEvent)
def test_every_state_but_the_last_can_be_left_and_none_by_an_update(event: WorkerEvent) -> None:
    leaving = {before for (before, _), after in TRANSITIONS.items() if after is not before}

    assert leaving == set(WorkerState) - {WorkerState.FINISHED}
    assert all(advance(state, WorkerEvent.UPDATE) is state for state in WorkerState)


def test_an_impossible_event_is_a_bug_and_says_which() -> None:
    with pytest.raises(ValueError, match="STOPPED cannot happen to a pod worker in SYNCING"):
        advance(WorkerState.SYNCING, WorkerEvent.STOPPED)


def test_the_spec_decides_the_grace_period_when_nobody_else_does() -> None:
    assert effective_grace_seconds(make_pod(terminationGracePeriodSeconds=30), current=None, override=None) == 30


def test_a_deletion_outranks_the_spec_and_a_kill_may_be_faster() -> None:
    pod = with_metadata(make_pod(terminationGracePeriodSeconds=5), deletionGracePeriodSeconds=20)

    assert effective_grace_seconds(pod, current=None, override=None) == 20
    assert effective_grace_seconds(pod, current=None, override=3) == 3
    assert effective_grace_seconds(pod, current=None, override=60) == 20


def test_a_pod_only_the_runtime_knows_gets_one_second() -> None:
    assert effective_grace_seconds(None, current=None, override=None) == 1


@given(
    st.integers(0, 100),
    st.lists(st.tuples(st.none() | st.integers(0, 100), st.none() | st.integers(0, 100))),
)
def test_a_grace_period_only_shrinks_and_never_below_a_second(
    wanted: int, kills: list[tuple[int | None, int | None]]
) -> None:
    current: int | None = None

    for deletion, override in kills:
        pod = with_metadata(make_pod(terminationGracePeriodSeconds=wanted), deletionGracePeriodSeconds=deletion)
        after = effective_grace_seconds(pod, current=current, override=override)
        assert after >= 1
        assert current is None or after <= current
        current = after


def requeue(error: Exception | None, *, phase_transition: bool = False, seed: int = 0) -> float:
    return requeue_seconds(
        error, phase_transition=phase_transition, sync_frequency_seconds=60, now=1000, rng=random.Random(seed)
    )


def failure(*, backoff_until: float | None = None) -> ActionFailure:
    return ActionFailure("StartContainer", "app", "Reason", "text", backoff_until)


def test_a_transition_is_due_at_once() -> None:
    assert requeue(None, phase_transition=True) == 0


@pytest.mark.parametrize(
    ("error", "base"),
    [
        pytest.param(None, 60, id="success"),
        pytest.param(NetworkNotReady("network is not ready"), 1, id="network"),
        pytest.param(KubeletSimError("other"), 10, id="other error"),
        pytest.param(SyncError([failure()]), 10, id="failed action"),
        pytest.param(SyncError([failure(backoff_until=1007)]), 7, id="backoff"),
        pytest.param(SyncError([failure(backoff_until=1007), failure(backoff_until=1003)]), 3, id="earliest backoff"),
        pytest.param(SyncError([failure(backoff_until=1007), failure()]), 7, id="backoff and another"),
        pytest.param(SyncError([failure(backoff_until=1300)]), 60, id="backoff beyond the sync frequency"),
        pytest.param(SyncError([failure(backoff_until=900)]), 0, id="backoff that is over"),
    ],
)
def test_a_run_comes_back_after_its_delay_stretched_by_up_to_a_half(error: Exception | None, base: float) -> None:
    delays = [requeue(error, seed=seed) for seed in range(50)]

    assert all(base <= delay <= 1.5 * base for delay in delays)


def test_a_pods_jitter_is_that_of_its_manifest_on_a_node_of_any_name() -> None:
    here = jitter_of("web-here_default", seed="1", node_name="here")
    there = jitter_of("web-there_default", seed="1", node_name="there")
    others = [jitter_of("web-here_default", seed="2", node_name="here"), jitter_of("db_a", seed="1", node_name="here")]

    drawn = here.random()
    assert there.random() == drawn
    assert drawn not in {other.random() for other in others}
