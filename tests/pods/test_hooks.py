"""Claims about lifecycle hooks: when they run, what they may take, and what their failure does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.errors import KubeletSimError
from kubeletsim.model.events import Event
from kubeletsim.model.pod import regular_containers
from kubeletsim.model.runtime import ContainerID, ExecResult
from kubeletsim.pleg.reader import RuntimeReader
from kubeletsim.pods.hooks import HookFailure, HookRunner
from tests.fakes.pods import container, make_pod
from tests.fakes.runtime import FakeRuntime, Life
from tests.pods.node import Node

START = ["ImageStatus", "ImageStatus", "CreateContainer", "StartContainer"]


def hooked(name: str = "app", **hooks: dict[str, Any]) -> dict[str, Any]:
    return container(name, lifecycle=hooks)


def run_in(*command: str) -> dict[str, Any]:
    return {"exec": {"command": list(command)}}


@pytest.mark.looptime
async def test_a_post_start_hook_holds_up_the_next_container(node: Node) -> None:
    node.runtime.latencies["ExecSync"] = 3

    await node.sync_once(make_pod(hooked("a", postStart=run_in("warm", "up")), container("b")))

    names = node.runtime.names(ignoring=("Version",))
    assert names == ["RunPodSandbox", "PodSandboxStatus", *START, "ExecSync", *START]
    (call,) = [call for call in node.runtime.calls if call.rpc == "ExecSync"]
    assert (call.args["command"], call.args["timeout_seconds"]) == (("warm", "up"), 0)
    assert node.runtime.calls[-1].at == 3


@pytest.mark.looptime
async def test_a_failed_post_start_hook_kills_the_container_and_shows_in_its_status(node: Node) -> None:
    node.runtime.exec_results["warm",] = ExecResult(stdout=b"out", stderr=b"cold", exit_code=1)
    pod = make_pod(hooked("app", postStart=run_in("warm"), preStop=run_in("cool")))

    with pytest.raises(KubeletSimError, match='failed to "StartContainer" for "app" with PostStartHookError') as caught:
        await node.sync_once(pod)

    assert "error: command 'warm' exited with 1: cold, message: " in str(caught.value)
    assert node.runtime.names()[-3:] == ["ExecSync", "ExecSync", "StopContainer"]
    assert [(event.reason, event.message) for event in node.events[-2:]] == [
        ("FailedPostStartHook", "PostStartHook failed"),
        ("Killing", "FailedPostStartHook"),
    ]
    assert node.metric("started_containers_errors_total", container_type="container", code="PostStartHookError") == 1

    node.runtime.exec_results.clear()
    await node.sync_once(pod)  # the first restart is free
    assert [one.attempt for one in node.runtime.running()] == [1]


@pytest.mark.looptime
async def test_a_pre_stop_hooks_time_counts_against_the_grace_period(node: Node) -> None:
    pod = make_pod(hooked(preStop={"sleep": {"seconds": 4}}), terminationGracePeriodSeconds=10)
    node.runtime.lives["app"] = Life(stops_after_seconds=None)
    await node.sync_once(pod)

    await node.terminate_once(pod)

    (stop,) = [call for call in node.runtime.calls if call.rpc == "StopContainer"]
    assert (stop.at, stop.args["timeout_seconds"]) == (4, 6)


@pytest.mark.looptime
async def test_a_pre_stop_hook_that_takes_too_long_does_not_keep_the_container_from_being_stopped(node: Node) -> None:
    pod = make_pod(hooked(preStop=run_in("linger")), terminationGracePeriodSeconds=5)
    await node.sync_once(pod)
    node.runtime.hangs.add("ExecSync")
    before = asyncio.all_tasks()

    await node.terminate_once(pod)

    (stop,) = [call for call in node.runtime.calls if call.rpc == "StopContainer"]
    assert (stop.at, stop.args["timeout_seconds"]) == (5, 2)
    assert node.runtime.running() == []
    assert asyncio.all_tasks() == before


@pytest.mark.looptime
async def test_a_sleep_that_is_cut_short_by_its_containers_end_is_counted(node: Node) -> None:
    pod = make_pod(hooked(preStop={"sleep": {"seconds": 60}}), terminationGracePeriodSeconds=5)
    await node.sync_once(pod)

    await node.terminate_once(pod)

    assert node.metric("sleep_action_terminated_early_total") == 1


@pytest.mark.looptime
async def test_a_failed_pre_stop_hook_is_told_and_the_stop_goes_on(node: Node) -> None:
    pod = make_pod(hooked(preStop=run_in("cool")))
    await node.sync_once(pod)
    node.runtime.fail("ExecSync", "no shell")

    await node.terminate_once(pod)

    assert [(event.reason, event.message) for event in node.events if event.type == "Warning"] == [
        ("FailedPreStopHook", "PreStopHook failed")
    ]
    assert node.runtime.running() == []


@pytest.mark.looptime
async def test_hooks_calls_are_children_of_the_syncs_span(node: Node) -> None:
    pod = make_pod(hooked(postStart=run_in("warm"), preStop=run_in("cool")))

    await node.sync_once(pod)
    await node.terminate_once(pod)

    spans = {span.context.span_id: span.name for span in node.exporter.get_finished_spans()}
    execs = [span for span in node.exporter.get_finished_spans() if span.name.endswith("/ExecSync")]
    assert [spans[span.parent.span_id] for span in execs if span.parent] == ["syncPod", "syncTerminatingPod"]


@pytest.mark.looptime
async def test_an_http_hook_without_a_host_asks_the_runtime_for_the_pods_address(node: Node) -> None:
    pod = make_pod(hooked(postStart={"httpGet": {"path": "/", "port": 80}}))  # on the host's network: none to be had

    with pytest.raises(KubeletSimError, match=r"PostStartHookError.*failed to find networking container"):
        await node.sync_once(pod)

    asked = node.runtime.names()[node.runtime.names().index("StartContainer") + 1 :]
    assert asked == ["ListPodSandbox", "ListContainers", "PodSandboxStatus", "ContainerStatus", "StopContainer"]


class Server:
    """An HTTP server of one kind of answer, and what it was asked."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.requests: list[web.BaseRequest] = []
        self.port = 0

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.requests.append(request)
        return web.Response(status=self.status)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server(500)
    runner = web.ServerRunner(web.Server(made.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


class Hooks:
    """A hook runner on its own."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.registry = CollectorRegistry()
        runtime = FakeRuntime()
        self.runner = HookRunner(
            runtime,
            observe=RuntimeReader(runtime, clock=LoopClock()).observe,
            record=self.events.append,
            registry=self.registry,
        )

    async def get(self, **action: Any) -> None:
        pod = make_pod(hooked(postStart={"httpGet": {"host": "127.0.0.1", **action}}))
        await self.runner.post_start(pod, regular_containers(pod)[0], ContainerID("app"))


async def test_any_answer_to_an_http_hook_is_good(server: Server) -> None:
    await Hooks().get(port=server.port, path="/warm")

    (request,) = server.requests
    assert request.path == "/warm"
    assert request.headers["User-Agent"] == "kube-lifecycle/1.36"


async def test_nobody_there_fails_an_http_hook(server: Server) -> None:
    with pytest.raises(HookFailure, match=r"HTTP lifecycle hook \(/\) for Container \"app\".*strconv.Atoi"):
        await Hooks().get(port="nosuch", path="/")


async def test_an_https_hook_that_is_answered_in_clear_is_repeated_in_clear_without_its_secrets(server: Server) -> None:
    hooks = Hooks()

    await hooks.get(
        port=server.port, path="/", scheme="HTTPS", httpHeaders=[{"name": "Authorization", "value": "Bearer x"}]
    )

    assert "Authorization" not in server.requests[-1].headers
    assert [event.reason for event in hooks.events] == ["LifecycleHTTPFallback"]
    assert hooks.registry.get_sample_value("kubelet_lifecycle_handler_http_fallbacks_total") == 1
