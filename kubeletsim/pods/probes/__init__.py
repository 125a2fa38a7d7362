"""Probes: whether containers have started, live, and are ready, asked again and again."""

from kubeletsim.pods.probes.manager import ProbeManager
from kubeletsim.pods.probes.metrics import ProbeMetrics
from kubeletsim.pods.probes.prober import Prober
from kubeletsim.pods.probes.results import ProbeUpdate
from kubeletsim.pods.probes.rules import ProbeKind, ProbeResult

__all__ = ["ProbeKind", "ProbeManager", "ProbeMetrics", "ProbeResult", "ProbeUpdate", "Prober"]
