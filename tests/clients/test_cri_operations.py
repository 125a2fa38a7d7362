"""What /metrics tells about CRI calls."""

import asyncio

import grpc
import pytest
from prometheus_client import CollectorRegistry

from kubeletsim.clients.cri import CRIClient
from kubeletsim.clients.cri.operations import DURATION_BUCKETS_SECONDS, Operations
from kubeletsim.model.errors import CRIError
from kubeletsim.model.requests import SandboxConfig
from kubeletsim.model.runtime import ContainerID, PodUID
from kubeletsim.pb import cri_pb2 as pb
from tests.fakes.cri_server import Failure, FakeCRI

CID = ContainerID("c")


def count(registry: CollectorRegistry, name: str, operation: str) -> float:
    return registry.get_sample_value(f"kubelet_runtime_operations_{name}", {"operation_type": operation}) or 0


async def test_a_call_is_counted_and_timed_under_upstreams_name(
    client: CRIClient, fake: FakeCRI, registry: CollectorRegistry
) -> None:
    await client.list_pod_sandbox()
    await client.list_pod_sandbox()
    assert count(registry, "total", "list_podsandbox") == 2
    assert count(registry, "duration_seconds_count", "list_podsandbox") == 2
    assert count(registry, "errors_total", "list_podsandbox") == 0


async def test_a_failed_call_is_an_error_as_well_as_a_call(
    client: CRIClient, fake: FakeCRI, registry: CollectorRegistry
) -> None:
    fake.answers["StartContainer"] = Failure(grpc.StatusCode.UNKNOWN, "no")
    with pytest.raises(CRIError):
        await client.container_status(CID)  # an empty answer lacks what is required
    with pytest.raises(CRIError):
        await client.start_container(CID)
    assert count(registry, "errors_total", "container_status") == 1
    assert count(registry, "total", "container_status") == 1
    assert count(registry, "errors_total", "start_container") == 1


async def test_a_command_that_fails_is_an_error_of_exec_sync(
    client: CRIClient, fake: FakeCRI, registry: CollectorRegistry
) -> None:
    fake.answers["ExecSync"] = pb.ExecSyncResponse(exit_code=1)
    assert (await client.exec_sync(CID, ["false"], timeout_seconds=1)).exit_code == 1
    assert count(registry, "errors_total", "exec_sync") == 1


async def test_a_stream_counts_when_it_ends_and_leaving_it_is_no_error(
    client: CRIClient, fake: FakeCRI, registry: CollectorRegistry
) -> None:
    fake.answers["GetContainerEvents"] = [pb.ContainerEventResponse(container_id="c")] * 3
    events = client.get_container_events()
    await anext(events)
    assert count(registry, "total", "get_container_events") == 0
    await events.aclose()
    assert count(registry, "total", "get_container_events") == 1
    assert count(registry, "errors_total", "get_container_events") == 0


async def test_uncounted_calls_share_the_connection_but_not_the_metrics(
    client: CRIClient, fake: FakeCRI, registry: CollectorRegistry
) -> None:
    await client.uncounted.list_containers()
    assert fake.calls == ["ListContainers"]
    assert count(registry, "total", "list_containers") == 0


@pytest.mark.looptime
async def test_durations_fall_into_upstreams_buckets() -> None:
    registry = CollectorRegistry()
    operations = Operations(registry)
    with operations.observe("PullImage"):
        await asyncio.sleep(1.0)
    assert len(DURATION_BUCKETS_SECONDS) == 14
    assert DURATION_BUCKETS_SECONDS[:3] == pytest.approx((0.005, 0.0125, 0.03125))
    samples = {
        sample.labels["le"]: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name.endswith("_bucket")
    }
    assert list(samples.values()).count(0) == 6  # 0.005 … 0.48828125
    assert samples["+Inf"] == 1


async def test_runs_of_sandboxes_are_timed_by_runtime_handler(
    client: CRIClient, fake: FakeCRI, registry: CollectorRegistry
) -> None:
    config = SandboxConfig(name="web", namespace="default", uid=PodUID("u"))
    fake.answers["RunPodSandbox"] = pb.RunPodSandboxResponse(pod_sandbox_id="s")
    await client.run_pod_sandbox(config, runtime_handler="gvisor")
    fake.answers["RunPodSandbox"] = Failure(grpc.StatusCode.UNKNOWN, "no network")
    with pytest.raises(CRIError):
        await client.run_pod_sandbox(config, runtime_handler="gvisor")

    handler = {"runtime_handler": "gvisor"}
    assert registry.get_sample_value("kubelet_run_podsandbox_duration_seconds_count", handler) == 2
    assert registry.get_sample_value("kubelet_run_podsandbox_errors_total", handler) == 1
