"""This package is the client of a container runtime: CRI v1's 41 RPCs as coroutines and async iterators of our values.

Every call has upstream's deadline, fails with nothing but the CRIError tree, makes one CLIENT span and counts as one
operation; those four live at one seam (`calls`). A dead socket fails a call at once rather than waiting, and the
channel dials again by itself at most 3 s after the socket is back, so nobody above needs to reconnect.
Counterpart: staging/src/k8s.io/cri-client/pkg/remote_runtime.go and remote_image.go.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry

from kubeletsim.clients.cri.calls import Calls, open_calls
from kubeletsim.clients.cri.containers import ContainerCalls
from kubeletsim.clients.cri.images import ImageCalls
from kubeletsim.clients.cri.node import NodeCalls
from kubeletsim.clients.cri.operations import Operations
from kubeletsim.clients.cri.sandboxes import SandboxCalls
from kubeletsim.clients.cri.usage import UsageCalls
from kubeletsim.clients.endpoint import Endpoint
from kubeletsim.model.errors import CRIError, StartupError, go_quote


class CRIClient(NodeCalls, SandboxCalls, ContainerCalls, UsageCalls, ImageCalls):
    """A runtime service and an image service, two connections even where both are one socket."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        runtime_endpoint: Endpoint,
        *,
        image_endpoint: Endpoint | None = None,
        timeout_seconds: float = 120.0,
        tracer: Tracer | None = None,
        propagator: TextMapPropagator | None = None,
        registry: CollectorRegistry | None = None,
    ) -> AsyncIterator[Self]:
        """Open a client for the length of the block; calls under way at its end are cancelled.

        Args:
            runtime_endpoint: where the runtime service listens.
            image_endpoint: where the image service listens; the same place when None.
            timeout_seconds: `runtimeRequestTimeout`.
            tracer: made with `base.rpc_spans`' scope; without it calls leave no spans.
            propagator: carries the trace to the runtime; needed with a tracer.
            registry: gets the operation metrics; without it calls are not counted.
        """
        async with open_calls(
            runtime_endpoint,
            image_endpoint=image_endpoint,
            timeout_seconds=timeout_seconds,
            tracer=tracer,
            propagator=propagator,
            operations=Operations(registry) if registry else None,
        ) as calls:
            yield cls(calls)

    @property
    def uncounted(self) -> Self:
        """The same connections without operation metrics: for the log manager, the stats provider and start-up probes.

        Upstream counts only what goes through its runtime manager (reference: pkg/kubelet/kuberuntime).
        """
        return type(self)(self._calls.uncounted)

    async def check(self) -> None:
        """Make sure that both services answer: Version of the one, ImageFsInfo of the other.

        Raises:
            StartupError: one does not; the text names its endpoint. A missing socket is known at once, one that accepts
                and stays silent after 5 s.
        """
        uncounted, calls = self.uncounted, self._calls
        for service, endpoint, probe in (
            ("runtime", calls.runtime_endpoint, uncounted.version),
            ("image", calls.image_endpoint, uncounted.image_fs_info),
        ):
            try:
                await probe()
            except CRIError as error:
                raise StartupError(
                    f"validate CRI v1 {service} API for endpoint {go_quote(endpoint.url)}: {error}"
                ) from error
