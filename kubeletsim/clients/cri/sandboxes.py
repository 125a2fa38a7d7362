"""This module is the RPCs about pod sandboxes."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import nullcontext
from types import MappingProxyType

from kubeletsim.clients.cri.calls import Calls
from kubeletsim.clients.cri.required import required_sandbox_status, required_text
from kubeletsim.clients.cri_convert import answers, requests
from kubeletsim.model.requests import LinuxResources, SandboxConfig
from kubeletsim.model.runtime import Sandbox, SandboxID, SandboxState, SandboxStatus
from kubeletsim.pb import cri_pb2 as pb

ANY_LABELS: Mapping[str, str] = MappingProxyType({})


class SandboxCalls:
    """The life of sandboxes, and the doors into them."""

    _calls: Calls

    async def run_pod_sandbox(self, config: SandboxConfig, *, runtime_handler: str = "") -> SandboxID:
        """Create and start a sandbox; its deadline is twice the usual one, since networks are slow to set up."""
        operations = self._calls.operations
        with operations.observe_sandbox(runtime_handler) if operations else nullcontext():
            return await self._calls.one(
                "RunPodSandbox",
                self._calls.runtime.RunPodSandbox,
                pb.RunPodSandboxRequest(config=requests.sandbox_config(config), runtime_handler=runtime_handler),
                lambda answer: SandboxID(
                    required_text(answer.pod_sandbox_id, rpc="RunPodSandbox", field="pod_sandbox_id")
                ),
                within=2 * self._calls.timeout_seconds,
            )

    async def stop_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        """Stop what still runs in a sandbox and release its network; done already is success."""
        await self._calls.one(
            "StopPodSandbox",
            self._calls.runtime.StopPodSandbox,
            pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id),
            lambda _: None,
        )

    async def remove_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        """Remove a sandbox and its containers; gone already is success."""
        await self._calls.one(
            "RemovePodSandbox",
            self._calls.runtime.RemovePodSandbox,
            pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id),
            lambda _: None,
        )

    async def pod_sandbox_status(self, sandbox_id: SandboxID, *, verbose: bool = False) -> SandboxStatus:
        """Ask how a sandbox is; `verbose` adds `info`. NotFound when there is none of that id."""
        return await self._calls.one(
            "PodSandboxStatus",
            self._calls.runtime.PodSandboxStatus,
            pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id, verbose=verbose),
            lambda answer: answers.sandbox_status(required_sandbox_status(answer).status, info=answer.info),
        )

    async def list_pod_sandbox(
        self,
        *,
        sandbox_id: SandboxID | None = None,
        state: SandboxState | None = None,
        labels: Mapping[str, str] = ANY_LABELS,
    ) -> list[Sandbox]:
        """List the sandboxes that match every argument given."""
        return await self._calls.one(
            "ListPodSandbox",
            self._calls.runtime.ListPodSandbox,
            pb.ListPodSandboxRequest(filter=requests.sandbox_filter(sandbox_id=sandbox_id, state=state, labels=labels)),
            lambda answer: [answers.sandbox(item) for item in answer.items],
        )

    def stream_pod_sandboxes(
        self,
        *,
        sandbox_id: SandboxID | None = None,
        state: SandboxState | None = None,
        labels: Mapping[str, str] = ANY_LABELS,
    ) -> AsyncGenerator[Sandbox, None]:
        """List as `list_pod_sandbox` does, without a limit on the size of the whole."""
        return self._calls.many(
            "StreamPodSandboxes",
            self._calls.runtime.StreamPodSandboxes,
            pb.StreamPodSandboxesRequest(
                filter=requests.sandbox_filter(sandbox_id=sandbox_id, state=state, labels=labels)
            ),
            lambda answer: map(answers.sandbox, answer.pod_sandboxes),
        )

    async def update_pod_sandbox_resources(
        self,
        sandbox_id: SandboxID,
        *,
        overhead: LinuxResources | None = None,
        resources: LinuxResources | None = None,
    ) -> None:
        """Tell the runtime that the limits of a pod as a whole have changed."""
        await self._calls.one(
            "UpdatePodSandboxResources",
            self._calls.runtime.UpdatePodSandboxResources,
            pb.UpdatePodSandboxResourcesRequest(
                pod_sandbox_id=sandbox_id,
                overhead=requests.linux_resources(overhead) if overhead else None,
                resources=requests.linux_resources(resources) if resources else None,
            ),
            lambda _: None,
        )

    async def port_forward(self, sandbox_id: SandboxID, *, ports: Sequence[int] = ()) -> str:
        """Ask for a URL at which the runtime forwards streams to ports inside a sandbox."""
        return await self._calls.one(
            "PortForward",
            self._calls.runtime.PortForward,
            pb.PortForwardRequest(pod_sandbox_id=sandbox_id, port=ports),
            lambda answer: required_text(answer.url, rpc="PortForward", field="url"),
        )
