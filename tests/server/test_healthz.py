"""What health checks say, and when the sync loop counts as stuck."""

from dataclasses import dataclass

import pytest

from kubeletsim.server.healthz import HealthCheck, log_check, ping_check, run_checks, sync_loop_check

GOOD = HealthCheck("good", lambda: None)
BAD = HealthCheck("bad", lambda: "too secret to tell")


def test_passing_checks_say_ok_and_more_on_request():
    assert run_checks([ping_check(), log_check()], verbose=False, exclude=[]).text == "ok"
    assert run_checks([ping_check(), log_check()], verbose=True, exclude=[]).text == (
        "[+]ping ok\n[+]log ok\nhealthz check passed\n"
    )


def test_a_failing_check_names_itself_and_keeps_its_reason_for_the_log(caplog):
    health = run_checks([GOOD, BAD], verbose=False, exclude=[])

    assert not health.passed
    assert health.text == "[+]good ok\n[-]bad failed: reason withheld\nhealthz check failed\n"
    assert "too secret to tell" in caplog.text


def test_excluded_checks_do_not_run_and_unknown_ones_are_pointed_out():
    health = run_checks([GOOD, BAD], verbose=True, exclude=["bad", "none"])

    assert health.passed
    assert health.text == (
        "[+]good ok\n[+]bad excluded: ok\n"
        'warn: some health checks cannot be excluded: no matches for "none"\nhealthz check passed\n'
    )


@dataclass
class Stopped:
    """A clock that stands still."""

    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@pytest.mark.parametrize(
    ("frequency", "age", "stuck"), [(60, 299, False), (60, 301, True), (600, 1199, False), (600, 1201, True)]
)
def test_the_sync_loop_may_take_twice_its_frequency_and_at_least_five_minutes(frequency, age, stuck):
    check = sync_loop_check(lambda: 1000.0 - age, sync_frequency_seconds=frequency, clock=Stopped())

    assert (check.run() is not None) is stuck


def test_a_sync_loop_that_has_not_begun_is_not_stuck():
    assert sync_loop_check(lambda: None, sync_frequency_seconds=60, clock=Stopped()).run() is None
