"""Claims about the sizes of images in metrics."""

import pytest

from kubeletsim.pods.images import size_bucket


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        (0, "N/A"),
        (1, "0-10MB"),
        (10 * 1024**2, "10MB-100MB"),
        (600 * 1024**2, "500MB-1GB"),
        (3 * 1024**3, "1GB-5GB"),
        (99 * 1024**3, "60GB-100GB"),
        (100 * 1024**3, "GT100GB"),
    ],
)
def test_sizes_fall_into_upstreams_buckets(size: int, bucket: str) -> None:
    assert size_bucket(size) == bucket
