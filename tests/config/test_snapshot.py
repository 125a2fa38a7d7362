"""A snapshot holds what a configuration holds, and nothing of what read it."""

import pickle
import subprocess
import sys

import pytest

from kubeletsim.config.schema.kubelet import KubeletConfiguration
from kubeletsim.config.snapshot import Snapshot, snapshot

CONFIG = KubeletConfiguration.model_validate(
    {
        "tracing": {"samplingRatePerMillion": 7},
        "featureGates": {"EventedPLEG": True},
        "registerWithTaints": [{"key": "a", "effect": "NoSchedule"}],
    }
)


def test_it_has_every_attribute_of_the_configuration() -> None:
    taken = snapshot(CONFIG)

    for name in KubeletConfiguration.model_fields:
        original = getattr(CONFIG, name)
        if not isinstance(getattr(taken, name), Snapshot | tuple):
            assert getattr(taken, name) == original
    assert taken.tracing is not None
    assert taken.tracing.samplingRatePerMillion == 7
    assert taken.registerWithTaints[0].effect == "NoSchedule"
    assert taken.authentication.webhook.cacheTTL.seconds == 120


def test_it_is_equal_to_what_comes_out_of_a_pickle() -> None:
    taken = snapshot(CONFIG)

    assert pickle.loads(pickle.dumps(taken)) == taken


def test_it_is_read_without_pydantic() -> None:
    written = pickle.dumps(snapshot(CONFIG))
    program = (
        "import pickle, sys; config = pickle.load(sys.stdin.buffer); "
        "print(config.syncFrequency.seconds, 'pydantic' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", program], input=written, capture_output=True, check=True)

    assert done.stdout.split() == [b"60.0", b"False"]


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="frozen"):
        snapshot(CONFIG).port = 1  # type: ignore[misc]
