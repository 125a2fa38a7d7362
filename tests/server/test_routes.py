"""The multiplexer's rules."""

import pytest

from kubeletsim.server.routes import Redirect, Route, RouteTable, metric_bucket


async def nothing(_request):
    raise AssertionError


TABLE = RouteTable(
    [
        Route(prefix="/pods", template="exact", handler=nothing),
        Route(prefix="/pods/", template="below", handler=nothing),
        Route(prefix="/debug/", template="debug", handler=nothing),
        Route(prefix="/debug/pprof/", template="pprof", handler=nothing),
        Route(prefix="/metrics", template="metrics", handler=nothing),
    ]
)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/pods", "exact"),
        ("/pods/", "below"),
        ("/pods/a/b", "below"),
        ("/debug/x", "debug"),
        ("/debug/pprof/heap", "pprof"),
        ("/metrics", "metrics"),
    ],
)
def test_the_longest_prefix_wins(path, template):
    assert TABLE.match(path).template == template


@pytest.mark.parametrize("path", ["/", "", "/podsx", "/metrics/", "/metrics/slis", "/Pods"])
def test_what_no_prefix_fits_does_not_exist(path):
    assert TABLE.match(path) is None


def test_a_prefix_without_its_slash_is_a_redirect():
    assert TABLE.match("/debug") == Redirect("/debug/")


@pytest.mark.parametrize(
    ("path", "bucket"),
    [("/pods/a/b", "pods"), ("/metrics", "metrics"), ("/metrics/slis", "other"), ("/nothing", "other"), ("/", "other")],
)
def test_labels_come_from_the_table_and_never_from_the_caller(path, bucket):
    assert TABLE.bucket(path) == bucket


def test_metrics_paths_keep_their_second_segment():
    assert metric_bucket("/metrics/cadvisor/x") == "metrics/cadvisor"
