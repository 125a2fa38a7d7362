"""What a node offers its pods follows from its capacity and its configuration."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.agent.node_shape import allocatable, capacity, node_shape
from kubeletsim.config.kubelet_flags import KubeletFlags
from kubeletsim.config.schema.kubelet import KubeletConfiguration
from kubeletsim.pods.requests import NodeFacts

MI = 1 << 20
FACTS = NodeFacts(
    name="vm",
    cpu_capacity_milli=4000,
    memory_capacity_bytes=1000 * MI,
    ephemeral_storage_capacity_bytes=10_000,
)


def config(**fields: object) -> KubeletConfiguration:
    return KubeletConfiguration(**{"evictionHard": {}, **fields})


def test_reservations_and_hard_thresholds_are_kept_from_pods() -> None:
    made = config(
        kubeReserved={"cpu": "500m", "memory": "100Mi"},
        systemReserved={"cpu": "1", "ephemeral-storage": "1k"},
        evictionHard={"memory.available": "50Mi", "nodefs.available": "10%", "imagefs.available": "15%"},
        maxPods=20,
    )

    assert allocatable(made, capacity(made, FACTS)) == {
        "cpu": 2500,
        "memory": 850 * MI,
        "ephemeral-storage": 8000,
        "pods": 20,
    }


def test_more_reserved_than_there_is_leaves_nothing() -> None:
    made = config(kubeReserved={"memory": "1Ti"})

    assert allocatable(made, capacity(made, FACTS))["memory"] == 0


def test_pods_per_core_limits_the_pods_but_not_beyond_max_pods() -> None:
    assert capacity(config(podsPerCore=5), FACTS)["pods"] == 20
    assert capacity(config(podsPerCore=100), FACTS)["pods"] == 110


def test_without_local_storage_isolation_there_is_no_ephemeral_storage() -> None:
    assert "ephemeral-storage" not in capacity(config(localStorageCapacityIsolation=False), FACTS)


def test_the_nodes_labels_are_its_own_and_those_of_the_flag() -> None:
    shape = node_shape(config(), KubeletFlags(root_dir=Path("/r"), node_labels={"disk": "ssd"}), facts=FACTS)

    assert shape.labels["kubernetes.io/hostname"] == "vm"
    assert shape.labels["kubernetes.io/os"] == "linux"
    assert shape.labels["disk"] == "ssd"


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(1, 99))
def test_allocatable_is_never_negative_nor_more_than_the_capacity(kube: int, system: int, percent: int) -> None:
    made = config(
        kubeReserved={"memory": f"{kube}Mi"},
        systemReserved={"memory": f"{system}Mi"},
        evictionHard={"memory.available": f"{percent}%"},
    )
    has = capacity(made, FACTS)

    left = allocatable(made, has)

    assert all(0 <= left[name] <= amount for name, amount in has.items())
