"""The answer of /containerLogs/{podNamespace}/{podID}/{containerName}.

Who asks for the impossible learns it by status and text. Everybody else gets 200 at once, before anything is read: who
follows a container that is silent must know that it does. What goes wrong from there on is a last line of text.

Upstream: getContainerLogs in pkg/kubelet/server/server.go, GetKubeletContainerLogs in pkg/kubelet/kubelet_pods.go.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Protocol

from aiohttp import web
from lightkube.models.core_v1 import Pod

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import CRIError, RuntimeUnavailable, go_quote
from kubeletsim.model.pod import find_container
from kubeletsim.model.runtime import ContainerID, ContainerState, ContainerStatus
from kubeletsim.server.answers import ChunkedStream, text
from kubeletsim.server.container_logs.choice import NoLogs, choose_instance, runtime_id
from kubeletsim.server.container_logs.lines import BadFormat
from kubeletsim.server.container_logs.options import InvalidQuery, LogOptions, UndecodableQuery, decode
from kubeletsim.server.container_logs.reading import UnreadableLog, Wanted, read_log
from kubeletsim.server.targets import container_target, find_pod

SPLIT_STREAMS_OFF = (
    "unable to return the given log stream: {stream}. Please enable PodLogsQuerySplitStreams feature gate in kubelet"
)


class LogRuntime(Protocol):
    """What logs take of the runtime."""

    async def container_status(self, container_id: ContainerID) -> ContainerStatus:
        """Return a container's status, its log's path with it."""


class ContainerLogs:
    """Answers requests for logs.

    Args:
        pods: the pods of the node, each with its newest status.
        runtime: knows where logs are, and whether more may come.
        clock: what `sinceSeconds` counts back from.
    """

    def __init__(self, *, pods: Callable[[], Sequence[Pod]], runtime: LogRuntime, clock: Clock) -> None:
        self._pods = pods
        self._runtime = runtime
        self._clock = clock

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        try:
            options = decode({name: request.query.getall(name) for name in request.query})
        except UndecodableQuery:
            return text('{"message": "Unable to decode query."}', status=400)
        except InvalidQuery:
            return text('{"message": "Invalid request."}', status=422)
        target = container_target(request.path)
        pod = find_pod(self._pods(), target)
        if pod is None:
            return text(f"pod {go_quote(target.pod)} does not exist", status=404)
        if find_container(pod, target.container) is None:
            where = f"container {go_quote(target.container)} not found in pod {go_quote(target.pod)}"
            return text(where, status=404)
        if options.stream not in (None, "All"):
            return text(SPLIT_STREAMS_OFF.format(stream=go_quote(options.stream or "")), status=400)
        try:
            instance = choose_instance(
                pod.status, pod=target.pod, container=target.container, previous=options.previous
            )
        except NoLogs as error:
            return await _refuse(request, str(error))
        return await self._stream(request, instance, options)

    async def _stream(self, request: web.BaseRequest, instance: str, options: LogOptions) -> web.StreamResponse:
        response = ChunkedStream()
        await response.prepare(request)
        with suppress(ConnectionError):  # whoever has gone needs nothing more
            async with aclosing(self._read(request, instance, options)) as pieces:
                async for piece in pieces:
                    await response.write(piece)
            await response.write_eof()
        return response

    async def _read(self, request: web.BaseRequest, instance: str, options: LogOptions) -> AsyncGenerator[bytes, None]:
        """Yield what there is, and at last what went wrong."""
        container_id = runtime_id(instance)
        wanted = Wanted(
            tail_lines=options.tail_lines,
            limit_bytes=options.limit_bytes,
            since_ns=options.since_ns(now=self._clock.now()),
            timestamps=options.timestamps,
            follow=options.follow,
        )

        async def may_write() -> bool:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
            try:
                status = await self._runtime.container_status(container_id)
            except RuntimeUnavailable:
                return True  # containers outlive their runtime's server
            return status.state is ContainerState.RUNNING

        try:
            status = await self._runtime.container_status(container_id)
        except CRIError:
            yield f"unable to retrieve container logs for {instance}".encode()
            return
        try:
            async with aclosing(read_log(status.log_path, wanted, is_running=may_write)) as pieces:
                async for piece in pieces:
                    yield piece
        except (UnreadableLog, BadFormat, CRIError) as error:
            yield str(error).encode()


async def _refuse(request: web.BaseRequest, message: str) -> web.StreamResponse:
    """Say why there are no logs, in the form of logs: upstream has prepared for those by then."""
    response = ChunkedStream(status=400)
    await response.prepare(request)
    await response.write_eof(message.encode())
    return response
