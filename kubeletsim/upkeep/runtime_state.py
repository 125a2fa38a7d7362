"""The runtime check: is the runtime up, and what is wrong with it in the kubelet's words.

Every five seconds the runtime is asked for its Status. The sync loop stands still while `runtime_errors` has anything
to say; `network_errors` only holds back pods that need the pod network. A runtime that does not answer keeps its good
name for thirty seconds, so that a restart of it goes unnoticed.

Upstream: pkg/kubelet/runtime.go and updateRuntimeUp in pkg/kubelet/kubelet.go.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Protocol

from kubeletsim.base.timing import Clock, every
from kubeletsim.model.errors import CRIError
from kubeletsim.model.runtime import RuntimeCondition, RuntimeStatus

log = logging.getLogger(__name__)

CHECK_PERIOD_SECONDS = 5.0
STALE_AFTER_SECONDS = 30.0
"""A good Status is believed for this long (maxWaitForContainerRuntime upstream)."""

HealthCheck = Callable[[], str | None]
"""Says what is wrong, or None: such as the PLEG's `pleg was last seen active 3m5s ago; threshold is 3m0s`."""


class StatusRuntime(Protocol):
    """What this module needs of the runtime."""

    async def status(self) -> RuntimeStatus:
        """Return the runtime's conditions."""


class RuntimeState:
    """What is known about the runtime's health.

    Args:
        cri: asked for Status.
        clock: its monotonic time decides what is stale.
        health_checks: further reasons to stand still, by name; `PLEG` reads `PLEG is not healthy: …`.
    """

    def __init__(
        self,
        cri: StatusRuntime,
        *,
        clock: Clock,
        rng: random.Random,
        health_checks: Mapping[str, HealthCheck] | None = None,
    ) -> None:
        self._cri = cri
        self._clock = clock
        self._rng = rng
        self._health_checks = dict(health_checks or {})
        self._last_good: float | None = None
        self._runtime_error = ""
        self._network_error = "network state unknown"
        self._first_ready = asyncio.Event()
        self._reported: tuple[str, str] | None = None

    def runtime_errors(self) -> list[str]:
        """Return why no pod may be synced now; empty when all is well."""
        errors = []
        if self._last_good is None:
            errors.append("container runtime status check may not have completed yet")
        elif self._clock.monotonic() - self._last_good >= STALE_AFTER_SECONDS:
            errors.append("container runtime is down")
        for name, check in self._health_checks.items():
            if problem := check():
                errors.append(f"{name} is not healthy: {problem}")
        if self._runtime_error:
            errors.append(self._runtime_error)
        return errors

    def network_errors(self) -> list[str]:
        """Return why pods on the pod network cannot start now; empty when all is well."""
        return [self._network_error] if self._network_error else []

    async def wait_ready(self) -> None:
        """Return once the runtime has been ready for the first time; what depends on it begins then."""
        await self._first_ready.wait()

    async def run(self) -> None:
        """Check the runtime every five seconds; never returns."""
        await every(CHECK_PERIOD_SECONDS, self.check, name="runtime check", rng=self._rng)

    async def check(self) -> None:
        """Ask for Status once and take note. An unanswered one changes nothing: time makes the last good one stale."""
        try:
            status = await self._cri.status()
        except CRIError as error:
            log.error("Container runtime sanity check failed: %s", error)  # noqa: TRY400  expected, no traceback
            return
        network, runtime = status.condition("NetworkReady"), status.condition("RuntimeReady")
        self._network_error = "" if _is_true(network) else f"container runtime network not ready: {_describe(network)}"
        self._runtime_error = "" if _is_true(runtime) else f"container runtime not ready: {_describe(runtime)}"
        self._report()
        if self._runtime_error:
            return
        self._last_good = self._clock.monotonic()
        self._first_ready.set()

    def _report(self) -> None:
        """Log a change of the conditions, and only a change: a runtime without a network may stay so for days."""
        errors = (self._network_error, self._runtime_error)
        if errors != self._reported:
            for error in filter(None, errors):
                log.error("%s", error)
            self._reported = errors


def _is_true(condition: RuntimeCondition | None) -> bool:
    return condition is not None and condition.status


def _describe(condition: RuntimeCondition | None) -> str:
    """Print a condition as upstream does; a runtime that does not report it at all gets Go's word for nothing."""
    if condition is None:
        return "<nil>"
    return (
        f"{condition.type}={'true' if condition.status else 'false'} "
        f"reason:{condition.reason} message:{condition.message}"
    )
