"""Claims about the Node that a standalone kubelet builds: who needs it, and what it costs."""

import logging

import pytest

from kubeletsim.model.pod import regular_containers
from kubeletsim.pods.node_object import look_at_node, looks_at_node
from tests.fakes.pods import container, make_pod
from tests.fakes.runtime import FakeRuntime


def test_the_nodes_addresses_and_resources_are_looked_up_each_time_and_nothing_else_is() -> None:
    fields = ["status.hostIP", "status.hostIPs", "status.podIP", "metadata.name", "status.hostIP"]
    env = [{"name": f"V{n}", "valueFrom": {"fieldRef": {"fieldPath": path}}} for n, path in enumerate(fields)]
    env += [
        {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "A", "value": "b"},
    ]
    (asks,) = regular_containers(make_pod(container("app", env=env)))
    (does_not,) = regular_containers(make_pod(container("app")))

    assert looks_at_node(asks) == 4
    assert looks_at_node(does_not) == 0


async def test_a_look_costs_a_version_and_a_runtime_that_does_not_tell_is_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime = FakeRuntime()
    runtime.fail("Version", "no answer")
    with caplog.at_level(logging.WARNING):
        await look_at_node(runtime)

    assert runtime.names() == ["Version"]
    assert "error getting container runtime version: rpc error: code = Unknown desc = no answer" in caplog.text
