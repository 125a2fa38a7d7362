"""The foundation: what nearly every part of a node receives."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from kubeletsim.agent.image_parts import ImageParts
from kubeletsim.base.telemetry import Telemetry
from kubeletsim.base.timing import Clock
from kubeletsim.clients.cri import CRIClient
from kubeletsim.config.kubelet_flags import KubeletFlags
from kubeletsim.model.events import EventRecorder, ObjectReference
from kubeletsim.pods.requests import NodeFacts

if TYPE_CHECKING:
    from kubeletsim.config.schema.kubelet import KubeletConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """One node's configuration, runtime and instruments."""

    config: "KubeletConfiguration"
    flags: KubeletFlags
    gates: frozenset[str]
    """The feature gates that are on."""
    facts: NodeFacts
    runtime: CRIClient
    runtime_name: str
    telemetry: Telemetry
    registry: CollectorRegistry
    record: EventRecorder
    reference: ObjectReference
    """The node, as its events name it."""
    clock: Clock
    rng: random.Random
    seed: str
    """What chance is drawn from where a run is to be like the last one."""
    images: ImageParts

    @property
    def log_links_dir(self) -> Path:
        """Where each container's log has a link by pod and container: beside podLogsDir.

        By default that is /var/log/containers, where upstream puts them wherever the logs themselves are. A node that
        keeps its logs elsewhere, perhaps beside a kubelet, keeps out of that directory.
        """
        return Path(self.config.podLogsDir).parent / "containers"
