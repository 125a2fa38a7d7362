"""This module is what the runtime says of itself: version, status, configuration, events.

Upstream: internal/cri/server/version.go, status.go, runtime_config.go, update_runtime_config.go.
"""

import json
import platform
from collections.abc import Callable, Iterable, Mapping

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.profiles import Profile
from runtime_stub.events import Subscription
from runtime_stub.machine import Machine
from runtime_stub.settings import Features
from runtime_stub.state.addresses import AddressPool, parse_ranges
from runtime_stub.state.refusals import Reason, Refusal

CRI_VERSION = "0.1.0"
"""The only answer of Version that a kubelet accepts."""

API_VERSION = "v1"

CGROUP_DRIVERS = {"cgroupfs": pb.CGROUPFS, "systemd": pb.SYSTEMD}


class StatusHandlers:
    """Handlers of the RPCs about the runtime itself.

    Args:
        machine: whose events are streamed.
        profile: who this runtime claims to be.
        cgroup_driver: `cgroupfs` or `systemd`.
        runtime_handlers: names of runtime handlers besides the default one.
        pool: the addresses of pods.
        remember_pod_cidr: keeps the pod CIDR that a caller sets.
        config: shown by a verbose Status.
        features: what the runtime handlers and the runtime claim to support.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        profile: Profile,
        cgroup_driver: str,
        runtime_handlers: Iterable[str],
        pool: AddressPool,
        remember_pod_cidr: Callable[[str], None],
        config: Mapping[str, object],
        features: Features,
    ) -> None:
        self._machine = machine
        self._profile = profile
        self._cgroup_driver = CGROUP_DRIVERS[cgroup_driver]
        self._handlers = ["", *sorted(set(runtime_handlers) - {""})]
        self._pool = pool
        self._remember_pod_cidr = remember_pod_cidr
        self._config = dict(config)
        self._features = features

    def version(self, request: pb.VersionRequest) -> pb.VersionResponse:
        """Say who this is."""
        del request
        return pb.VersionResponse(
            version=CRI_VERSION,
            runtime_name=self._profile.runtime_name,
            runtime_version=self._profile.runtime_version,
            runtime_api_version=API_VERSION,
        )

    def status(self, request: pb.StatusRequest) -> pb.StatusResponse:
        """Say that everything is well."""
        features = self._features
        types = ("RuntimeReady", "NetworkReady", *self._profile.conditions)
        return pb.StatusResponse(
            status=pb.RuntimeStatus(conditions=[pb.RuntimeCondition(type=one, status=True) for one in types]),
            info=self._info() if request.verbose else {},
            runtime_handlers=[
                pb.RuntimeHandler(
                    name=name,
                    features=pb.RuntimeHandlerFeatures(
                        recursive_read_only_mounts=features.recursive_read_only_mounts,
                        user_namespaces=features.user_namespaces,
                    ),
                )
                for name in self._handlers
            ],
            features=pb.RuntimeFeatures(
                supplemental_groups_policy=features.supplemental_groups_policy,
                user_namespaces_host_network=features.user_namespaces_host_network,
            ),
        )

    def runtime_config(self, request: pb.RuntimeConfigRequest) -> pb.RuntimeConfigResponse:
        """Say which cgroup driver is in use."""
        del request
        return pb.RuntimeConfigResponse(linux=pb.LinuxRuntimeConfiguration(cgroup_driver=self._cgroup_driver))

    def update_runtime_config(self, request: pb.UpdateRuntimeConfigRequest) -> pb.UpdateRuntimeConfigResponse:
        """Take pod addresses from another range from now on; an empty one changes nothing."""
        pod_cidr = request.runtime_config.network_config.pod_cidr
        if pod_cidr:
            try:
                self._pool.use(parse_ranges(pod_cidr))
            except ValueError as error:
                raise Refusal(Reason.NETWORK_CONFIG_INVALID, pod_cidr=pod_cidr, cause=str(error)) from error
            self._remember_pod_cidr(pod_cidr)
        return pb.UpdateRuntimeConfigResponse()

    def get_container_events(self, request: pb.GetEventsRequest) -> Subscription:
        """Tell of every event from now on."""
        del request
        return self._machine.events.subscribe()

    def _info(self) -> dict[str, str]:
        network = {"name": "runtime-stub", "ranges": self._pool.ranges}
        told = {
            "config": json.dumps(self._config),
            "python": json.dumps(platform.python_version()),
            "cniconfig": json.dumps(network),
            "lastCNILoadStatus": "OK",
            "lastCNILoadStatus.default": "OK",
        }
        return {key: told[key] for key in self._profile.status_info}
