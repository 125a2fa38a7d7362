"""This module is Exec, Attach and PortForward: they check a request and answer with the URL of its stream.

Upstream: internal/cri/server/container_exec.go, container_attach.go, sandbox_portforward.go; the checks of a request's
streams are those of cri-streaming's streaming/server.go.
"""

from collections.abc import Awaitable, Callable

from opentelemetry import trace

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.machine import Machine
from runtime_stub.state.records import ContainerState, SandboxState
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.streaming.tickets import Attach, Exec, PortForward, StreamRequest, Streams


class StreamHandlers:
    """Handlers of the RPCs whose answer is a URL.

    Args:
        machine: where the containers are.
        url_for: makes the URL of a stream.
    """

    def __init__(self, machine: Machine, url_for: Callable[[StreamRequest], Awaitable[str]]) -> None:
        self._machine = machine
        self._url_for = url_for

    async def exec(self, request: pb.ExecRequest) -> pb.ExecResponse:
        """Answer with the URL of a command's streams; the command begins when a client has opened them."""
        id_ = self._running(request.container_id, missing=Reason.EXEC_URL_CONTAINER_NOT_FOUND)
        if not request.cmd:
            raise Refusal(Reason.COMMAND_MISSING)
        streams = _streams(request, verb="exec")
        return pb.ExecResponse(url=await self._url_for(Exec(id_, tuple(request.cmd), streams)))

    async def attach(self, request: pb.AttachRequest) -> pb.AttachResponse:
        """Answer with the URL of a container's streams."""
        id_ = self._running(request.container_id, missing=Reason.ATTACH_CONTAINER_NOT_FOUND)
        return pb.AttachResponse(url=await self._url_for(Attach(id_, _streams(request, verb="attach"))))

    async def port_forward(self, request: pb.PortForwardRequest) -> pb.PortForwardResponse:
        """Answer with the URL of connections into a sandbox."""
        sandbox = self._machine.world.find_sandbox(request.pod_sandbox_id, reason=Reason.FORWARD_SANDBOX_NOT_FOUND)
        trace.get_current_span().set_attribute("sandbox.id", sandbox.id)
        if sandbox.state is not SandboxState.READY:
            raise Refusal(Reason.FORWARD_NOT_READY)
        return pb.PortForwardResponse(url=await self._url_for(PortForward(sandbox.id, tuple(request.port))))

    def _running(self, id_: str, *, missing: Reason) -> str:
        container = self._machine.world.find_container(id_, reason=missing)
        trace.get_current_span().set_attribute("container.id", container.id)
        if container.state is not ContainerState.RUNNING:
            raise Refusal(Reason.STREAM_NOT_RUNNING, state=f"CONTAINER_{container.state.name}")
        return container.id


def _streams(request: pb.ExecRequest | pb.AttachRequest, *, verb: str) -> Streams:
    """Return what a request wants to exchange.

    Raises:
        Refusal: it wants nothing, or a terminal with a stream for errors.
    """
    if request.tty and request.stderr:
        raise Refusal(Reason.STREAMS_INVALID, verb=verb, cause="tty and stderr cannot both be true")
    if not (request.stdin or request.stdout or request.stderr):
        raise Refusal(Reason.STREAMS_INVALID, verb=verb, cause="one of stdin, stdout, or stderr must be set")
    return Streams(stdin=request.stdin, stdout=request.stdout, stderr=request.stderr, tty=request.tty)
