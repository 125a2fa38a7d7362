"""The forwarder: passes everything that is stored on to another back end, so the viewer can sit in front of it.

The store is the queue. What has been committed is read from it in order and sent over OTLP gRPC; while the back end is
away the forwarder waits, with growing pauses, and senders notice nothing. It begins with what arrives after its first
start, and the store remembers how far it got, so whatever could not be sent before an end is sent after the next start.
What the back end refuses for good is left out and told in the log, as the OTLP specification demands. A batch whose
answer got lost is sent again, and so are the last few seconds before a crash.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from kubeletsim.traces.otlp import parse_request
from kubeletsim.traces.receiver import Address
from kubeletsim.traces.store import TraceStore, TraceStoreError

log = logging.getLogger(__name__)
T = TypeVar("T")

_NOTE_EVERY_SECONDS = 5.0
"""Each note makes the writer look up again what it remembers of the file."""
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_LARGEST_MESSAGE_BYTES = 2 << 20
"""Half of what gRPC servers take unless they are told otherwise."""
_CALL_SECONDS, _FLUSH_SECONDS = 30.0, 5.0
_LONGEST_PAUSE_SECONDS = 30.0
_RETRYABLE = (
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)


@dataclass(frozen=True, slots=True)
class BackEnd:
    """Where to forward to, and how it wants to be spoken to."""

    address: Address
    tls: bool = False
    ca: bytes | None = None
    """PEM certificates that sign the back end's; None for those that the machine trusts."""
    headers: Sequence[tuple[str, str]] = ()
    """Sent with every call, e.g. ("authorization", "Bearer …")."""

    def __str__(self) -> str:
        return f"{'https://' if self.tls else ''}{self.address}"

    def channel(self) -> grpc.aio.Channel:
        """Return a channel to it."""
        if self.tls:
            return grpc.aio.secure_channel(str(self.address), grpc.ssl_channel_credentials(self.ca))
        return grpc.aio.insecure_channel(str(self.address))


class Forwarder:
    """Sends what a store takes to one back end; made by `forwarding`."""

    def __init__(
        self, store: TraceStore, channel: grpc.aio.Channel, target: BackEnd, *, poll_seconds: float, rng: random.Random
    ) -> None:
        self._store = store
        self._export: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_EXPORT)
        self._target = target
        self._poll_seconds = poll_seconds
        self._rng = rng
        before = store.forwarded_to(str(target))
        self._sent = store.latest_batch() if before is None else before
        self._noted: int | None = None
        self._noted_at = float("-inf")
        self._away = False
        self._ending = asyncio.Event()

    async def run(self) -> None:
        """Send whatever is stored, in order; returns when `end` was called and nothing is left."""
        while True:
            ending = self._ending.is_set()
            if await self._send_next():
                continue
            if ending:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._ending.wait()

    def end(self) -> None:
        """Have `run` return once everything that is stored by now has been sent."""
        self._ending.set()

    def left(self) -> int:
        """Return how many batches have not been sent."""
        return self._store.latest_batch() - self._sent

    async def note(self) -> None:
        """Have the store remember what was sent."""
        if self._sent == self._noted:
            return
        try:
            await _in_thread(lambda: self._store.note_forwarded(str(self._target), self._sent))
        except TraceStoreError as e:
            log.warning("after a restart some spans will be sent to %s again: %s", self._target, e)
        self._noted, self._noted_at = self._sent, time.monotonic()

    async def _send_next(self) -> bool:
        """Send the next batch until the back end has it; return whether there was one."""
        try:
            found = await _in_thread(lambda: self._store.next_payload(self._sent))
        except TraceStoreError as e:
            log.warning("forwarding to %s waits: %s", self._target, e)
            return False
        if time.monotonic() - self._noted_at >= _NOTE_EVERY_SECONDS:
            await self.note()
        if found is None:
            return False
        number, payload = found
        for piece in pieces(payload, most_bytes=_LARGEST_MESSAGE_BYTES):
            await self._deliver(piece)
        self._sent = number
        return True

    async def _deliver(self, payload: bytes) -> None:
        pause_seconds = self._poll_seconds
        while True:
            try:
                answer = await self._export(payload, timeout=_CALL_SECONDS, metadata=tuple(self._target.headers))
            except grpc.aio.AioRpcError as e:
                if e.code() not in _RETRYABLE:
                    log.error("%s refused spans for good: %s: %s", self._target, e.code().name, e.details())  # noqa: TRY400  no traceback: the text says it all
                    return
                if not self._away:
                    log.warning("forwarding to %s waits: %s: %s", self._target, e.code().name, e.details())
                self._away = True
                await asyncio.sleep(pause_seconds * (1 + self._rng.random()))
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
                continue
            if self._away:
                log.info("forwarding to %s goes on", self._target)
            self._away = False
            self._note_partial_success(answer)
            return

    def _note_partial_success(self, answer: bytes) -> None:
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
        if partial.rejected_spans:
            log.warning("%s refused %d spans: %s", self._target, partial.rejected_spans, partial.error_message)


async def _in_thread(function: Callable[[], T]) -> T:
    running = asyncio.get_running_loop().run_in_executor(None, function)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await running  # a thread must not be left alone with a connection that is about to be closed
        raise


@asynccontextmanager
async def forwarding(
    path: Path, target: BackEnd, *, poll_seconds: float = 0.5, rng: random.Random | None = None
) -> AsyncIterator[None]:
    """Forward what the store at `path` takes; leaving the block sends what is left, for a few seconds.

    Args:
        path: the store.
        target: an OTLP gRPC receiver.
        poll_seconds: how often the store is looked at; also the first pause when the back end is away.
        rng: stretches the pauses.
    """
    with TraceStore.create(path) as store:
        async with target.channel() as channel:
            forwarder = Forwarder(store, channel, target, poll_seconds=poll_seconds, rng=rng or random.Random())
            await forwarder.note()
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(forwarder.run(), name="trace-forwarder")
                try:
                    yield
                    await _send_the_rest(forwarder, running, target)
                finally:
                    running.cancel()
            await forwarder.note()


async def _send_the_rest(forwarder: Forwarder, running: asyncio.Task[None], target: BackEnd) -> None:
    """Let the running forwarder finish: a call under way is waited for, so that it is not sent twice."""
    forwarder.end()
    try:
        async with asyncio.timeout(_FLUSH_SECONDS):
            await running
    except TimeoutError:
        log.warning("%s did not take the last %d batches; the store has them", target, forwarder.left())


def pieces(payload: bytes, *, most_bytes: int) -> Iterator[bytes]:
    """Yield a request as requests of about that size; a span that is larger stays whole."""
    if len(payload) <= most_bytes:
        yield payload
        return
    piece, size = ExportTraceServiceRequest(), 0
    for one in parse_request(payload).resource_spans:
        resource_spans = None
        for scope_spans in one.scope_spans:
            target = None
            for span in scope_spans.spans:
                if size and size + span.ByteSize() > most_bytes:
                    yield piece.SerializeToString()
                    piece, size = ExportTraceServiceRequest(), 0
                    resource_spans = target = None
                if resource_spans is None:
                    resource_spans = piece.resource_spans.add(resource=one.resource, schema_url=one.schema_url)
                if target is None:
                    target = resource_spans.scope_spans.add(scope=scope_spans.scope, schema_url=scope_spans.schema_url)
                target.spans.append(span)
                size += span.ByteSize()
    yield piece.SerializeToString()
