"""CRI calls: how many a second, and how long one takes, beside a plain grpc.aio echo in the same run.

Clients and servers are processes of their own, or tasks of this one; they take turns, round by round, so that a noisy
machine is as noisy for each. What a client in Python costs is in every rate, the echo's included. Where the environment
names a real runtime's socket, single calls are measured beside that; elsewhere its time is quoted.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import psutil

from bench.figure import Figure
from kubeletsim.base.rpc_spans import SCOPE_NAME, SCOPE_VERSION
from kubeletsim.base.telemetry import TracingSettings, open_telemetry
from kubeletsim.clients.cri import CRIClient
from kubeletsim.clients.endpoint import parse_endpoint
from kubeletsim.pb import cri_pb2, cri_pb2_grpc
from kubeletsim.traces.store import TraceStore
from tests.lab import Lab, Program, running

ROUNDS, CALLS, IN_FLIGHT = 15, 384, 32
ONE_BY_ONE = 600
CALLS_ONE_BY_ONE: dict[str, Any] = {
    "Version": cri_pb2.VersionRequest(),
    "Status": cri_pb2.StatusRequest(),
    "ListPodSandbox": cri_pb2.ListPodSandboxRequest(),
}
LONGEST_MS = 0.735
"""One and a half times what containerd takes, quoted."""
RUNTIME_VARIABLE = "KUBELETSIM_RUNTIME_ENDPOINT"
"""Names a real runtime, as for `make e2e-real`; it is only asked, and has no pod of ours."""
EVERYTHING = 1_000_000
Call = Callable[[], Awaitable[object]]


class Echo(cri_pb2_grpc.RuntimeServiceServicer):
    """The least a server can do."""

    async def Version(self, request: cri_pb2.VersionRequest, context: object) -> cri_pb2.VersionResponse:  # noqa: N802
        """Answer at once."""
        return cri_pb2.VersionResponse(
            version="0.1.0", runtime_name="echo", runtime_version="1", runtime_api_version="v1"
        )


async def serve_echo(address: str) -> None:
    """Serve the echo until the process is ended."""
    server = grpc.aio.server()
    cri_pb2_grpc.add_RuntimeServiceServicer_to_server(Echo(), server)
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


@dataclass
class Contender:
    """Somebody who calls, and whom; what was measured round by round."""

    call: Call
    server: Program
    rates: list[float] = field(default_factory=list)
    server_us: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Make CALLS calls, IN_FLIGHT at a time; note calls a second and the server's processor time a call."""

        async def caller() -> None:
            for _ in range(CALLS // IN_FLIGHT):
                await self.call()

        await asyncio.gather(*(self.call() for _ in range(IN_FLIGHT)))
        begin, used = time.perf_counter(), processor_seconds(self.server)
        async with asyncio.TaskGroup() as callers:
            for number in range(IN_FLIGHT):
                callers.create_task(caller(), name=f"caller-{number}")
        self.rates.append(CALLS / (time.perf_counter() - begin))
        self.server_us.append((processor_seconds(self.server) - used) / CALLS * 1e6)

    @property
    def rate(self) -> float:
        """Calls a second, the median of the rounds."""
        return statistics.median(self.rates)


def processor_seconds(program: Program) -> float:
    """Return the processor time a program has used."""
    times = psutil.Process(program.process.pid).cpu_times()
    return times.user + times.system


def medians_ms(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return how long a call takes while there is no other, for several that take turns, some calls each."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            for _ in range(ONE_BY_ONE // ROUNDS):
                begin = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(one) * 1e3 for name, one in times.items()}


async def figures() -> AsyncIterator[Figure]:
    """Measure the echo, a stub without tracing and one that records everything, each by a plain client and by ours."""
    with tempfile.TemporaryDirectory(prefix="ks-bench-") as directory:
        quiet, traced = Lab(Path(directory) / "quiet"), Lab(Path(directory) / "traced")
        with running(quiet), running(traced):
            async for figure in _measured(quiet, traced):
                yield figure


async def _measured(quiet: Lab, traced: Lab) -> AsyncIterator[Figure]:
    socket = quiet.root / "echo.sock"
    echo_server = quiet.spawn("echo", "bench.cri", f"unix://{socket}")
    quiet.wait(socket.exists, what="the echo", program=echo_server)
    traced.start_collector()
    stub = quiet.start_stub("--latency", "none")
    recording = traced.start_stub("--latency", "none", "--sampling-rate-per-million", str(EVERYTHING))
    async with AsyncExitStack() as stack:
        echo, plain, recorded = [
            await stack.enter_async_context(_plain(path)) for path in (socket, quiet.socket, traced.socket)
        ]
        ours = await stack.enter_async_context(_ours(quiet, sampled=False))
        ours_recorded = await stack.enter_async_context(_ours(traced, sampled=True))
        contenders = [
            Contender(_version(echo), echo_server),
            Contender(_version(plain), stub),
            Contender(_version(recorded), recording),
            Contender(ours.version, stub),
            Contender(ours_recorded.version, recording),
        ]
        for _ in range(ROUNDS):
            for contender in contenders:
                await contender.run()
        for figure in _rates(*contenders):
            yield figure
        for figure in _one_by_one(socket, {"": quiet.socket, ", span recorded": traced.socket}):
            yield figure
        calls = len(contenders[2].rates) * 3 * (CALLS + IN_FLIGHT) + len(CALLS_ONE_BY_ONE) * ONE_BY_ONE
    recording.stop()
    with TraceStore.open(traced.database) as store:
        stored = sum(trace.spans for trace in store.traces())
    yield Figure(f"spans lost of {calls:,} recorded on both sides", calls - stored, "", limit="<= 0")


def _rates(echo: Contender, *stubs: Contender) -> Iterator[Figure]:
    """Show the rates, and what a server spends on a call: the same claim for a machine whose processors are busy."""
    beside = f"plain grpc.aio echo, {IN_FLIGHT} in flight"
    names = (
        ("runtime-stub, tracing off", "ratio >= 0.9"),
        ("runtime-stub, all spans sent", "ratio >= 0.75"),
        ("kubelet's client, tracing off", "ratio >= 0.9"),
        ("kubelet's client, all spans of both", "ratio >= 0.75"),
    )
    for (name, limit), stub in zip(names, stubs, strict=True):
        paired = statistics.median(own / echos for own, echos in zip(stub.rates, echo.rates, strict=True))
        yield Figure(f"CRI calls: {name}", stub.rate, "1/s", beside, echo.rate, limit, paired)
    for (name, _), stub in zip(names[:2], stubs[:2], strict=True):
        own, echos = statistics.median(stub.server_us), statistics.median(echo.server_us)
        yield Figure(f"processor time a call: {name}", own, "µs", "the echo's server", echos)


def _one_by_one(echo_socket: Path, sockets: Mapping[str, Path]) -> Iterator[Figure]:
    """Show how long calls of a client that waits for each take."""
    with ExitStack() as stack:

        def connect(target: str) -> Any:
            return cri_pb2_grpc.RuntimeServiceStub(stack.enter_context(grpc.insecure_channel(target)))

        echo = connect(f"unix://{echo_socket}")
        stubs = {how: connect(f"unix://{socket}") for how, socket in sockets.items()}
        runtime = os.environ.get(RUNTIME_VARIABLE)
        yield from _latencies(echo, stubs, connect(runtime) if runtime else None)


def _latencies(echo: Any, stubs: Mapping[str, Any], runtime: Any) -> Iterator[Figure]:
    own = {f"{rpc}{how}": _one(stub, rpc) for rpc in CALLS_ONE_BY_ONE for how, stub in stubs.items()}
    real = {f"real {rpc}": _one(runtime, rpc) for rpc in CALLS_ONE_BY_ONE} if runtime is not None else {}
    medians = medians_ms({"echo": _version(echo), **own, **real})
    for name in own:
        what, others = f"one CRI call at a time, p50: {name}", f"real {name.partition(',')[0]}"
        if others in medians:
            yield Figure(what, medians[name], "ms", "the real runtime", medians[others], "ratio <= 1.5")
        else:
            beside = "the echo; containerd 0.49, quoted"
            yield Figure(what, medians[name], "ms", beside, medians["echo"], f"<= {LONGEST_MS}")


def _one(stub: Any, rpc: str) -> Callable[[], object]:
    return partial(getattr(stub, rpc), CALLS_ONE_BY_ONE[rpc])


def _version(stub: Any) -> Call:
    return partial(stub.Version, cri_pb2.VersionRequest())


@asynccontextmanager
async def _plain(socket: Path) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(f"unix://{socket}") as channel:
        yield cri_pb2_grpc.RuntimeServiceStub(channel)


@asynccontextmanager
async def _ours(lab: Lab, *, sampled: bool) -> AsyncIterator[CRIClient]:
    settings = TracingSettings(endpoint=f"127.0.0.1:{lab.grpc_port}", sampling_rate_per_million=EVERYTHING)
    async with (
        open_telemetry(settings if sampled else None, resource={"service.name": "bench"}, environ={}) as telemetry,
        CRIClient.connect(
            parse_endpoint(f"unix://{lab.socket}"),
            tracer=telemetry.tracer(SCOPE_NAME, SCOPE_VERSION),
            propagator=telemetry.propagator,
        ) as client,
    ):
        yield client


if __name__ == "__main__":
    asyncio.run(serve_echo(sys.argv[1]))
