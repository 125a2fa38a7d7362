"""The multiplexer's rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.server.routes import GET, Redirect, Route, RouteTable, clean_path, fits, metric_bucket, service


async def nothing(_request):
    raise AssertionError


TABLE = RouteTable(
    [
        Route(prefix="/pods", handler=nothing),
        Route(prefix="/pods/", handler=nothing),
        Route(prefix="/debug/", handler=nothing),
        Route(prefix="/debug/pprof/", handler=nothing),
        Route(prefix="/metrics", handler=nothing),
    ]
)


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("/pods", "/pods"),
        ("/pods/", "/pods/"),
        ("/pods/a/b", "/pods/"),
        ("/debug/x", "/debug/"),
        ("/debug/pprof/heap", "/debug/pprof/"),
        ("/metrics", "/metrics"),
    ],
)
def test_the_longest_prefix_wins(path, prefix):
    assert TABLE.match(path).prefix == prefix


@pytest.mark.parametrize("path", ["/", "/podsx", "/metrics/", "/metrics/slis", "/Pods"])
def test_what_no_prefix_fits_does_not_exist(path):
    assert TABLE.match(path) is None


def test_a_prefix_without_its_slash_is_a_redirect():
    assert TABLE.match("/debug") == Redirect("/debug/")


@pytest.mark.parametrize(
    ("path", "clean"),
    [("//pods", "/pods"), ("/pods/../metrics", "/metrics"), ("/nothing//", "/nothing/"), ("/./", "/"), ("", "/")],
)
def test_a_path_with_empty_segments_or_dots_is_a_redirect_to_a_clean_one(path, clean):
    assert TABLE.match(path) == Redirect(clean)


@given(st.text("/.ab", max_size=12))
def test_a_clean_path_stays_as_it_is(path):
    assert clean_path(clean_path(path)) == clean_path(path)


@pytest.mark.parametrize(
    ("path", "template", "does"),
    [
        ("/exec/ns/pod/app", "/exec/{podNamespace}/{podID}/{containerName}", True),
        ("/exec/ns/pod/app/", "/exec/{podNamespace}/{podID}/{containerName}", True),
        ("/exec/ns/pod", "/exec/{podNamespace}/{podID}/{containerName}", False),
        ("/run/ns/pod/app", "/exec/{podNamespace}/{podID}/{containerName}", False),
        ("/logs/a/b", "/logs/{logpath:*}", True),
        ("/logs/", "/logs/{logpath:*}", True),
        ("/pods", "/pods/", True),
        ("/pods/web", "/pods/", False),
    ],
)
def test_a_template_fits_by_its_segments(path, template, does):
    assert fits(path, template) is does


def test_a_service_is_known_with_and_without_a_slash_and_names_the_template_that_fits():
    routes = service("/exec", "{a}/{b}", "{a}/{b}/{c}", methods=GET, handler=nothing)

    assert [route.prefix for route in routes] == ["/exec", "/exec/"]
    assert [routes[1].template(path) for path in ("/exec/1/2", "/exec/1/2/3", "/exec/1", "/exec")] == [
        "/exec/{a}/{b}",
        "/exec/{a}/{b}/{c}",
        None,
        None,
    ]
    assert [routes[1].name(path, method="GET") for path in ("/exec/1/2", "/exec/1")] == ["/exec/{a}/{b}", "/exec/"]
    assert routes[1].name("/exec/1/2", method="PUT") == "/exec/"
    assert [route.prefix for route in service("/runningpods/", methods=GET, handler=nothing)] == ["/runningpods/"]
    assert service("/pods", methods=GET, handler=nothing)[0].template("/pods") == "/pods/"


@pytest.mark.parametrize(
    ("path", "bucket"),
    [("/pods/a/b", "pods"), ("/metrics", "metrics"), ("/metrics/slis", "other"), ("/nothing", "other"), ("/", "other")],
)
def test_labels_come_from_the_table_and_never_from_the_caller(path, bucket):
    assert TABLE.bucket(path) == bucket


def test_metrics_paths_keep_their_second_segment():
    assert metric_bucket("/metrics/cadvisor/x") == "metrics/cadvisor"
