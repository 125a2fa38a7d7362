"""Telemetry: from `tracing:` of a configuration plus the environment to spans at an OTLP receiver.

`provider` is what others use; `environment` reads the OTEL_* variables, `sampling` decides about roots, `recording`
makes spans. `pipeline` keeps those that ended, as `encoding` writes them, until `exporter` has sent them; `counters`
tells what became of them. Counterpart upstream: staging/src/k8s.io/component-base/tracing.
"""

from kubeletsim.base.telemetry.counters import SpanCounters
from kubeletsim.base.telemetry.environment import TelemetrySettingsError
from kubeletsim.base.telemetry.provider import Telemetry, TracingSettings, open_telemetry

__all__ = ["SpanCounters", "Telemetry", "TelemetrySettingsError", "TracingSettings", "open_telemetry"]
