"""Spans can be left out by name, and clocks be wrong, without a gap in the tree."""

from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.settings import Settings
from tests.fakes.otlp_receiver import running_receiver
from tests.runtime_stub.conftest import connected
from tests.runtime_stub.test_tracing import SAMPLED, SPAN_ID, run_a_sandbox


async def spans_of(settings: Settings, **changes: Any) -> dict[str, Span]:
    with running_receiver() as receiver:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{receiver.target}"}
        async with connected(replace(settings, **changes), **environ) as client:
            await run_a_sandbox(client, SAMPLED)
            await client.runtime.Version(pb.VersionRequest(), metadata=SAMPLED)
        return {one.name: one for one in receiver.spans}


async def test_what_a_left_out_span_would_have_held_belongs_to_its_parent(settings: Settings) -> None:
    spans = await spans_of(settings, omitted_spans=("cri.sandbox.run", "*Task/*"))

    server = spans["runtime.v1.RuntimeService/RunPodSandbox"]
    assert server.parent_span_id.hex() == SPAN_ID
    assert spans["container.NewTask"].parent_span_id == server.span_id
    assert "cri.sandbox.run" not in spans
    assert not [name for name in spans if "Task/" in name]


async def test_a_call_whose_span_is_left_out_leaves_none(settings: Settings) -> None:
    spans = await spans_of(settings, omitted_spans=("runtime.v1.RuntimeService/Run*",))

    assert set(spans) == {"runtime.v1.RuntimeService/Version"}


@pytest.mark.parametrize("skew", [-3600.0, 90.0])
async def test_a_wrong_clock_shows_in_answers_and_spans(settings: Settings, skew: float) -> None:
    settings = replace(settings, clock_skew_seconds=skew)
    with running_receiver() as receiver:
        async with connected(settings, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{receiver.target}") as client:
            request = pb.RunPodSandboxRequest(config=client.pod())
            answer = await client.runtime.RunPodSandbox(request, metadata=SAMPLED)
            status = await client.runtime.PodSandboxStatus(
                pb.PodSandboxStatusRequest(pod_sandbox_id=answer.pod_sandbox_id)
            )
        spans = {one.name: one for one in receiver.spans}

    server, inner = spans["runtime.v1.RuntimeService/RunPodSandbox"], spans["cri.sandbox.run"]
    assert server.start_time_unix_nano <= inner.start_time_unix_nano <= server.end_time_unix_nano
    assert abs(status.status.created_at - server.start_time_unix_nano) < 60e9
    times = [server.start_time_unix_nano, *(event.time_unix_nano for one in spans.values() for event in one.events)]
    import time

    assert all(abs(at / 1e9 - skew - time.time()) < 60 for at in times)
