"""The sizes of images as the label of a metric."""

_MEGA, _GIGA = 1024**2, 1024**3
_STEPS_GB = ((1, 5), (5, 10), (10, 20), (20, 30), (30, 40), (40, 60), (60, 100))


def size_bucket(size_bytes: int) -> str:
    """Return the label of an image's size in kubelet_image_pull_duration_seconds (pkg/kubelet/metrics/metrics.go)."""
    if size_bytes <= 0:
        return "N/A"
    steps = [(10 * _MEGA, "0-10MB"), (100 * _MEGA, "10MB-100MB"), (500 * _MEGA, "100MB-500MB"), (_GIGA, "500MB-1GB")]
    steps += [(high * _GIGA, f"{low}GB-{high}GB") for low, high in _STEPS_GB]
    return next((name for high, name in steps if size_bytes < high), "GT100GB")
