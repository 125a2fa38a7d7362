"""Claims about metrics as text."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kubeletsim.server.exposition import Exposition


def text_of(registry: CollectorRegistry) -> str:
    return Exposition(registry).text().decode()


def test_families_are_in_order_marked_with_their_stability_and_without_created_series() -> None:
    registry = CollectorRegistry()
    Histogram("prober_probe_duration_seconds", "How long.", buckets=[1], registry=registry).observe(2)
    Counter("prober_probe_total", "Probes.", registry=registry).inc()
    Gauge("kubelet_running_pods", "Pods.", registry=registry).set(3)
    Gauge("ours", "Of our own.", registry=registry).set(1)

    assert text_of(registry).splitlines() == [
        "# HELP kubelet_running_pods [ALPHA] Pods.",
        "# TYPE kubelet_running_pods gauge",
        "kubelet_running_pods 3.0",
        "# HELP ours Of our own.",
        "# TYPE ours gauge",
        "ours 1.0",
        "# HELP prober_probe_duration_seconds [ALPHA] How long.",
        "# TYPE prober_probe_duration_seconds histogram",
        'prober_probe_duration_seconds_bucket{le="1.0"} 0.0',
        'prober_probe_duration_seconds_bucket{le="+Inf"} 1.0',
        "prober_probe_duration_seconds_count 1.0",
        "prober_probe_duration_seconds_sum 2.0",
        "# HELP prober_probe_total [BETA] Probes.",
        "# TYPE prober_probe_total counter",
        "prober_probe_total 1.0",
    ]


def test_a_family_without_series_is_left_out() -> None:
    registry = CollectorRegistry()
    Counter("kubelet_admission_rejections_total", "Rejections.", ["reason"], registry=registry)

    assert text_of(registry) == ""


def test_a_counter_whose_name_has_no_total_is_one_nevertheless() -> None:
    registry = CollectorRegistry()
    Gauge("kubelet_pleg_discard_events", "Events.", registry=registry).inc()

    assert "# TYPE kubelet_pleg_discard_events counter\nkubelet_pleg_discard_events 1.0\n" in text_of(registry)
