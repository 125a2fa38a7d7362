"""The answers of /exec, /attach and /portForward.

Whom a request is about is looked up here, in the manifests and in the runtime; the runtime then gives a URL, and what
comes after that is between it and the client. Upstream: getExec, getAttach and getPortForward in
pkg/kubelet/server/server.go, GetExec, GetAttach and GetPortForward in pkg/kubelet/kubelet_pods.go.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from aiohttp import web
from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry, Counter

from kubeletsim.model.errors import CRIError, go_quote
from kubeletsim.model.labels import POD_UID_LABEL
from kubeletsim.model.pod import describe, find_container, pod_uid
from kubeletsim.model.runtime import ContainerID, SandboxID
from kubeletsim.server.answers import text, unseen_text
from kubeletsim.server.running import Running, RunningRuntime
from kubeletsim.server.streams.options import (
    WEBSOCKET_PROTOCOL,
    BadOptions,
    StreamOptions,
    is_websocket,
    read_ports,
    read_stream_options,
    tunnelled_protocols,
)
from kubeletsim.server.streams.proxy import proxy
from kubeletsim.server.streams.translate import translated, wants_v5
from kubeletsim.server.streams.tunnel import tunnel
from kubeletsim.server.targets import container_target, find_pod, pod_target

STATUS = {"NotFound": 404, "ResourceExhausted": 429}
"""HTTP's status for a runtime's refusal, by gRPC code; 500 for all others."""
RETRY_AFTER_SECONDS = 60


class StreamingRuntime(RunningRuntime, Protocol):
    """What streams take of the runtime."""

    async def exec(
        self, container_id: ContainerID, command: Sequence[str], *, tty: bool, stdin: bool, stdout: bool, stderr: bool
    ) -> str:
        """Prepare a command; return the URL of its streams."""

    async def attach(self, container_id: ContainerID, *, tty: bool, stdin: bool, stdout: bool, stderr: bool) -> str:
        """Return the URL of the streams of a container's first process."""

    async def port_forward(self, sandbox_id: SandboxID, *, ports: Sequence[int] = ()) -> str:
        """Return the URL of connections into a sandbox."""


class Streams:
    """Answers requests for streams.

    Args:
        pods: the pods of the node.
        runtime: what opens the doors.
        registry: gets kubelet_websocket_streaming_requests_total.
    """

    def __init__(
        self, *, pods: Callable[[], Sequence[Pod]], runtime: StreamingRuntime, registry: CollectorRegistry
    ) -> None:
        self._pods = pods
        self._runtime = runtime
        self._websockets = Counter(
            "kubelet_websocket_streaming_requests_total",
            "Total number of WebSocket streaming requests (exec/attach/portforward) received by the kubelet.",
            ["subresource"],
            registry=registry,
        )

    async def exec(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer with the streams of a command in a container."""
        target = container_target(request.path)
        try:
            options = read_stream_options(request.query)
        except BadOptions as error:
            return text(str(error), status=400)
        if find_pod(self._pods(), target) is None:
            return text("pod does not exist", status=404)
        try:
            container = (await Running.of(self._runtime)).container(target)
            if container is None:
                return _refusal(f"container not found ({go_quote(target.container)})")
            url = await self._runtime.exec(
                container.id,
                request.query.getall("command", []),
                tty=options.tty,
                stdin=options.stdin,
                stdout=options.stdout,
                stderr=options.stderr,
            )
        except CRIError as error:
            return _refusal(error)
        return await self._lead(request, url, options=options, subresource="exec")

    async def attach(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer with the streams of a container's first process, which has a terminal if its manifest says so."""
        target = container_target(request.path)
        try:
            options = read_stream_options(request.query)
        except BadOptions as error:
            return text(str(error), status=400)
        pod = find_pod(self._pods(), target)
        if pod is None:
            return text("pod does not exist", status=404)
        try:
            container = (await Running.of(self._runtime)).container(target)
            spec = find_container(pod, target.container)
            if container is None or spec is None:
                return _refusal(f"container {target.container} not found in pod {target.pod_full_name}")
            if target.uid and target.uid != pod_uid(pod):
                return _refusal(f"pod {target.pod_full_name} not found")
            url = await self._runtime.attach(
                container.id, tty=bool(spec.tty), stdin=options.stdin, stdout=options.stdout, stderr=options.stderr
            )
        except CRIError as error:
            return _refusal(error)
        return await self._lead(request, url, options=options, subresource="attach")

    async def port_forward(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer with connections to ports of a pod."""
        target = pod_target(request.path)
        websocket = _is_websocket(request)
        tunnelled = websocket and tunnelled_protocols(request.headers.getall(WEBSOCKET_PROTOCOL, []))
        try:
            ports = read_ports(request.query.getall("port", [])) if websocket and not tunnelled else []
        except BadOptions as error:
            return text(str(error), status=400)
        pod = find_pod(self._pods(), target)
        if pod is None:
            return text("pod does not exist", status=404)
        if target.uid and target.uid != pod_uid(pod):
            return text("pod not found", status=404)
        try:
            if (await Running.of(self._runtime)).uid(target) is None:
                return _refusal(f"pod not found ({go_quote(target.pod_full_name)})")
            sandboxes = await self._runtime.list_pod_sandbox(labels={POD_UID_LABEL: pod_uid(pod)})
            if not sandboxes:
                return _refusal(f"failed to find sandboxID for pod {describe(pod)}")
            newest = max(sandboxes, key=lambda sandbox: sandbox.created_at)  # ready or not, as upstream
            url = await self._runtime.port_forward(newest.id, ports=ports)
        except CRIError as error:
            return _refusal(error)
        if tunnelled:
            self._websockets.labels("portforward").inc()
            return await tunnel(request, url)
        return await proxy(request, url)

    async def _lead(
        self, request: web.BaseRequest, url: str, *, options: StreamOptions, subresource: str
    ) -> web.StreamResponse:
        """Lead a client to a command's streams, by way of a translation if it speaks what runtimes do not."""
        if _is_websocket(request) and wants_v5(request.headers.getall(WEBSOCKET_PROTOCOL, [])):
            self._websockets.labels(subresource).inc()
            return await translated(request, url, options=options)
        return await proxy(request, url)


def _is_websocket(request: web.BaseRequest) -> bool:
    return is_websocket(request.headers.getall("Connection", []), request.headers.get("Upgrade", ""))


def _refusal(why: CRIError | str) -> web.Response:
    status = STATUS.get(why.code, 500) if isinstance(why, CRIError) else 500
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 429 else None
    return unseen_text(str(why), status=status, headers=headers)
