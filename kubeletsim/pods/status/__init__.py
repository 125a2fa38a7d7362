"""The status of a pod: phase, conditions, containers, addresses; computed from spec, runtime and what was before."""

from kubeletsim.pods.status.compute import compute_pod_status, failed_status
from kubeletsim.pods.status.containers import ProbeView, WaitingReason
from kubeletsim.pods.status.phase import TERMINAL_PHASES, Phase

__all__ = ["TERMINAL_PHASES", "Phase", "ProbeView", "WaitingReason", "compute_pod_status", "failed_status"]
