"""The first conversation with the runtime: is it there, is it a CRI v1 runtime, which cgroup driver does it use.

A runtime that fails here ends the process, as upstream: a service manager starts the kubelet again.
Upstream: cmd/kubelet/app/server.go (PreInitRuntimeService, getCgroupDriverFromCRI), kuberuntime_manager.go.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from kubeletsim.model.errors import CRIError, StartupError
from kubeletsim.model.runtime import CgroupDriver, RuntimeStatus, RuntimeVersion

log = logging.getLogger(__name__)

CRI_API_VERSION = "0.1.0"
"""What Version must answer; not the version of the protocol's package, which is v1."""
CGROUP_DRIVER_ROUNDS = 3
CGROUP_DRIVER_PAUSE_SECONDS = 2.0
RUNTIME_CONFIG_REQUIRED_SINCE = "1.37.0"


class StartingRuntime(Protocol):
    """What this module needs of the runtime."""

    async def version(self, version: str = "") -> RuntimeVersion:
        """Ask who the runtime is."""

    async def status(self) -> RuntimeStatus:
        """Ask how it is, and what it can do."""

    async def runtime_config(self) -> CgroupDriver | None:
        """Ask for its cgroup driver."""


async def discover_cgroup_driver(
    runtime: StartingRuntime, *, configured: CgroupDriver, note_lost_support: Callable[[str], None]
) -> CgroupDriver:
    """Ask for the cgroup driver three times, whatever the first answers; the last round counts, as upstream.

    A runtime that does not know the call, or answers without a Linux part, leaves the configured driver in force. The
    former is `note_lost_support`ed with the version of the kubelet that is going to insist.

    Raises:
        StartupError: the last round failed.
    """
    driver, failure = configured, None
    for _ in range(CGROUP_DRIVER_ROUNDS):
        try:
            driver, failure = await runtime.runtime_config() or configured, None
        except CRIError as error:
            if error.code == "Unimplemented":
                log.warning(
                    "CRI RuntimeConfig is not implemented; cgroupDriver %s of the configuration", configured.value
                )
                note_lost_support(RUNTIME_CONFIG_REQUIRED_SINCE)
                driver, failure = configured, None
                continue
            failure = error
            await asyncio.sleep(CGROUP_DRIVER_PAUSE_SECONDS)
    if failure:
        raise StartupError(f"cannot ask the runtime for its cgroup driver: {failure.desc}") from failure
    if driver is not configured:
        log.info("cgroupDriver %s comes from the runtime; the configuration says %s", driver.value, configured.value)
    return driver


async def identify(runtime: StartingRuntime) -> RuntimeVersion:
    """Return who the runtime is.

    Raises:
        StartupError: it does not answer, or speaks another version than the kubelet.
    """
    try:
        version = await runtime.version(CRI_API_VERSION)
    except CRIError as error:
        raise StartupError(f"cannot ask the runtime for its version: {error.desc}") from error
    if version.version != CRI_API_VERSION:
        raise StartupError(f"the runtime answers Version with {version.version!r}, must be {CRI_API_VERSION!r}")
    log.info("Container runtime initialized: %s %s", version.runtime_name, version.runtime_version)
    return version


async def learn_features(runtime: StartingRuntime) -> RuntimeStatus | None:
    """Ask for the runtime's status once, for what it can do; a failure is tolerated and teaches nothing."""
    try:
        status = await runtime.status()
    except CRIError as error:
        log.info("CRI Status failed at startup: %s", error)
        return None
    log.debug("CRI handlers: %s", ", ".join(handler.name or "(default)" for handler in status.handlers))
    return status
