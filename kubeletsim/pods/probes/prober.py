"""One probe: run it, try again when it could not be run, and tell of what it found.

exec goes through the runtime (ExecSync, in the caller's context, so that its span has the caller's parent); the others
go to the pod's address, or to the host a manifest names. Upstream: pkg/kubelet/prober/prober.go and pkg/probe.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from kubeletsim.clients.network.dialing import DialFailure, dial
from kubeletsim.clients.network.grpc_health import Unhealthy, check_health
from kubeletsim.clients.network.http_get import MAX_BODY_BYTES, HTTPFailure, http_get
from kubeletsim.model.errors import CRIError, DeadlineExceeded, go_quote
from kubeletsim.model.events import EventRecorder
from kubeletsim.model.pod import describe
from kubeletsim.model.runtime import ContainerID, ExecResult
from kubeletsim.pods.http_requests import UnknownPort, http_request, resolve_port
from kubeletsim.pods.pod_events import pod_event
from kubeletsim.pods.probes.rules import ProbeResult, Target
from kubeletsim.pods.requests.environment import expand

log = logging.getLogger(__name__)

USER_AGENT = "kube-probe/1.36"
TRIES = 3


class ExecService(Protocol):
    """What this module needs of the runtime."""

    async def exec_sync(self, container_id: ContainerID, command: Sequence[str], *, timeout_seconds: int) -> ExecResult:
        """Run a command in a container to its end."""


class Verdict(Enum):
    """What a probe found."""

    SUCCESS = "success"
    WARNING = "warning"
    """Good enough, and worth an event."""
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found, and the text that goes with it."""

    verdict: Verdict
    output: str = ""


class Prober:
    """Runs probes.

    Args:
        cri: where exec probes run.
        record: takes Unhealthy and ProbeWarning.
    """

    def __init__(self, cri: ExecService, *, record: EventRecorder) -> None:
        self._cri = cri
        self._record = record

    async def probe(self, target: Target, *, container_id: ContainerID, pod_ip: str) -> ProbeResult | None:
        """Run a probe; None when it could not be run, which says nothing of the container.

        Args:
            target: what to probe, and how.
            container_id: the instance that runs now.
            pod_ip: the pod's address, for probes that name no host.
        """
        kind = target.kind.value
        try:
            found = await self._with_retries(target, container_id=container_id, pod_ip=pod_ip)
        except (CRIError, UnknownPort) as error:
            self._tell(target, "Unhealthy", f"{kind} probe errored and resulted in unknown state: {error}")
            return None
        match found.verdict:
            case Verdict.FAILURE:
                self._tell(target, "Unhealthy", f"{kind} probe failed: {found.output}")
                return ProbeResult.FAILURE
            case Verdict.WARNING:
                self._tell(target, "ProbeWarning", f"{kind} probe warning: {found.output}")
        return ProbeResult.SUCCESS

    async def _with_retries(self, target: Target, *, container_id: ContainerID, pod_ip: str) -> Finding:
        for _ in range(TRIES - 1):
            try:
                return await self._run(target, container_id=container_id, pod_ip=pod_ip)
            except (CRIError, UnknownPort) as error:
                name, pod = target.container.name, describe(target.pod)
                log.debug("%s probe of %s in %s errored: %s", target.kind.value, name, pod, error)
        return await self._run(target, container_id=container_id, pod_ip=pod_ip)

    async def _run(self, target: Target, *, container_id: ContainerID, pod_ip: str) -> Finding:
        probe = target.probe
        timeout_seconds = probe.timeoutSeconds or 1
        if probe.exec is not None:
            return await self._exec(target, container_id, probe.exec.command or [], timeout_seconds=timeout_seconds)
        if probe.httpGet is not None:
            request = http_request(probe.httpGet, target.container, pod_ip=pod_ip, user_agent=USER_AGENT)
            try:
                answer = await http_get(request, timeout_seconds=timeout_seconds)
            except HTTPFailure as failure:
                return Finding(Verdict.FAILURE, str(failure))
            return _judge_http(answer.status, answer.body)
        try:
            if probe.tcpSocket is not None:
                port = resolve_port(probe.tcpSocket.port, target.container)
                await dial(probe.tcpSocket.host or pod_ip, port, timeout_seconds=timeout_seconds)
            elif probe.grpc is not None:
                await check_health(
                    pod_ip,
                    probe.grpc.port,
                    service=probe.grpc.service or "",
                    user_agent=USER_AGENT,
                    timeout_seconds=timeout_seconds,
                )
        except (DialFailure, Unhealthy) as failure:
            return Finding(Verdict.FAILURE, str(failure))
        return Finding(Verdict.SUCCESS)

    async def _exec(
        self, target: Target, container_id: ContainerID, command: Sequence[str], *, timeout_seconds: int
    ) -> Finding:
        values = {one.name: one.value for one in target.container.env or [] if one.value is not None}
        words = [expand(word, values) for word in command]
        try:
            result = await self._cri.exec_sync(container_id, words, timeout_seconds=timeout_seconds)
        except DeadlineExceeded:
            text = f"command timed out: {go_quote(' '.join(words))} timed out after {timeout_seconds}s"
            return Finding(Verdict.FAILURE, text)
        output = (result.stdout + result.stderr)[:MAX_BODY_BYTES].decode(errors="replace")
        return Finding(Verdict.FAILURE if result.exit_code else Verdict.SUCCESS, output)

    def _tell(self, target: Target, reason: str, message: str) -> None:
        self._record(pod_event(target.pod, reason, message, container=target.container.name, warning=True))


def _judge_http(status: int, body: str) -> Finding:
    """Return what a status says; a failure's text is without the body, which may hold what no event should."""
    if 200 <= status < 300:
        return Finding(Verdict.SUCCESS, body)
    if 300 <= status < 400:
        return Finding(Verdict.WARNING, f"Probe terminated redirects, Response body: {body}")
    return Finding(Verdict.FAILURE, f"HTTP probe failed with statuscode: {status}")
