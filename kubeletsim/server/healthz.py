"""Health checks and how their outcome is told.

The authenticated server checks `ping`, `log` and `syncloop`; the local one on port 10248 only `ping`, so it says little
more than that the process lives. A failing check's reason goes to the log, not to whoever asks.

Upstream: staging/src/k8s.io/apiserver/pkg/server/healthz, syncLoopHealthCheck in pkg/kubelet/server/server.go.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from kubeletsim.base.timing import Clock

log = logging.getLogger(__name__)

LEAST_SYNC_LOOP_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One named check; it returns what is wrong, or None."""

    name: str
    run: Callable[[], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The outcome of all checks: whether they passed, and the text that says so."""

    passed: bool
    text: str


NoteCheck = Callable[[str, bool], None]
"""Takes a check's name and whether it has passed."""


def note_nowhere(name: str, passed: bool) -> None:
    """Take no note."""
    del name, passed


def ping_check() -> HealthCheck:
    """Return the check that passes as long as anything answers at all."""
    return HealthCheck("ping", lambda: None)


def log_check() -> HealthCheck:
    """Return the check on logging. It passes: lines are written at once, by the loop that would have to answer here.

    Upstream flushes its buffered log from a thread of its own and notices when that hangs; a log that hangs here stops
    the whole process, and /healthz/ping with it.
    """
    return HealthCheck("log", lambda: None)


def sync_loop_check(
    last_sync_loop: Callable[[], float | None], *, sync_frequency_seconds: float, clock: Clock
) -> HealthCheck:
    """Return the check that the sync loop turns.

    Args:
        last_sync_loop: when the loop last began a turn, in the clock's monotonic seconds; None before the first.
        sync_frequency_seconds: twice this may pass, at least five minutes.
        clock: tells how long ago that was.
    """
    patience = max(2 * sync_frequency_seconds, LEAST_SYNC_LOOP_PATIENCE_SECONDS)

    def check() -> str | None:
        last = last_sync_loop()
        late = last is not None and clock.monotonic() - last > patience
        return "sync Loop took longer than expected" if late else None

    return HealthCheck("syncloop", check)


def run_checks(
    checks: Iterable[HealthCheck], *, verbose: bool, exclude: Sequence[str], note: NoteCheck = note_nowhere
) -> Health:
    """Run all checks but the excluded ones. Details are told on request, and always when one fails.

    Args:
        checks: in order.
        verbose: whether details are wanted.
        exclude: names of checks to leave out.
        note: takes each check's name and whether it has passed.
    """
    unknown = dict.fromkeys(exclude)
    lines: list[str] = []
    failures: list[str] = []
    for check in checks:
        if check.name in exclude:
            unknown.pop(check.name, None)
            lines.append(f"[+]{check.name} excluded: ok")
        elif problem := check.run():
            lines.append(f"[-]{check.name} failed: reason withheld")
            failures.append(f"[-]{check.name} failed: {problem}")
            note(check.name, False)
        else:
            note(check.name, True)
            lines.append(f"[+]{check.name} ok")
    if unknown:
        quoted = ", ".join(f'"{name}"' for name in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
    if failures:
        log.warning("healthz check failed: %s", "; ".join(failures))
        return Health(passed=False, text="\n".join([*lines, "healthz check failed", ""]))
    if verbose:
        return Health(passed=True, text="\n".join([*lines, "healthz check passed", ""]))
    return Health(passed=True, text="ok")
