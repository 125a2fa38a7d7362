"""The CRI client against a real gRPC server on a real socket."""

import asyncio
import contextlib
import gc
import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kubeletsim.clients.cri import CRIClient, calls
from kubeletsim.clients.cri.operations import OPERATION_TYPES
from kubeletsim.clients.endpoint import Endpoint, parse_endpoint
from kubeletsim.model.errors import (
    BadAnswer,
    CRIError,
    DeadlineExceeded,
    NotFound,
    RuntimeUnavailable,
    StartupError,
)
from kubeletsim.model.requests import AuthConfig, ContainerConfig, ImageSpec, LinuxResources, SandboxConfig
from kubeletsim.model.runtime import ContainerID, ContainerState, PodUID, SandboxID, SandboxState
from kubeletsim.pb import cri_pb2 as pb
from tests.clients.conftest import Spans
from tests.fakes.cri_server import METHODS, Failure, FakeCRI, serving, socket_directory
from tests.fakes.runtime import FakeRuntime

CONNECT_TIMEOUT_OPTION = "grpc.min_reconnect_backoff_ms"
SANDBOX = SandboxConfig(name="web", namespace="default", uid=PodUID("u"))
CONTAINER = ContainerConfig(name="app", image=ImageSpec(image="busybox"))
SID, CID, IMAGE = SandboxID("s"), ContainerID("c"), ImageSpec(image="busybox")
LIMITS = LinuxResources(cpu_shares=2)

GOOD: dict[str, Any] = {
    "Version": pb.VersionResponse(version="0.1.0", runtime_name="r", runtime_version="1.0", runtime_api_version="v1"),
    "Status": pb.StatusResponse(
        status=pb.RuntimeStatus(
            conditions=[
                pb.RuntimeCondition(type="RuntimeReady", status=True),
                pb.RuntimeCondition(type="NetworkReady", status=False, reason="R", message="M"),
            ]
        )
    ),
    "RunPodSandbox": pb.RunPodSandboxResponse(pod_sandbox_id="s"),
    "PodSandboxStatus": pb.PodSandboxStatusResponse(
        status=pb.PodSandboxStatus(
            id="s",
            metadata=pb.PodSandboxMetadata(name="web", namespace="default", uid="u"),
            created_at=1,
            network=pb.PodSandboxNetworkStatus(ip="10.1.0.2", additional_ips=[pb.PodIP(ip="fd00::2")]),
        ),
        info={"info": "{}"},
    ),
    "ListPodSandbox": pb.ListPodSandboxResponse(items=[pb.PodSandbox(id="s")]),
    "StreamPodSandboxes": [
        pb.StreamPodSandboxesResponse(pod_sandboxes=[pb.PodSandbox(id="s"), pb.PodSandbox(id="t")]),
        pb.StreamPodSandboxesResponse(pod_sandboxes=[pb.PodSandbox(id="u")]),
    ],
    "CreateContainer": pb.CreateContainerResponse(container_id="c"),
    "ListContainers": pb.ListContainersResponse(containers=[pb.Container(id="c")]),
    "StreamContainers": [pb.StreamContainersResponse(containers=[pb.Container(id="c")])],
    "ContainerStatus": pb.ContainerStatusResponse(
        status=pb.ContainerStatus(
            id="c",
            metadata=pb.ContainerMetadata(name="app"),
            created_at=1,
            image=pb.ImageSpec(image="busybox"),
            image_ref="sha256:1",
        )
    ),
    "ExecSync": pb.ExecSyncResponse(stdout=b"out", stderr=b"err", exit_code=3),
    "Exec": pb.ExecResponse(url="http://127.0.0.1/exec"),
    "Attach": pb.AttachResponse(url="http://127.0.0.1/attach"),
    "PortForward": pb.PortForwardResponse(url="http://127.0.0.1/portforward"),
    "ContainerStats": pb.ContainerStatsResponse(stats=pb.ContainerStats()),
    "PodSandboxStats": pb.PodSandboxStatsResponse(stats=pb.PodSandboxStats()),
    "ListImages": pb.ListImagesResponse(images=[pb.Image(id="i", size=1)]),
    "StreamImages": [pb.StreamImagesResponse(images=[pb.Image(id="i", size=1)])],
    "ImageStatus": pb.ImageStatusResponse(image=pb.Image(id="i", size=1)),
    "PullImage": pb.PullImageResponse(image_ref="i"),
    "GetContainerEvents": [pb.ContainerEventResponse(container_id="c", created_at=1)],
}


async def _all(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


EVERY_RPC: dict[str, Callable[[CRIClient], Awaitable[Any]]] = {
    "Version": lambda cri: cri.version("0.1.0"),
    "Status": lambda cri: cri.status(verbose=True),
    "RuntimeConfig": lambda cri: cri.runtime_config(),
    "UpdateRuntimeConfig": lambda cri: cri.update_runtime_config(pod_cidr="10.0.0.0/24"),
    "RunPodSandbox": lambda cri: cri.run_pod_sandbox(SANDBOX, runtime_handler="gvisor"),
    "StopPodSandbox": lambda cri: cri.stop_pod_sandbox(SID),
    "RemovePodSandbox": lambda cri: cri.remove_pod_sandbox(SID),
    "PodSandboxStatus": lambda cri: cri.pod_sandbox_status(SID, verbose=True),
    "ListPodSandbox": lambda cri: cri.list_pod_sandbox(state=SandboxState.READY, labels={"a": "b"}),
    "StreamPodSandboxes": lambda cri: _all(cri.stream_pod_sandboxes(sandbox_id=SID)),
    "UpdatePodSandboxResources": lambda cri: cri.update_pod_sandbox_resources(SID, resources=LIMITS),
    "PortForward": lambda cri: cri.port_forward(SID, ports=[80]),
    "CreateContainer": lambda cri: cri.create_container(SID, CONTAINER, SANDBOX),
    "StartContainer": lambda cri: cri.start_container(CID),
    "StopContainer": lambda cri: cri.stop_container(CID, timeout_seconds=30),
    "RemoveContainer": lambda cri: cri.remove_container(CID),
    "ListContainers": lambda cri: cri.list_containers(sandbox_id=SID, state=ContainerState.RUNNING),
    "StreamContainers": lambda cri: _all(cri.stream_containers(container_id=CID)),
    "ContainerStatus": lambda cri: cri.container_status(CID),
    "UpdateContainerResources": lambda cri: cri.update_container_resources(CID, LIMITS, annotations={"a": "b"}),
    "ReopenContainerLog": lambda cri: cri.reopen_container_log(CID),
    "CheckpointContainer": lambda cri: cri.checkpoint_container(CID, location="/tmp/c.tar"),
    "ExecSync": lambda cri: cri.exec_sync(CID, ["sh", "-c", "exit 3"], timeout_seconds=5),
    "Exec": lambda cri: cri.exec(CID, ["sh"], tty=True, stdin=True, stdout=True),
    "Attach": lambda cri: cri.attach(CID, stdout=True, stderr=True),
    "GetContainerEvents": lambda cri: _all(cri.get_container_events()),
    "ContainerStats": lambda cri: cri.container_stats(CID),
    "ListContainerStats": lambda cri: cri.list_container_stats(sandbox_id=SID),
    "StreamContainerStats": lambda cri: _all(cri.stream_container_stats(labels={"a": "b"})),
    "PodSandboxStats": lambda cri: cri.pod_sandbox_stats(SID),
    "ListPodSandboxStats": lambda cri: cri.list_pod_sandbox_stats(sandbox_id=SID),
    "StreamPodSandboxStats": lambda cri: _all(cri.stream_pod_sandbox_stats()),
    "ListMetricDescriptors": lambda cri: cri.list_metric_descriptors(),
    "ListPodSandboxMetrics": lambda cri: cri.list_pod_sandbox_metrics(),
    "StreamPodSandboxMetrics": lambda cri: _all(cri.stream_pod_sandbox_metrics()),
    "ListImages": lambda cri: cri.list_images(image="busybox"),
    "StreamImages": lambda cri: _all(cri.stream_images()),
    "ImageStatus": lambda cri: cri.image_status(IMAGE),
    "PullImage": lambda cri: cri.pull_image(IMAGE, auth=AuthConfig(username="u"), sandbox_config=SANDBOX),
    "RemoveImage": lambda cri: cri.remove_image(IMAGE),
    "ImageFsInfo": lambda cri: cri.image_fs_info(),
}


def test_the_client_has_every_rpc_of_both_services() -> None:
    assert set(EVERY_RPC) == set(METHODS) == set(OPERATION_TYPES)


@pytest.mark.parametrize("rpc", EVERY_RPC)
async def test_every_rpc_arrives_once_with_authority_trace_and_one_span(
    rpc: str, client: CRIClient, fake: FakeCRI, spans: Spans
) -> None:
    fake.answers = dict(GOOD)
    await EVERY_RPC[rpc](client)
    assert fake.calls == [rpc]
    (span,) = spans.finished
    assert span.name.endswith(f"/{rpc}")
    assert span.context is not None
    assert f"{span.context.span_id:016x}" in fake.received[0].metadata["traceparent"]
    assert (span.attributes or {})["rpc.response.status_code"] == "OK"


@pytest.mark.parametrize(
    ("rpc", "seconds"),
    [
        ("Version", 10),
        ("RunPodSandbox", 20),
        ("StopContainer", 40),
        ("ExecSync", 15),
        ("CheckpointContainer", 10),
        ("StreamPodSandboxes", 10),
        ("ListImages", 10),
        ("PullImage", None),
        ("GetContainerEvents", None),
    ],
)
async def test_each_rpc_has_upstreams_deadline(
    rpc: str, seconds: float | None, client: CRIClient, fake: FakeCRI
) -> None:
    fake.answers = dict(GOOD)
    await EVERY_RPC[rpc](client)
    left = fake.received[0].seconds_left
    if seconds is None:
        assert left is None
    else:
        assert left == pytest.approx(seconds, abs=3)


async def test_a_command_without_a_limit_has_no_deadline(client: CRIClient, fake: FakeCRI) -> None:
    await client.exec_sync(CID, ["true"], timeout_seconds=0)
    assert fake.received[0].seconds_left is None


async def test_a_checkpoint_may_take_longer_than_other_calls(client: CRIClient, fake: FakeCRI) -> None:
    await client.checkpoint_container(CID, location="/c.tar", timeout_seconds=100)
    assert (fake.received[0].seconds_left or 0) > 90


async def test_requests_carry_what_was_asked_for(client: CRIClient, fake: FakeCRI) -> None:
    fake.answers = dict(GOOD)
    for call in EVERY_RPC.values():
        await call(client)

    def sent(rpc: str) -> Any:
        return fake.last(rpc).request

    assert sent("Version").version == "0.1.0"
    assert sent("UpdateRuntimeConfig").runtime_config.network_config.pod_cidr == "10.0.0.0/24"
    assert (sent("RunPodSandbox").config.metadata.name, sent("RunPodSandbox").runtime_handler) == ("web", "gvisor")
    assert sent("ListPodSandbox").filter == pb.PodSandboxFilter(
        state=pb.PodSandboxStateValue(state=pb.SANDBOX_READY), label_selector={"a": "b"}
    )
    assert sent("CreateContainer").pod_sandbox_id == "s"
    assert sent("CreateContainer").config.image.image == "busybox"
    assert sent("CreateContainer").sandbox_config.metadata.uid == "u"
    assert sent("StopContainer") == pb.StopContainerRequest(container_id="c", timeout=30)
    assert sent("ExecSync") == pb.ExecSyncRequest(container_id="c", cmd=["sh", "-c", "exit 3"], timeout=5)
    assert sent("Exec") == pb.ExecRequest(container_id="c", cmd=["sh"], tty=True, stdin=True, stdout=True)
    assert sent("PortForward") == pb.PortForwardRequest(pod_sandbox_id="s", port=[80])
    assert sent("PullImage").auth.username == "u"
    assert sent("ListImages").filter.image.image == "busybox"


async def test_answers_come_back_as_values(client: CRIClient, fake: FakeCRI) -> None:
    fake.answers = dict(GOOD)
    status = await client.status()
    network = status.condition("NetworkReady")
    assert network is not None
    assert (network.status, network.reason, network.message) == (False, "R", "M")
    sandbox = await client.pod_sandbox_status(SID, verbose=True)
    assert (sandbox.ips, sandbox.info) == (("10.1.0.2", "fd00::2"), {"info": "{}"})
    assert [item.id for item in await _all(client.stream_pod_sandboxes())] == ["s", "t", "u"]
    result = await client.exec_sync(CID, ["false"], timeout_seconds=1)
    assert (result.stdout, result.stderr, result.exit_code) == (b"out", b"err", 3)
    fake.answers["ImageStatus"] = pb.ImageStatusResponse()
    assert await client.image_status(IMAGE) is None


INCOMPLETE: list[tuple[str, Any, str]] = [
    ("Version", pb.VersionResponse(version="0.1.0", runtime_name="r", runtime_version="1"), "runtime_api_version"),
    ("Status", pb.StatusResponse(status=pb.RuntimeStatus(conditions=[pb.RuntimeCondition()])), "NetworkReady"),
    ("RunPodSandbox", pb.RunPodSandboxResponse(), "pod_sandbox_id"),
    ("CreateContainer", pb.CreateContainerResponse(), "container_id"),
    ("PodSandboxStatus", pb.PodSandboxStatusResponse(), "status"),
    ("PodSandboxStatus", (GOOD["PodSandboxStatus"], "status.id"), "id"),
    ("PodSandboxStatus", (GOOD["PodSandboxStatus"], "status.metadata"), "metadata"),
    ("PodSandboxStatus", (GOOD["PodSandboxStatus"], "status.metadata.namespace"), "namespace"),
    ("PodSandboxStatus", (GOOD["PodSandboxStatus"], "status.metadata.uid"), "uid"),
    ("PodSandboxStatus", (GOOD["PodSandboxStatus"], "status.created_at"), "created_at"),
    ("ContainerStatus", pb.ContainerStatusResponse(), "status"),
    ("ContainerStatus", (GOOD["ContainerStatus"], "status.metadata.name"), "name"),
    ("ContainerStatus", (GOOD["ContainerStatus"], "status.created_at"), "created_at"),
    ("ContainerStatus", (GOOD["ContainerStatus"], "status.image.image"), "image"),
    ("ContainerStatus", (GOOD["ContainerStatus"], "status.image_ref"), "image_ref"),
    ("ImageStatus", pb.ImageStatusResponse(image=pb.Image(id="i")), "size"),
    ("ImageStatus", pb.ImageStatusResponse(image=pb.Image(size=1)), "id"),
    ("PullImage", pb.PullImageResponse(), "image_ref"),
    ("Exec", pb.ExecResponse(), "url"),
    ("Attach", pb.AttachResponse(), "url"),
    ("PortForward", pb.PortForwardResponse(), "url"),
    ("ContainerStats", pb.ContainerStatsResponse(), "stats"),
    ("PodSandboxStats", pb.PodSandboxStatsResponse(), "stats"),
]


def _without(message: Any, path: str) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    *parents, field = path.split(".")
    owner = copy
    for parent in parents:
        owner = getattr(owner, parent)
    owner.ClearField(field)
    return copy


@pytest.mark.parametrize(("rpc", "answer", "missing"), INCOMPLETE)
async def test_an_answer_without_a_field_the_kubelet_needs_is_an_error(
    rpc: str, answer: Any, missing: str, client: CRIClient, fake: FakeCRI, spans: Spans
) -> None:
    fake.answers[rpc] = _without(*answer) if isinstance(answer, tuple) else answer
    with pytest.raises(BadAnswer, match=missing) as raised:
        await EVERY_RPC[rpc](client)
    assert raised.value.rpc == rpc
    assert spans.finished[0].status.is_unset  # on the wire all was well


@pytest.mark.parametrize(
    ("code", "kind", "spelling"),
    [
        ("NOT_FOUND", NotFound, "NotFound"),
        ("UNAVAILABLE", RuntimeUnavailable, "Unavailable"),
        ("DEADLINE_EXCEEDED", DeadlineExceeded, "DeadlineExceeded"),
        ("UNKNOWN", CRIError, "Unknown"),
        ("UNIMPLEMENTED", CRIError, "Unimplemented"),
        ("CANCELLED", CRIError, "Canceled"),
        ("RESOURCE_EXHAUSTED", CRIError, "ResourceExhausted"),
    ],
)
async def test_the_code_decides_which_error_it_is(
    code: str, kind: type[CRIError], spelling: str, client: CRIClient, fake: FakeCRI
) -> None:
    fake.answers["PullImage"] = Failure(grpc.StatusCode[code], "RegistryUnavailable: no route")
    with pytest.raises(CRIError) as raised:
        await client.pull_image(IMAGE)
    error = raised.value
    assert type(error) is kind
    assert (error.code, error.desc, error.rpc) == (spelling, "RegistryUnavailable: no route", "PullImage")
    assert str(error) == f"rpc error: code = {spelling} desc = RegistryUnavailable: no route"
    assert isinstance(error.__cause__, grpc.aio.AioRpcError)


async def test_a_stream_fails_with_the_same_errors(client: CRIClient, fake: FakeCRI) -> None:
    fake.answers["GetContainerEvents"] = [*GOOD["GetContainerEvents"], Failure(grpc.StatusCode.UNAVAILABLE, "bye")]
    events = client.get_container_events()
    assert (await anext(events)).container_id == "c"
    with pytest.raises(RuntimeUnavailable, match="bye"):
        await anext(events)


async def test_answers_up_to_16_mib_are_read_and_larger_ones_refused(client: CRIClient, fake: FakeCRI) -> None:
    fake.answers["ExecSync"] = pb.ExecSyncResponse(stdout=b"x" * (16 * 1024 * 1024 - 100))
    assert len((await client.exec_sync(CID, ["cat"], timeout_seconds=1)).stdout) == 16 * 1024 * 1024 - 100
    fake.answers["ExecSync"] = pb.ExecSyncResponse(stdout=b"x" * (16 * 1024 * 1024 + 1))
    with pytest.raises(CRIError, match="received message larger than max") as raised:
        await client.exec_sync(CID, ["cat"], timeout_seconds=1)
    assert raised.value.code == "ResourceExhausted"


async def test_a_missing_socket_fails_at_once_in_gos_words(client: CRIClient, socket_path: Path) -> None:
    begun = asyncio.get_running_loop().time()
    with pytest.raises(RuntimeUnavailable) as raised:
        await client.version()
    assert asyncio.get_running_loop().time() - begun < 2
    assert raised.value.desc == (
        f'connection error: desc = "transport: Error while dialing: dial unix {socket_path}: connect: '
        'no such file or directory"'
    )


async def test_the_client_finds_a_runtime_that_comes_back_on_the_same_path(
    client: CRIClient, socket_path: Path
) -> None:
    fake = FakeCRI(answers=dict(GOOD))
    async with serving(fake, socket_path):
        await client.version()
        await client.image_fs_info()
    with pytest.raises(RuntimeUnavailable):
        await client.version()
    loop = asyncio.get_running_loop()
    down_until = loop.time() + 1.5  # long enough for the wait between attempts to have grown
    while loop.time() < down_until:
        with pytest.raises(RuntimeUnavailable):
            await client.version()
        await asyncio.sleep(0.1)
    async with serving(fake, socket_path):
        async with asyncio.timeout(60):
            for call in (client.version, client.image_fs_info):
                while True:
                    with contextlib.suppress(RuntimeUnavailable):
                        await call()
                        break
                    await asyncio.sleep(0.05)


async def test_runtime_and_image_service_have_a_connection_each_even_on_one_socket(
    socket_path: Path, fake: FakeCRI
) -> None:
    """A socket in between counts the connections that arrive."""
    accepted = 0

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        runtime_reader, runtime_writer = await asyncio.open_unix_connection(str(socket_path))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_copy(reader, runtime_writer), name="there")
            tasks.create_task(_copy(runtime_reader, writer), name="back")

    fake.answers = dict(GOOD)
    async with (
        socket_directory() as directory,
        _listening(relay, directory / "b") as between,
        CRIClient.connect(between) as client,
    ):
        await client.check()
        await client.check()
    assert accepted == 2


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def _listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], path: Path
) -> AsyncIterator[Endpoint]:
    """Serve bytes on a socket; at the end of the block wait until every connection is served and closed."""
    under_way = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(asyncio.current_task())
        await serve(reader, writer)
        await _close(writer)

    server = await asyncio.start_unix_server(handle, str(path))
    yield parse_endpoint(f"unix://{path}")
    server.close()
    await asyncio.gather(*under_way)


async def test_the_authority_is_localhost(socket_path: Path) -> None:
    """gRPC keeps it from handlers, so it is read from the bytes: HPACK spells it out in a first request."""
    seen = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")  # an empty SETTINGS frame
        while data := await reader.read(65536):
            seen.extend(data)

    async with (
        _listening(listen, socket_path) as endpoint,
        CRIClient.connect(endpoint, timeout_seconds=0.5) as client,
    ):
        with pytest.raises(CRIError):
            await client.version()
    assert b"localhost" in seen


async def test_images_may_live_behind_another_endpoint(fake: FakeCRI, endpoint: Endpoint) -> None:
    images = FakeCRI(answers=dict(GOOD))
    fake.answers = dict(GOOD)
    async with socket_directory() as directory, serving(images, directory / "i"):
        image_endpoint = parse_endpoint(f"unix://{directory / 'i'}")
        async with CRIClient.connect(endpoint, image_endpoint=image_endpoint) as client:
            await client.check()
    assert (fake.calls, images.calls) == (["Version"], ["ImageFsInfo"])


@pytest.mark.parametrize("text", ["unix-abstract:kubeletsim-test-{n}", "127.0.0.1:{port}"])
async def test_other_kinds_of_endpoints_work_too(text: str, tmp_path: Path) -> None:
    fake = FakeCRI(answers=dict(GOOD))
    server = grpc.aio.server(handlers=fake.handlers())
    text = text.format(n=abs(hash(tmp_path)), port=server.add_insecure_port("127.0.0.1:0"))
    if text.startswith("unix"):
        server.add_insecure_port(text)
    await server.start()
    async with CRIClient.connect(parse_endpoint(text)) as client:
        await client.check()
    await server.stop(None)
    assert fake.calls == ["Version", "ImageFsInfo"]


async def test_the_check_names_the_endpoint_that_does_not_answer(fake: FakeCRI, endpoint: Endpoint) -> None:
    fake.answers = {**GOOD, "ImageFsInfo": Failure(grpc.StatusCode.UNIMPLEMENTED, "unknown service")}
    async with CRIClient.connect(endpoint) as client:
        with pytest.raises(StartupError) as raised:
            await client.check()
    assert str(raised.value) == (
        f'validate CRI v1 image API for endpoint "{endpoint.url}": '
        "rpc error: code = Unimplemented desc = unknown service"
    )


async def test_the_check_does_not_wait_for_a_socket_that_accepts_and_stays_silent(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = {**dict(calls.CHANNEL_OPTIONS), CONNECT_TIMEOUT_OPTION: 300}
    assert dict(calls.CHANNEL_OPTIONS)[CONNECT_TIMEOUT_OPTION] == 5_000
    monkeypatch.setattr(calls, "CHANNEL_OPTIONS", tuple(hasty.items()))
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(socket_path))
        silent.listen()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with CRIClient.connect(parse_endpoint(f"unix://{socket_path}")) as client:
            with pytest.raises(StartupError, match="Unavailable"):
                await client.check()
        assert loop.time() - begun < 3


def test_the_fake_runtime_of_other_tests_is_called_as_the_client_is() -> None:
    """Names, order and kinds of parameters agree, so that what works with the one works with the other."""
    shared = {
        name: getattr(CRIClient, name)
        for name, member in vars(FakeRuntime).items()
        if inspect.isfunction(member) and hasattr(CRIClient, name) and not name.startswith("_")
    }
    assert len(shared) > 15
    for name, method in shared.items():
        ours, fakes = (inspect.signature(each).parameters for each in (method, getattr(FakeRuntime, name)))
        assert [(each.name, each.kind) for each in fakes.values()] == [
            (each.name, each.kind) for each in ours.values()
        ], name


async def _hang(_request: object, _context: object) -> None:
    await asyncio.sleep(60)


async def test_a_cancelled_call_leaves_no_open_span_and_no_task(client: CRIClient, fake: FakeCRI, spans: Spans) -> None:
    fake.answers = {**GOOD, "PullImage": _hang}
    await client.check()
    spans.exporter.clear()
    before = len(_tasks())
    with spans.tracer.start_as_current_span("syncPod", context=Context()):
        pull = asyncio.create_task(client.pull_image(IMAGE))
    await _until(lambda: "PullImage" in fake.calls)
    pull.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pull
    around, span = sorted(spans.finished, key=lambda span: span.name != "syncPod")
    assert span.status.description == "context canceled"
    assert around.context is not None
    assert span.parent == around.context
    await _until(lambda: len(_tasks()) <= before)


async def test_a_forgotten_stream_ends_its_call(client: CRIClient, fake: FakeCRI, spans: Spans) -> None:
    ended = asyncio.Event()

    async def forever(_request: object, _context: object) -> AsyncIterator[object]:
        try:
            while True:
                yield GOOD["GetContainerEvents"][0]
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    fake.answers["GetContainerEvents"] = forever
    async for _ in client.get_container_events():
        break
    gc.collect()
    await asyncio.wait_for(ended.wait(), 60)
    assert [span.status.description for span in spans.finished] == ["context canceled"]


async def test_calls_under_way_end_with_the_client(fake: FakeCRI, endpoint: Endpoint, spans: Spans) -> None:
    fake.answers["Version"] = _hang
    async with CRIClient.connect(endpoint, tracer=spans.tracer, propagator=TraceContextTextMapPropagator()) as client:
        call = asyncio.create_task(client.version())
        await _until(lambda: "Version" in fake.calls)
    with pytest.raises(asyncio.CancelledError):
        await call
    assert [span.status.description for span in spans.finished] == ["context canceled"]


async def test_without_a_tracer_nothing_is_traced(fake: FakeCRI, endpoint: Endpoint) -> None:
    fake.answers = dict(GOOD)
    async with CRIClient.connect(endpoint) as client:
        await client.version()
    assert "traceparent" not in fake.last("Version").metadata
    assert trace.get_current_span() is trace.INVALID_SPAN


def _tasks() -> list[asyncio.Task[Any]]:
    """The tasks of this loop, without those in which the fake server waits for the next call."""
    return [task for task in asyncio.all_tasks() if "AioServer" not in repr(task.get_coro())]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  what is waited for is anything, so nobody sets an event
            await asyncio.sleep(0.01)
