"""What is held of each container, by kind of probe; whoever cares is told of each change.

Upstream: pkg/kubelet/prober/results/results_manager.go, of which there are three.
"""

from collections.abc import Callable
from dataclasses import dataclass

from kubeletsim.model.runtime import ContainerID, PodUID
from kubeletsim.pods.actions import ProbeResults
from kubeletsim.pods.probes.rules import ProbeKind, ProbeResult


@dataclass(frozen=True, slots=True)
class ProbeUpdate:
    """What is held of a container has changed, or is held for the first time."""

    kind: ProbeKind
    uid: PodUID
    container_id: ContainerID
    result: ProbeResult


class ResultStore:
    """Keeps results.

    Args:
        publish: told of each change; returns at once.
    """

    def __init__(self, publish: Callable[[ProbeUpdate], None]) -> None:
        self._publish = publish
        self._results: dict[tuple[ProbeKind, ContainerID], tuple[PodUID, ProbeResult]] = {}

    def get(self, kind: ProbeKind, container_id: ContainerID) -> ProbeResult | None:
        """Return what is held of a container; None for nothing yet."""
        kept = self._results.get((kind, container_id))
        return kept[1] if kept is not None else None

    def set(self, kind: ProbeKind, container_id: ContainerID, result: ProbeResult, *, uid: PodUID) -> None:
        """Hold something of a container."""
        changed = self.get(kind, container_id) is not result
        self._results[kind, container_id] = (uid, result)
        if changed:
            self._publish(ProbeUpdate(kind, uid, container_id, result))

    def remove(self, kind: ProbeKind, container_id: ContainerID) -> None:
        """Forget a container; that is no news for anybody."""
        self._results.pop((kind, container_id), None)

    def of_pod(self, uid: PodUID) -> ProbeResults:
        """Return what a sync has to know of a pod's containers."""

        def having(kind: ProbeKind, result: ProbeResult) -> frozenset[ContainerID]:
            return frozenset(
                container_id
                for (one, container_id), (owner, held) in self._results.items()
                if owner == uid and one is kind and held is result
            )

        return ProbeResults(
            liveness_failed=having(ProbeKind.LIVENESS, ProbeResult.FAILURE),
            startup_failed=having(ProbeKind.STARTUP, ProbeResult.FAILURE),
            startup_succeeded=having(ProbeKind.STARTUP, ProbeResult.SUCCESS),
        )
