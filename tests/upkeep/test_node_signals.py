"""Signals come from the machine, or from a file that says better."""

from pathlib import Path

import pytest

from kubeletsim.upkeep.eviction import Observed
from kubeletsim.upkeep.node_signals import SIMULATED_NAME, NodeSignals, SignalsError, parse_signals


def test_the_machine_tells_its_memory_ids_and_file_systems(tmp_path: Path) -> None:
    signals = NodeSignals(tmp_path).read(image_mountpoint=str(tmp_path))

    assert {"memory.available", "pid.available", "nodefs.available", "imagefs.available"} <= signals.keys()
    assert all(0 <= one.available <= one.capacity for one in signals.values())


def test_an_image_file_system_out_of_sight_is_left_out(tmp_path: Path) -> None:
    signals = NodeSignals(tmp_path).read(image_mountpoint="/no/such/place")

    assert not [signal for signal in signals if signal.startswith("imagefs")]


def test_the_file_takes_the_place_of_single_signals_as_long_as_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / SIMULATED_NAME
    file.write_text('{"memory.available": {"available": "50Mi", "capacity": "2Gi"}}')
    reader = NodeSignals(tmp_path)

    assert reader.read(image_mountpoint=None)["memory.available"] == Observed(50 << 20, 2 << 30)
    assert "nodefs.available" in reader.read(image_mountpoint=None)
    file.unlink()
    assert reader.read(image_mountpoint=None)["memory.available"] != Observed(50 << 20, 2 << 30)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "must be an object of signals"),
        ('{"memory": {}}', "memory: is no signal; there are memory.available"),
        ('{"memory.available": 5}', "memory.available: must be an object of available and capacity"),
        ('{"memory.available": {"available": "x", "capacity": 1}}', "memory.available: 'x' is no quantity"),
        ('{"memory.available": {"available": 2, "capacity": 1}}', "available must be between 0 and capacity"),
    ],
)
def test_a_bad_file_is_refused_with_where_and_what(text: str, complaint: str) -> None:
    with pytest.raises(SignalsError) as caught:
        parse_signals(text)
    assert complaint in str(caught.value)


def test_a_bad_file_is_complained_about_once_and_the_machine_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / SIMULATED_NAME).write_text("[]")
    reader = NodeSignals(tmp_path)

    assert "memory.available" in reader.read(image_mountpoint=None)
    reader.read(image_mountpoint=None)

    assert len(caplog.messages) == 1


def test_images_are_elsewhere_when_they_are_on_another_device(tmp_path: Path) -> None:
    signals = NodeSignals(tmp_path)

    assert not signals.has_dedicated_image_fs(str(tmp_path))
    assert signals.has_dedicated_image_fs("/proc")
    assert not signals.has_dedicated_image_fs(str(tmp_path / "nowhere"))
