"""Rules over a real socket: what a CRI client gets when the runtime is told to be slow or to fail."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import grpc
import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.rules.rule import Rule
from runtime_stub.rule_schema import RuleText
from runtime_stub.server import serving
from runtime_stub.settings import Settings
from tests.fakes.otlp_receiver import running_receiver
from tests.runtime_stub.conftest import Client, connected, dialled
from tests.runtime_stub.test_tracing import SAMPLED


def rule(**fields: Any) -> Rule:
    return RuleText.model_validate({"name": "r", **fields}).rule()


def ruled(settings: Settings, **fields: Any) -> Any:
    """Serve a stub with one rule."""
    return connected(replace(settings, rules=(rule(**fields),)))


async def failure(call: Awaitable[object]) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value.code().name, failed.value.details() or ""


ERROR = {"code": "RESOURCE_EXHAUSTED", "message": "no room for {namespace}/{pod}"}


async def test_an_error_before_anything_is_done(settings: Settings) -> None:
    async with ruled(settings, match={"rpc": "RunPodSandbox", "pod": "web"}, fault={"error": ERROR}) as client:
        assert await failure(client.run_sandbox()) == ("RESOURCE_EXHAUSTED", "no room for default/web")
        await client.run_sandbox(client.pod("other"))
        assert len((await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items) == 1


async def test_a_lost_answer_leaves_the_effect_and_the_retry_meets_the_reserved_name(settings: Settings) -> None:
    fault = {"error": {"code": "UNAVAILABLE"}, "at": "answer"}
    async with ruled(settings, match={"rpc": "RunPodSandbox"}, when={"first": 1}, fault=fault) as client:
        assert (await failure(client.run_sandbox()))[0] == "UNAVAILABLE"
        code, text = await failure(client.run_sandbox())
        (sandbox,) = (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items

    assert code == "FAILED_PRECONDITION"
    assert text.endswith(f'is reserved for "{sandbox.id}"')
    assert sandbox.state == pb.SANDBOX_READY


async def test_a_network_that_fails_leaves_a_sandbox_behind_if_cleaning_up_fails_too(settings: Settings) -> None:
    fault = {"error": {"code": "UNKNOWN", "message": 'failed to setup network for sandbox "{id}"'}, "at": "cni.setup"}
    async with ruled(settings, match={"rpc": "RunPodSandbox"}, fault={**fault, "keep": True}) as client:
        code, text = await failure(client.run_sandbox())
        (sandbox,) = (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items

    assert (code, text) == ("UNKNOWN", f'failed to setup network for sandbox "{sandbox.id}"')
    assert sandbox.state == pb.SANDBOX_NOTREADY


async def test_without_that_nothing_is_left(settings: Settings) -> None:
    fault = {"error": ERROR, "at": "cni.setup"}
    async with ruled(settings, match={"rpc": "RunPodSandbox"}, when={"first": 1}, fault=fault) as client:
        await failure(client.run_sandbox())
        assert not (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items
        await client.run_sandbox()


async def test_a_container_whose_start_fails_has_exited(settings: Settings) -> None:
    fault = {
        "error": {"code": "UNKNOWN", "message": 'failed to start containerd task "{id}"'},
        "at": "start.task_start",
    }
    async with ruled(settings, match={"rpc": "StartContainer", "container": "app"}, fault=fault) as client:
        container_id = await client.create(await client.run_sandbox(), client.container("sleep", "9"))
        await failure(client.start(container_id))
        status = await client.status(container_id)

    assert (status.state, status.exit_code, status.reason) == (pb.CONTAINER_EXITED, 128, "StartError")
    assert status.message == f'failed to start containerd task "{container_id}"'


async def test_a_call_hangs_until_its_deadline(settings: Settings) -> None:
    async with ruled(settings, match={"rpc": "ListContainers"}, fault={"hang": True}) as client:
        code, _ = await failure(client.runtime.ListContainers(pb.ListContainersRequest(), timeout=0.2))
        await client.runtime.Version(pb.VersionRequest())

    assert code == "DEADLINE_EXCEEDED"


async def test_a_call_that_hangs_does_not_keep_the_runtime_from_stopping(settings: Settings) -> None:
    settings = replace(settings, rules=(rule(match={"rpc": "Version"}, fault={"hang": True}),))
    async with dialled(settings) as client:
        async with serving(settings, environ={}):
            hanging = asyncio.ensure_future(failure(client.runtime.Version(pb.VersionRequest())))
            await client.runtime.Status(pb.StatusRequest())

        assert (await hanging)[0] in ("UNAVAILABLE", "CANCELLED")


async def test_a_reset_cuts_all_connections_and_the_next_call_goes_through(settings: Settings) -> None:
    async with ruled(settings, match={"rpc": "Version"}, when={"first": 1}, fault={"reset": True}) as client:
        stream = client.runtime.GetContainerEvents(pb.GetEventsRequest())
        await stream.initial_metadata()
        assert (await failure(client.runtime.Version(pb.VersionRequest())))[0] == "UNAVAILABLE"
        with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
            await stream.read()
        answer = await client.runtime.Version(pb.VersionRequest(), wait_for_ready=True)

    assert answer.version == "0.1.0"


async def test_an_answer_larger_than_a_client_takes(settings: Settings) -> None:
    async with ruled(settings, match={"rpc": "ListContainers"}, fault={"oversize": True}) as client:
        code, text = await failure(client.runtime.ListContainers(pb.ListContainersRequest()))

    assert code == "RESOURCE_EXHAUSTED"
    assert "larger than max" in text


async def test_a_condition_is_denied(settings: Settings) -> None:
    condition = {"type": "NetworkReady", "reason": "NetworkPluginNotReady", "message": "cni plugin not initialized"}
    async with ruled(settings, match={"rpc": "Status"}, fault={"condition": condition}) as client:
        answer = await client.runtime.Status(pb.StatusRequest())

    found = {one.type: (one.status, one.reason) for one in answer.status.conditions}
    assert found["NetworkReady"] == (False, "NetworkPluginNotReady")
    assert found["RuntimeReady"] == (True, "")


async def test_events_are_lost(settings: Settings) -> None:
    async with ruled(
        settings, match={"rpc": "GetContainerEvents", "event": "STARTED", "pod": "web"}, fault={"loseEvent": True}
    ) as client:
        stream = client.runtime.GetContainerEvents(pb.GetEventsRequest())
        await stream.initial_metadata()
        await client.run_sandbox(client.pod("web"))
        await client.run_sandbox(client.pod("other"))
        events = [await stream.read() for _ in range(3)]
        stream.cancel()

    assert [(one.pod_sandbox_status.metadata.name, one.container_event_type) for one in events] == [
        ("web", pb.CONTAINER_CREATED_EVENT),
        ("other", pb.CONTAINER_CREATED_EVENT),
        ("other", pb.CONTAINER_STARTED_EVENT),
    ]


async def test_a_stream_can_be_refused(settings: Settings) -> None:
    async with ruled(settings, match={"rpc": "GetContainerEvents"}, fault={"error": ERROR}) as client:
        with pytest.raises(grpc.aio.AioRpcError, match="RESOURCE_EXHAUSTED"):
            await client.runtime.GetContainerEvents(pb.GetEventsRequest()).read()


async def used_bytes(client: Client) -> int:
    answer = await client.images.ImageFsInfo(pb.ImageFsInfoRequest())
    return int(answer.image_filesystems[0].used_bytes.value)


async def test_of_a_pull_that_broke_off_the_layers_that_came_are_kept(settings: Settings) -> None:
    fault = {"error": {"code": "UNKNOWN"}, "at": "pull.fetch_megabyte", "occurrence": 3}
    request = pb.PullImageRequest(image=pb.ImageSpec(image="nginx:1.27"))
    with running_receiver() as receiver:
        settings = replace(settings, rules=(rule(match={"image": "nginx:*"}, when={"first": 1}, fault=fault),))
        async with connected(settings, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{receiver.target}") as client:
            before = await used_bytes(client)
            await failure(client.images.PullImage(request, metadata=SAMPLED))
            broken_off = await used_bytes(client)
            assert not (await client.images.ImageStatus(pb.ImageStatusRequest(image=request.image))).HasField("image")
            await client.images.PullImage(request, metadata=SAMPLED)
            assert (await client.images.ImageStatus(pb.ImageStatusRequest(image=request.image))).HasField("image")
            assert before < broken_off < await used_bytes(client), "a pull's progress shows in the room it takes"

        fetched = [one for one in receiver.spans if one.name == "pkg.unpack.unpacker.fetchLayer"]
        digests = [next(a.value.string_value for a in one.attributes if a.key.endswith("digest")) for one in fetched]
        assert len(digests) == len(set(digests)) + 1, "the layer that broke off is fetched again, and no other"


async def test_what_was_done_shows_on_the_span(settings: Settings) -> None:
    with running_receiver() as receiver:
        slow = rule(
            name="slow",
            match={"rpc": "ListContainers"},
            latency={"add": "20ms"},
            fault={"error": ERROR, "at": "answer"},
        )
        settings = replace(settings, rules=(slow,))
        async with connected(settings, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{receiver.target}") as client:
            await failure(client.runtime.ListContainers(pb.ListContainersRequest(), metadata=SAMPLED))

        (span,) = receiver.spans
        attributes = {one.key: one.value.string_value or one.value.double_value for one in span.attributes}
        assert attributes["stub.latency"] == 0.02
        assert attributes["stub.latency.rule"] == "slow"
        assert attributes["stub.fault"] == "error"
        assert attributes["stub.fault.rule"] == "slow"


@pytest.mark.parametrize(("kind", "seconds", "code"), [("hang", 0.3, "DEADLINE_EXCEEDED"), ("reset", 60, "CANCELLED")])
async def test_a_call_that_nobody_waits_for_any_more_shows_why(
    settings: Settings, kind: str, seconds: float, code: str
) -> None:
    with running_receiver() as receiver:
        settings = replace(settings, rules=(rule(match={"rpc": "Version"}, fault={kind: True}),))
        async with connected(settings, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{receiver.target}") as client:
            await failure(client.runtime.Version(pb.VersionRequest(), metadata=SAMPLED, timeout=seconds))

        (span,) = receiver.spans
        attributes = {one.key: one.value.string_value for one in span.attributes}
        assert (attributes["stub.fault"], attributes["rpc.response.status_code"]) == (kind, code)


async def test_a_lost_event_shows_on_the_stream_that_did_not_hear_it(settings: Settings) -> None:
    deaf = rule(match={"rpc": "GetContainerEvents", "event": "CREATED"}, fault={"loseEvent": True})
    with running_receiver() as receiver:
        settings = replace(settings, rules=(deaf,))
        async with connected(settings, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{receiver.target}") as client:
            stream = client.runtime.GetContainerEvents(pb.GetEventsRequest(), metadata=SAMPLED)
            await client.run_sandbox()
            assert (await stream.read()).container_event_type == pb.CONTAINER_STARTED_EVENT
            stream.cancel()

        (span,) = [one for one in receiver.spans if one.name.endswith("GetContainerEvents")]
        (event,) = span.events
        assert event.name == "stub.fault"
        assert {one.key: one.value.string_value for one in event.attributes}["event.type"] == "CREATED"


async def test_what_chance_decides_is_the_same_in_each_run(settings: Settings) -> None:
    runs = []
    for _ in range(2):
        async with ruled(
            replace(settings, seed=7), match={"rpc": "RunPodSandbox"}, when={"probability": 0.5}, fault={"error": ERROR}
        ) as client:
            calls = [client.run_sandbox(client.pod(f"p{number}")) for number in range(12)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            runs.append([isinstance(one, str) for one in answers])
            for item in (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items:
                await client.runtime.RemovePodSandbox(pb.RemovePodSandboxRequest(pod_sandbox_id=item.id))

    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 2
