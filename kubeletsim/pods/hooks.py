"""Lifecycle hooks: what a container wants done right after its start and before its stop.

A hook is a command in the container (ExecSync without a timeout), an HTTP GET (any answer will do), or a pause. Their
calls go out in the caller's context and so are children of the sync's span. What a hook says is logged and kept out of
events, because it may hold secrets. Upstream: pkg/kubelet/lifecycle/handlers.go.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from lightkube.models.core_v1 import HTTPGetAction, LifecycleHandler, Pod
from prometheus_client import CollectorRegistry, Counter

from kubeletsim.clients.network.http_get import HTTPFailure, HTTPGet, http_get
from kubeletsim.model.errors import CRIError, KubeletSimError, go_quote
from kubeletsim.model.events import EventRecorder
from kubeletsim.model.pod import AnyContainer, describe, pod_uid
from kubeletsim.model.runtime import ContainerID, ExecResult, ObservedPod, PodUID
from kubeletsim.pods.http_requests import UnknownPort, http_request
from kubeletsim.pods.pod_events import pod_event

log = logging.getLogger(__name__)

USER_AGENT = "kube-lifecycle/1.36"
HTTP_PORT = 80


class HookService(Protocol):
    """What this module needs of the runtime."""

    async def exec_sync(self, container_id: ContainerID, command: Sequence[str], *, timeout_seconds: int) -> ExecResult:
        """Run a command in a container to its end."""


class HookFailure(KubeletSimError):
    """A hook failed; the text is upstream's message."""


class HookRunner:
    """Runs hooks.

    Args:
        cri: where exec hooks run.
        observe: reads a pod's state from the runtime, for the address that httpGet hooks without a host go to.
        record: takes FailedPostStartHook, FailedPreStopHook and LifecycleHTTPFallback.
        registry: gets kubelet_lifecycle_handler_http_fallbacks_total and
            kubelet_sleep_action_terminated_early_total.
    """

    def __init__(
        self,
        cri: HookService,
        *,
        observe: Callable[[PodUID], Awaitable[ObservedPod]],
        record: EventRecorder,
        registry: CollectorRegistry,
    ) -> None:
        self._cri = cri
        self._observe = observe
        self._record = record
        self._fallbacks = Counter(
            "kubelet_lifecycle_handler_http_fallbacks_total",
            "The number of times lifecycle handlers successfully fell back to http from https.",
            registry=registry,
        )
        self._short_sleeps = Counter(
            "kubelet_sleep_action_terminated_early_total",
            "The number of times lifecycle sleep handler got terminated before it finishes",
            registry=registry,
        )

    async def post_start(self, pod: Pod, container: AnyContainer, container_id: ContainerID) -> None:
        """Run the hook of a container that has just started, if it has one.

        Raises:
            HookFailure: it failed; the container is to be killed.
        """
        hook = container.lifecycle.postStart if container.lifecycle is not None else None
        if hook is None:
            return
        try:
            await self._run(pod, container, container_id, hook)
        except HookFailure as failure:
            log.error("Failed to execute PostStartHook of %s in %s: %s", container.name, describe(pod), failure)  # noqa: TRY400
            self._tell(pod, container, "FailedPostStartHook", "PostStartHook failed")
            raise

    async def pre_stop(self, pod: Pod, container: AnyContainer, container_id: ContainerID) -> None:
        """Run the hook of a container that is about to be stopped, if it has one; a failure stops nothing."""
        hook = container.lifecycle.preStop if container.lifecycle is not None else None
        if hook is None:
            return
        try:
            await self._run(pod, container, container_id, hook)
        except HookFailure as failure:
            log.error("PreStop hook of %s in %s failed: %s", container.name, describe(pod), failure)  # noqa: TRY400
            self._tell(pod, container, "FailedPreStopHook", "PreStopHook failed")

    async def _run(self, pod: Pod, container: AnyContainer, container_id: ContainerID, hook: LifecycleHandler) -> None:
        where = f"for Container {go_quote(container.name)} in Pod {go_quote(describe(pod))} failed"
        if hook.exec is not None:
            await self._exec(container_id, hook.exec.command or [], where=where)
        elif hook.httpGet is not None:
            try:
                await self._http_get(pod, container, hook.httpGet)
            except (HTTPFailure, UnknownPort, CRIError, _NoAddress) as error:
                raise HookFailure(f"HTTP lifecycle hook ({hook.httpGet.path}) {where} - error: {error}") from error
        elif hook.sleep is not None:
            try:
                await asyncio.sleep(hook.sleep.seconds)
            except asyncio.CancelledError:
                self._short_sleeps.inc()
                raise
        else:  # tcpSocket is deprecated and has never been run
            raise HookFailure(f"Cannot run handler: invalid handler: {_go_text(hook)}")

    async def _exec(self, container_id: ContainerID, command: Sequence[str], *, where: str) -> None:
        what = f"Exec lifecycle hook ([{' '.join(command)}]) {where}"
        try:
            result = await self._cri.exec_sync(container_id, command, timeout_seconds=0)
        except CRIError as error:
            raise HookFailure(f'{what} - error: {error}, message: ""') from error
        if result.exit_code:
            stderr = result.stderr.decode(errors="replace")
            output = result.stdout.decode(errors="replace") + stderr
            exited = f"command '{' '.join(command)}' exited with {result.exit_code}: {stderr}"
            raise HookFailure(f"{what} - error: {exited}, message: {go_quote(output)}")

    async def _http_get(self, pod: Pod, container: AnyContainer, action: HTTPGetAction) -> None:
        pod_ip = "" if action.host else await self._address(pod)
        if action.port == "":
            action = HTTPGetAction(
                port=HTTP_PORT,
                host=action.host,
                httpHeaders=action.httpHeaders,
                path=action.path,
                scheme=action.scheme,
            )
        request = http_request(action, container, pod_ip=pod_ip, user_agent=USER_AGENT)
        try:
            await http_get(request, timeout_seconds=None)
        except HTTPFailure as failure:
            if not failure.answered_in_clear:
                raise
            await self._in_clear(pod, request)

    async def _in_clear(self, pod: Pod, request: HTTPGet) -> None:
        """Repeat a request without TLS, as kubelets sent it before they honoured the scheme; no secrets go along."""
        kept = tuple((name, value) for name, value in request.headers if name.lower() != "authorization")
        clear = replace(request, url="http" + request.url.removeprefix("https"), headers=kept)
        await http_get(clear, timeout_seconds=None)
        self._fallbacks.inc()
        address = request.url.split("/")[2]
        text = f"request to HTTPS lifecycle hook {address} got HTTP response, retry with HTTP succeeded"
        self._record(pod_event(pod, "LifecycleHTTPFallback", text, warning=True))

    async def _address(self, pod: Pod) -> str:
        """Return the pod's address as the runtime reports it: none for one on the host's network, as upstream."""
        observed = await self._observe(pod_uid(pod))
        if not observed.ips:
            raise _NoAddress(f"failed to find networking container: {describe(pod)}")
        return observed.ips[0]

    def _tell(self, pod: Pod, container: AnyContainer, reason: str, message: str) -> None:
        self._record(pod_event(pod, reason, message, container=container.name, warning=True))


def _go_text(hook: LifecycleHandler) -> str:
    """Return a handler of no use as Go prints it: with a port's type, number and text."""
    tcp = "nil"
    if (action := hook.tcpSocket) is not None:
        port = f"{{0 {action.port} }}" if isinstance(action.port, int) else f"{{1 0 {action.port}}}"
        tcp = f"&TCPSocketAction{{Port:{port},Host:{action.host or ''},}}"
    return f"&LifecycleHandler{{Exec:nil,HTTPGet:nil,TCPSocket:{tcp},Sleep:nil,}}"


class _NoAddress(KubeletSimError):
    """The runtime reports no address for the pod."""
