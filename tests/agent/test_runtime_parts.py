"""How the parts that act on the runtime follow from configuration and gates."""

from types import SimpleNamespace
from typing import Any

import pytest

from kubeletsim.agent.runtime_parts import crash_backoff_seconds
from kubeletsim.base.duration import Duration

REDUCED = "ReduceDefaultCrashLoopBackOffDecay"


@pytest.mark.parametrize(
    ("configured", "gates", "expected"),
    [
        (300, {}, (10, 300)),
        (60, {}, (10, 60)),
        (4, {}, (4, 4)),
        (None, {}, (10, 300)),
        (None, {REDUCED}, (1, 60)),
        (300, {REDUCED}, (1, 300)),
    ],
)
def test_crash_loops_begin_and_end_as_configuration_and_gates_say(
    configured: int | None, gates: set[str], expected: tuple[float, float]
) -> None:
    period = Duration.of(seconds=configured) if configured is not None else None
    config: Any = SimpleNamespace(crashLoopBackOff=SimpleNamespace(maxContainerRestartPeriod=period))

    assert crash_backoff_seconds(config, gates) == expected
