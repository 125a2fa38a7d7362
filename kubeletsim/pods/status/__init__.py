"""The status of a pod: phase, conditions, containers, addresses; computed from spec, runtime and what was before."""

from kubeletsim.pods.status.compute import DEADLINE_REASON, compute_pod_status, failed_status, is_past_deadline
from kubeletsim.pods.status.containers import ProbeView, WaitingReason
from kubeletsim.pods.status.finished import finished_status
from kubeletsim.pods.status.phase import TERMINAL_PHASES, Phase
from kubeletsim.pods.status.probed import with_ready, with_sandbox, with_started
from kubeletsim.pods.status.restarting import is_marked_to_restart_all

__all__ = [
    "DEADLINE_REASON",
    "TERMINAL_PHASES",
    "Phase",
    "ProbeView",
    "WaitingReason",
    "compute_pod_status",
    "failed_status",
    "finished_status",
    "is_marked_to_restart_all",
    "is_past_deadline",
    "with_ready",
    "with_sandbox",
    "with_started",
]
