"""Who may come to a node that is short of something."""

import pytest

from kubeletsim.pods.admission import check_pressure
from tests.fakes.pods import container, make_pod

MEMORY, DISK, PID = "MemoryPressure", "DiskPressure", "PIDPressure"
BURSTABLE = container("app", resources={"requests": {"memory": "1Mi"}})


def tolerating(**toleration):
    return make_pod(source="api", tolerations=[toleration])


@pytest.mark.parametrize("conditions", [{MEMORY}, {DISK}, {PID}, {MEMORY, DISK, PID}])
def test_static_and_critical_pods_always_come(conditions):
    assert check_pressure(make_pod(source="file"), conditions) is None
    assert check_pressure(make_pod(source="api", priority=2_000_000_000), conditions) is None


@pytest.mark.parametrize(
    ("conditions", "text"), [({DISK}, "DiskPressure"), ({PID, MEMORY}, "MemoryPressure PIDPressure")]
)
def test_others_do_not_come_while_anything_but_memory_is_short(conditions, text):
    rejection = check_pressure(make_pod(BURSTABLE, source="api"), conditions)

    assert (rejection.reason, rejection.message) == ("Evicted", f"The node had condition: [{text}]. ")


def test_when_memory_alone_is_short_those_come_that_ask_for_some():
    assert check_pressure(make_pod(BURSTABLE, source="api"), {MEMORY}) is None
    assert check_pressure(make_pod(source="api"), {MEMORY}).message == "The node had condition: [MemoryPressure]. "


@pytest.mark.parametrize(
    ("toleration", "comes"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}, True),
        ({"key": "node.kubernetes.io/memory-pressure"}, True),
        ({"key": "node.kubernetes.io/memory-pressure", "value": "yes"}, False),
        ({"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "node.kubernetes.io/disk-pressure", "operator": "Exists"}, False),
        ({}, False),
    ],
)
def test_and_those_that_tolerate_it(toleration, comes):
    assert (check_pressure(tolerating(**toleration), {MEMORY}) is None) == comes
    assert check_pressure(tolerating(**toleration), {MEMORY, DISK}) is not None


def test_without_pressure_everybody_comes():
    assert check_pressure(make_pod(source="api"), set()) is None
