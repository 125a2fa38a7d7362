"""The stub's spans on the wire: children of the caller's, under a service of their own, exported by itself."""

from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.settings import Settings
from tests.fakes.otlp_receiver import FakeReceiver, running_receiver
from tests.runtime_stub.conftest import Client, connected

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = (("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01"),)
UNSAMPLED = (("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-00"),)


async def run_a_sandbox(client: Client, metadata: Any = None) -> None:
    request = pb.RunPodSandboxRequest(config=client.pod(host_network=True))
    await client.runtime.RunPodSandbox(request, metadata=metadata)


def service_name(receiver: FakeReceiver) -> str:
    attributes = {one.key: one.value.string_value for one in receiver.resource.attributes}
    return attributes["service.name"]


def attributes(span: Span) -> Mapping[str, str]:
    return {one.key: one.value.string_value for one in span.attributes}


async def test_spans_hang_under_the_callers(settings: Settings) -> None:
    with running_receiver() as receiver:
        async with connected(settings, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{receiver.target}") as client:
            await run_a_sandbox(client, SAMPLED)

        spans = {span.name: span for span in receiver.spans}
        server, run = spans["runtime.v1.RuntimeService/RunPodSandbox"], spans["cri.sandbox.run"]
        assert (server.trace_id.hex(), server.parent_span_id.hex()) == (TRACE_ID, SPAN_ID)
        assert (server.kind, run.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_INTERNAL)
        assert run.parent_span_id == server.span_id
        assert attributes(server)["rpc.response.status_code"] == "OK"
        assert attributes(server)["server.address"] == settings.listen.removeprefix("unix://")
        assert service_name(receiver) == "runtime-stub"
        assert len(spans) == 12


async def test_what_the_caller_did_not_sample_is_not_exported(settings: Settings) -> None:
    with running_receiver() as receiver:
        async with connected(settings, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{receiver.target}") as client:
            await run_a_sandbox(client, UNSAMPLED)
            await client.runtime.Version(pb.VersionRequest())

        assert receiver.spans == []


@pytest.mark.parametrize(("rate", "count"), [(0, 0), (1_000_000, 1)])
async def test_the_stubs_own_roots_are_sampled_at_its_own_rate(settings: Settings, rate: int, count: int) -> None:
    from dataclasses import replace

    with running_receiver() as receiver:
        own = replace(settings, otlp_endpoint=receiver.target, sampling_rate_per_million=rate)
        async with connected(own) as client:
            await client.runtime.Version(pb.VersionRequest())

        assert len(receiver.spans) == count


async def test_the_environment_may_rename_the_service(settings: Settings) -> None:
    with running_receiver() as receiver:
        endpoint = f"http://{receiver.target}"
        async with connected(settings, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_SERVICE_NAME="containerd") as client:
            await run_a_sandbox(client, SAMPLED)

        assert service_name(receiver) == "containerd"


async def test_a_refused_call_names_its_code_and_only_some_are_errors(settings: Settings) -> None:
    import grpc

    with running_receiver() as receiver:
        async with connected(settings, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{receiver.target}") as client:
            for id_ in ("0" * 64, ""):
                with pytest.raises(grpc.aio.AioRpcError):
                    await client.runtime.ContainerStatus(pb.ContainerStatusRequest(container_id=id_), metadata=SAMPLED)
            image = pb.ImageSpec(image="registry.invalid/none:1")
            with pytest.raises(grpc.aio.AioRpcError):
                await client.images.PullImage(pb.PullImageRequest(image=image), metadata=SAMPLED)

        codes = {
            attributes(one)["rpc.response.status_code"]: (one.status.code, one.status.message)
            for one in receiver.spans
            if one.kind == one.SPAN_KIND_SERVER
        }
        assert (codes["NOT_FOUND"], codes["INVALID_ARGUMENT"]) == ((0, ""), (0, ""))
        assert codes["UNKNOWN"][0] == 2
        assert codes["UNKNOWN"][1].endswith("no such host")


async def test_a_failed_change_is_an_exception_of_its_span_and_a_failed_look_is_not(settings: Settings) -> None:
    import grpc

    start, status = pb.StartContainerRequest(container_id="0" * 64), pb.ContainerStatusRequest(container_id="0" * 64)
    with running_receiver() as receiver:
        async with connected(settings, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{receiver.target}") as client:
            for call, request in ((client.runtime.StartContainer, start), (client.runtime.ContainerStatus, status)):
                with pytest.raises(grpc.aio.AioRpcError):
                    await call(request, metadata=SAMPLED)

        change, look = receiver.spans
        (event,) = change.events
        noted = {one.key: one.value.string_value for one in event.attributes}
        assert (event.name, noted["exception.type"]) == ("exception", "*status.Error")
        assert noted["exception.message"].startswith("rpc error: code = NotFound desc = ")
        assert not look.events
