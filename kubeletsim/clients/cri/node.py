"""This module is the RPCs about the runtime itself."""

from kubeletsim.clients.cri.calls import Calls
from kubeletsim.clients.cri.required import required_status, required_version
from kubeletsim.clients.cri_convert import answers
from kubeletsim.model.runtime import CgroupDriver, RuntimeStatus, RuntimeVersion
from kubeletsim.pb import cri_pb2 as pb


class NodeCalls:
    """Who the runtime is, how it is, and how it is set up."""

    _calls: Calls

    async def version(self, version: str = "") -> RuntimeVersion:
        """Ask who the runtime is; `version` is the CRI version the caller speaks (`0.1.0`)."""
        return await self._calls.one(
            "Version",
            self._calls.runtime.Version,
            pb.VersionRequest(version=version),
            lambda answer: answers.runtime_version(required_version(answer)),
        )

    async def status(self, *, verbose: bool = False) -> RuntimeStatus:
        """Ask whether runtime and network are ready; `verbose` adds `info`."""
        return await self._calls.one(
            "Status",
            self._calls.runtime.Status,
            pb.StatusRequest(verbose=verbose),
            lambda answer: answers.runtime_status(required_status(answer)),
        )

    async def runtime_config(self) -> CgroupDriver | None:
        """Ask for the cgroup driver; None where the answer has no Linux part."""
        return await self._calls.one(
            "RuntimeConfig",
            self._calls.runtime.RuntimeConfig,
            pb.RuntimeConfigRequest(),
            answers.cgroup_driver,
        )

    async def update_runtime_config(self, *, pod_cidr: str) -> None:
        """Tell the runtime the node's pod addresses (CIDRs, separated by commas)."""
        network = pb.NetworkConfig(pod_cidr=pod_cidr)
        await self._calls.one(
            "UpdateRuntimeConfig",
            self._calls.runtime.UpdateRuntimeConfig,
            pb.UpdateRuntimeConfigRequest(runtime_config=pb.RuntimeConfig(network_config=network)),
            lambda _: None,
        )
