"""CPU, memory and the order of the out-of-memory killer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.model.pod import set_defaults
from kubeletsim.model.runtime import CgroupDriver
from kubeletsim.pods.requests import NodeFacts
from kubeletsim.pods.requests.limits import cgroup_parent, container_resources, oom_score_adj
from tests.fakes.pods import container, make_pod, sidecar

GIB = 1 << 30
NODE = NodeFacts(name="node", memory_capacity_bytes=4 * GIB)


def resources(node=NODE, spec=None, **wanted):
    pod = set_defaults(make_pod(container("app", resources=wanted), **(spec or {})))
    return container_resources(pod, pod.spec.containers[0], node=node)


@pytest.mark.parametrize(
    ("wanted", "shares", "quota", "memory"),
    [
        ({}, 2, 0, 0),
        ({"requests": {"cpu": "250m"}}, 256, 0, 0),
        ({"limits": {"cpu": "500m", "memory": "64Mi"}}, 512, 50_000, 64 << 20),
        ({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}, 1024, 200_000, 0),
        ({"limits": {"cpu": "1m"}}, 2, 1000, 0),
        ({"requests": {"cpu": "1000"}}, 262_144, 0, 0),
        ({"limits": {"memory": "1500m"}}, 2, 0, 2),
    ],
)
def test_cpu_and_memory_become_linux_parameters(wanted, shares, quota, memory):
    made = resources(**wanted)

    assert (made.cpu_shares, made.cpu_quota, made.cpu_period) == (shares, quota, 100_000)
    assert made.memory_limit_in_bytes == memory


def test_without_quota_enforcement_there_is_neither_quota_nor_period():
    made = resources(NodeFacts(name="node", cpu_cfs_quota=False), limits={"cpu": "1"})

    assert (made.cpu_quota, made.cpu_period) == (0, 0)


def test_the_pods_limits_hold_for_a_container_without_its_own():
    made = resources(spec={"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}})

    assert (made.cpu_quota, made.memory_limit_in_bytes) == (100_000, GIB)


@pytest.mark.parametrize(
    ("node", "unified"),
    [
        (NodeFacts(name="n"), {"memory.oom.group": "1"}),
        (NodeFacts(name="n", has_swap_controller=True), {"memory.oom.group": "1", "memory.swap.max": "0"}),
        (NodeFacts(name="n", single_process_oom_kill=True), {}),
        (NodeFacts(name="n", cgroup_v2=False, has_swap_controller=True), {}),
    ],
)
def test_unified_parameters_depend_on_the_nodes_cgroups(node, unified):
    assert resources(node).unified == unified


def test_every_page_size_of_the_machine_has_a_limit():
    node = NodeFacts(name="node", hugepage_sizes=("2MB", "1GB"))
    made = resources(node, limits={"hugepages-2Mi": "4Mi", "memory": "1Gi"})

    assert made.hugepage_limits == (("2MB", 4 << 20), ("1GB", 0))


@pytest.mark.parametrize(
    ("wanted", "spec", "score"),
    [
        ({}, {}, 1000),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, {}, -997),
        ({"requests": {"cpu": "1"}}, {}, 999),
        ({"requests": {"memory": "1Gi"}}, {}, 750),
        ({"requests": {"memory": "4Gi"}}, {}, 3),
        ({"requests": {"memory": "400Gi"}}, {}, 3),
        ({}, {"priorityClassName": "system-node-critical"}, -997),
        ({}, {"resources": {"requests": {"memory": "1Gi"}}}, 750),
    ],
)
def test_who_asks_for_more_dies_later(wanted, spec, score):
    assert resources(spec=spec, **wanted).oom_score_adj == score


def test_a_sidecar_does_not_die_before_those_it_serves():
    pod = set_defaults(
        make_pod(
            container("app", resources={"requests": {"memory": "2Gi"}}),
            init=[sidecar("proxy", resources={"requests": {"memory": "1Gi"}}), container("setup")],
        )
    )
    scores = [oom_score_adj(pod, c, memory_capacity_bytes=4 * GIB) for c in pod.spec.initContainers]

    assert scores == [500, 999]


@given(st.integers(0, 10 * GIB), st.integers(0, 8 * GIB))
def test_a_score_is_always_one_the_kernel_takes(request_bytes, capacity_bytes):
    wanted = {"requests": {"memory": str(request_bytes)}}
    pod = set_defaults(make_pod(container("app", resources=wanted)))

    assert -997 <= oom_score_adj(pod, pod.spec.containers[0], memory_capacity_bytes=capacity_bytes) <= 1000


def test_on_the_first_version_of_cgroups_memory_and_swap_have_one_limit():
    node = NodeFacts(name="n", cgroup_v2=False, has_swap_controller=True)

    assert resources(node, limits={"memory": "64Mi"}).memory_swap_limit_in_bytes == 64 << 20
    assert resources(limits={"memory": "64Mi"}).memory_swap_limit_in_bytes == 0


@pytest.mark.parametrize(
    ("driver", "root", "parent"),
    [
        (CgroupDriver.CGROUPFS, "", "/kubepods/besteffort/podu-1"),
        (CgroupDriver.CGROUPFS, "/my-node/pods", "/my-node/pods/kubepods/besteffort/podu-1"),
        (
            CgroupDriver.SYSTEMD,
            "",
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podu_1.slice",
        ),
        (
            CgroupDriver.SYSTEMD,
            "/my-node",
            (
                "/my_node.slice/my_node-kubepods.slice/my_node-kubepods-besteffort.slice"
                "/my_node-kubepods-besteffort-podu_1.slice"
            ),
        ),
    ],
)
def test_pods_live_below_the_configured_root(driver, root, parent):
    node = NodeFacts(name="n", cgroup_driver=driver, cgroup_root=root)

    assert cgroup_parent(set_defaults(make_pod(uid="u-1")), node=node) == parent
