"""Claims about what is told of a node's conditions."""

from kubeletsim.model.pressure import DISK_PRESSURE, MEMORY_PRESSURE, PID_PRESSURE, event_reasons


def test_at_the_start_every_condition_is_told() -> None:
    assert event_reasons({DISK_PRESSURE}, before=None) == [
        "NodeHasSufficientMemory",
        "NodeHasDiskPressure",
        "NodeHasSufficientPID",
    ]


def test_later_only_what_has_changed_is_told() -> None:
    assert event_reasons({DISK_PRESSURE}, before={MEMORY_PRESSURE, DISK_PRESSURE}) == ["NodeHasSufficientMemory"]
    assert event_reasons({MEMORY_PRESSURE, PID_PRESSURE}, before=()) == [
        "NodeHasInsufficientMemory",
        "NodeHasInsufficientPID",
    ]
    assert event_reasons((), before=()) == []
