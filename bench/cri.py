"""CRI calls a second: our client against a runtime-stub, traced and untraced, beside a plain grpc.aio echo."""

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import grpc

from bench.figure import Figure
from kubeletsim.base.rpc_spans import SCOPE_NAME, SCOPE_VERSION
from kubeletsim.base.telemetry import TracingSettings, open_telemetry
from kubeletsim.clients.cri import CRIClient
from kubeletsim.clients.endpoint import parse_endpoint
from kubeletsim.pb import cri_pb2, cri_pb2_grpc
from tests.lab import Lab, running

CALLS = 4_000
IN_FLIGHT = 32


class Echo(cri_pb2_grpc.RuntimeServiceServicer):
    """The least a server can do."""

    async def Version(self, request: cri_pb2.VersionRequest, context: object) -> cri_pb2.VersionResponse:  # noqa: N802
        """Answer at once."""
        return cri_pb2.VersionResponse(
            version="0.1.0", runtime_name="echo", runtime_version="1", runtime_api_version="v1"
        )


async def rate(call: Callable[[], Awaitable[object]]) -> float:
    """Return calls a second with IN_FLIGHT of them in flight."""

    async def caller() -> None:
        for _ in range(CALLS // IN_FLIGHT):
            await call()

    await asyncio.gather(*(call() for _ in range(IN_FLIGHT)))
    begin = time.perf_counter()
    async with asyncio.TaskGroup() as callers:
        for number in range(IN_FLIGHT):
            callers.create_task(caller(), name=f"caller-{number}")
    return CALLS / (time.perf_counter() - begin)


def _serve_echo(address: str, ready: Event) -> None:
    async def serve() -> None:
        server = grpc.aio.server()
        cri_pb2_grpc.add_RuntimeServiceServicer_to_server(Echo(), server)
        server.add_insecure_port(address)
        await server.start()
        ready.set()
        await server.wait_for_termination()

    asyncio.run(serve())


async def _plain(address: str) -> float:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = cri_pb2_grpc.RuntimeServiceStub(channel)
        return await rate(lambda: stub.Version(cri_pb2.VersionRequest()))


async def _echo(directory: Path) -> float:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    server = context.Process(target=_serve_echo, args=(f"unix://{directory}/echo.sock", ready), daemon=True)
    server.start()
    try:
        await asyncio.to_thread(ready.wait, 20)
        return await _plain(f"unix://{directory}/echo.sock")
    finally:
        server.terminate()
        server.join()


async def _client(lab: Lab, *, sampled: bool) -> float:
    settings = TracingSettings(endpoint=f"127.0.0.1:{lab.grpc_port}", sampling_rate_per_million=1_000_000)
    async with (
        open_telemetry(settings if sampled else None, resource={"service.name": "bench"}, environ={}) as telemetry,
        CRIClient.connect(
            parse_endpoint(f"unix://{lab.socket}"),
            tracer=telemetry.tracer(SCOPE_NAME, SCOPE_VERSION),
            propagator=telemetry.propagator,
        ) as client,
    ):
        return await rate(client.version)


async def figures() -> AsyncIterator[Figure]:
    """Measure in one run: echo, then our client untraced and traced, server and client in processes of their own."""
    with tempfile.TemporaryDirectory(prefix="ks-bench-") as directory, running(Lab(Path(directory))) as lab:
        lab.start_collector()
        lab.start_stub("--latency", "none")
        echo = await _echo(Path(directory))
        untraced = await _client(lab, sampled=False)
        traced = await _client(lab, sampled=True)
    beside = f"plain grpc.aio echo, {IN_FLIGHT} calls in flight"
    yield Figure("CRI calls, tracing off", untraced, "1/s", beside, echo)
    yield Figure("CRI calls, every span on both sides recorded", traced, "1/s", beside, echo)
