"""The servers from outside: what each address and path answers, and to whom."""

import asyncio
import json
import socket
from dataclasses import replace

import aiohttp
import pytest
from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry, Counter

from kubeletsim.model.errors import StartupError
from kubeletsim.model.requests import ContainerConfig, ImageSpec, SandboxConfig
from kubeletsim.model.runtime import PodUID
from kubeletsim.server.auth import AuthSettings
from kubeletsim.server.endpoints import HandlerSettings
from tests.server.lab import OPEN, Authority, trusting


async def run_pod(cri, name: str, *, image: str = "busybox") -> None:
    sandbox = SandboxConfig(name=name, namespace="default", uid=PodUID(f"uid-{name}"))
    sandbox_id = await cri.run_pod_sandbox(sandbox)
    container = ContainerConfig(
        name="app",
        image=ImageSpec(image=image, user_specified_image=image),
        labels={
            "io.kubernetes.pod.name": name,
            "io.kubernetes.pod.namespace": "default",
            "io.kubernetes.pod.uid": f"uid-{name}",
        },
    )
    await cri.start_container(await cri.create_container(sandbox_id, container, sandbox))


async def test_pods_are_a_pod_list_with_and_without_a_slash(host):
    host.pods = [Pod.from_dict({"metadata": {"name": "web", "uid": "u"}, "status": {"phase": "Running"}})]
    async with host.serve() as client:
        answers = [await client.ask(path) for path in ("/pods", "/pods/")]

    assert answers[0].text == answers[1].text
    assert answers[0].headers["Content-Type"] == "application/json"
    assert json.loads(answers[0].text) == {
        "kind": "PodList",
        "apiVersion": "v1",
        "metadata": {},
        "items": [{"metadata": {"name": "web", "uid": "u"}, "status": {"phase": "Running"}}],
    }


async def test_no_pods_are_null_as_a_kubelet_says_it(host):
    async with host.serve() as client:
        answer = await client.ask("/pods")

    assert json.loads(answer.text)["items"] is None


async def test_running_pods_come_from_the_runtime_with_name_and_image_of_each_container(host):
    await run_pod(host.cri, "web", image="docker.io/library/nginx:1.27")
    async with host.serve() as client:
        answer = await client.ask("/runningpods/")

    assert json.loads(answer.text)["items"] == [
        {
            "metadata": {"name": "web", "namespace": "default", "uid": "uid-web"},
            "spec": {"containers": [{"name": "app", "image": "docker.io/library/nginx:1.27"}]},
        }
    ]
    assert host.cri.names()[-2:] == ["ListPodSandbox", "ListContainers"]


async def test_a_runtime_that_fails_is_a_500_with_its_words(host):
    host.cri.fail("ListPodSandbox", "no answer")
    async with host.serve() as client:
        answer = await client.ask("/runningpods/")

    assert (answer.status, answer.text) == (500, "rpc error: code = Unknown desc = no answer")


async def test_configz_wraps_the_configuration(host):
    async with host.serve() as client:
        answer = await client.ask("/configz")

    assert json.loads(answer.text) == {"kubeletconfig": {"kind": "KubeletConfiguration", "syncFrequency": "1m0s"}}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", "application/openmetrics-text"),
    ],
    ids=["plain", "openmetrics"],
)
async def test_metrics_speak_what_is_asked_for_and_no_created_series(host, accept, content_type):
    Counter("kubelet_started_pods", "Pods", registry=host.registry).inc()
    async with host.serve() as client:
        answer = await client.ask("/metrics", headers={"Accept": accept})

    assert answer.headers["Content-Type"].startswith(content_type)
    assert "kubelet_started_pods_total 1.0" in answer.text
    assert "_created" not in answer.text


async def test_requests_are_counted_refused_and_unknown_ones_too(host):
    auth = replace(OPEN, anonymous=False)
    async with host.serve(host.settings(auth=auth)) as client:
        await client.ask("/pods")
        await client.ask("/no/such/path")
        await client.ask("/healthz/ping", method="PATCH")

    def count(method: str, path: str) -> float | None:
        labels = {"method": method, "path": path, "server_type": "readwrite", "long_running": "false"}
        return host.registry.get_sample_value("kubelet_http_requests_total", labels)

    assert [count("GET", "pods"), count("GET", "other"), count("other", "healthz")] == [1, 1, 1]
    inflight = [m for m in host.registry.collect() if m.name == "kubelet_http_inflight_requests"]
    assert {sample.value for sample in inflight[0].samples} == {0}


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/nothing", 404, "404 page not found\n"),
        ("GET", "/healthz/nothing", 404, "404 page not found\n"),
        ("GET", "/pods/web", 404, "404: Page Not Found"),
        ("POST", "/pods", 405, "405: Method Not Allowed"),
        ("POST", "/healthz", 200, "ok"),
    ],
)
async def test_unknown_paths_and_methods_are_told_apart_as_upstream_does(host, method, path, status, body):
    async with host.serve() as client:
        answer = await client.ask(path, method=method)

    assert (answer.status, answer.text) == (status, body)


async def test_running_pods_without_its_slash_is_sent_there(host):
    async with host.serve() as client:
        answer = await client.ask("/runningpods?x=1")

    assert (answer.status, answer.headers["Location"]) == (301, "/runningpods/?x=1")


async def test_without_debugging_handlers_the_debug_paths_say_so_and_configz_is_gone(host):
    settings = host.settings(handlers=HandlerSettings(debugging=False))
    async with host.serve(settings) as client:
        disabled = [await client.ask(path) for path in ("/exec/default/web/app", "/runningpods/", "/logs/")]
        gone = await client.ask("/configz")
        kept = await client.ask("/pods")

    assert {(answer.status, answer.text) for answer in disabled} == {(405, "Debug endpoints are disabled.\n")}
    assert gone.status == 404
    assert kept.status == 200


async def test_single_handlers_can_be_turned_off_by_themselves(host):
    handlers = HandlerSettings(system_log=False, profiling=False, debug_flags=False)
    async with host.serve(host.settings(handlers=handlers)) as client:
        answers = [await client.ask(path, method="PUT") for path in ("/logs/x", "/debug/pprof/heap", "/debug/flags/v")]

    assert [(answer.status, answer.text) for answer in answers] == [
        (405, "logs endpoint is disabled.\n"),
        (405, "profiling endpoint is disabled.\n"),
        (405, "flags endpoint is disabled.\n"),
    ]


async def test_nobody_gets_in_without_credentials_unless_anonymous_callers_may(host):
    async with host.serve(host.settings(auth=replace(OPEN, anonymous=False))) as client:
        refused = await client.ask("/pods")
        unknown = await client.ask("/nothing")
    host.registry = CollectorRegistry()
    async with host.serve() as client:
        allowed = await client.ask("/pods")

    assert (refused.status, refused.text) == (401, "Unauthorized")
    assert "WWW-Authenticate" not in refused.headers
    assert unknown.status == 404
    assert allowed.status == 200


async def test_a_client_certificate_of_the_ca_is_a_user_with_groups(host, authority):
    class OnlyProxy:
        async def allows(self, attributes):
            asked.append(attributes)
            return attributes.subresource == "proxy"

    asked = []
    auth = AuthSettings(client_ca_file=str(authority.ca), webhook_authentication=False, authorization_mode="Webhook")
    admin = authority.issue("admin", groups=("system:masters", "ops"))
    async with host.serve(host.settings(auth=auth), webhook_authorizer=OnlyProxy()) as client:
        allowed = await client.ask("/pods", pair=admin)
        denied = await client.ask("/metrics", pair=admin)
        nobody = await client.ask("/pods")

    first = asked[0]
    assert (first.user.name, first.user.groups) == ("admin", ("system:masters", "ops", "system:authenticated"))
    assert (first.verb, first.node_name, first.subresource) == ("get", "node-1", "pods")
    assert allowed.status == 200
    assert (denied.status, denied.text) == (
        403,
        "Forbidden (user=admin, verb=get, resource=nodes, subresource(s)=[metrics])\n",
    )
    assert nobody.status == 401


async def test_a_certificate_of_another_ca_does_not_get_through_the_handshake_even_where_anybody_may_ask(
    host, authority, tmp_path
):
    stranger = Authority(tmp_path / "other", "other-ca").issue("admin")
    auth = replace(OPEN, client_ca_file=str(authority.ca))
    async with host.serve(host.settings(auth=auth)) as client:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await client.ask("/pods", pair=stranger)
        assert (await client.ask("/pods")).status == 200


async def test_a_certificate_without_a_name_counts_as_none(host, authority):
    auth = replace(OPEN, anonymous=False, client_ca_file=str(authority.ca))
    async with host.serve(host.settings(auth=auth)) as client:
        answer = await client.ask("/pods", pair=authority.issue("", groups=("somebody",)))

    assert answer.status == 401


async def test_the_read_only_server_asks_for_no_credentials_and_has_no_debug_paths(host, free_port):
    settings = host.settings(auth=replace(OPEN, anonymous=False), read_only_port=free_port())
    async with host.serve(settings) as client:
        answers = [
            await client.ask(p, listener="read_only") for p in ("/pods", "/healthz", "/runningpods/", "/configz")
        ]

    assert [answer.status for answer in answers] == [200, 200, 405, 404]


async def test_the_health_server_knows_two_paths_and_nothing_of_the_sync_loop(host, free_port):
    host.last_sync_loop = -100_000.0
    async with host.serve(host.settings(healthz_port=free_port())) as client:
        paths = ("/healthz", "/healthz/ping", "/healthz/syncloop", "/pods")
        answers = [await client.ask(path, listener="healthz") for path in paths]
        ours = await client.ask("/healthz")

    assert [(answer.status, answer.text) for answer in answers[:2]] == [(200, "ok")] * 2
    assert [answer.status for answer in answers[2:]] == [404, 404]
    assert ours.status == 500


async def test_a_disabled_server_leaves_the_health_server_alone(host, free_port):
    settings = host.settings(
        enable_server=False, read_only_port=free_port(), healthz_port=free_port(), auth=AuthSettings()
    )
    async with host.serve(settings) as client:
        assert client.server.https is None
        assert client.server.read_only is None
        assert (await client.ask("/healthz", listener="healthz")).text == "ok"


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("port", "address, port"),
        ("read_only_port", "address, readOnlyPort"),
        ("healthz_port", "healthzBindAddress, healthzPort"),
    ],
)
async def test_a_port_in_use_is_one_line_that_names_the_field_and_leaves_no_socket_open(host, field, shown):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError) as caught:
            async with host.serve(host.settings(**{field: port})):
                pass

    assert str(caught.value) == f"{shown}: cannot listen on 127.0.0.1:{port}: address already in use"


async def test_an_address_of_another_machine_is_one_line(host):
    with pytest.raises(StartupError, match=r"^address, port: cannot listen on 203\.0\.113\.1:0: "):
        async with host.serve(host.settings(address="203.0.113.1")):
            pass


async def test_webhooks_without_an_api_server_are_refused_line_by_line(host):
    with pytest.raises(StartupError) as caught:
        async with host.serve(host.settings(auth=AuthSettings())):
            pass

    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["authentication.webhook.enabled", "authorization.mode"]
    assert "no client provided, cannot use webhook authentication" in lines[0]
    assert "no client provided, cannot use webhook authorization" in lines[1]


async def test_closing_ends_every_connection_and_leaves_no_task(host):
    before = asyncio.all_tasks()
    async with host.server() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.https.port, ssl=trusting())
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        port = server.https.port
    await reader.read()
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)

    assert asyncio.all_tasks() == before


async def test_a_handler_with_a_bug_is_a_500_and_the_server_lives(host, caplog):
    host.pods = [object()]
    async with host.serve() as client:
        broken = await client.ask("/pods")
        host.pods = []
        fine = await client.ask("/pods")

    assert (broken.status, fine.status) == (500, 200)
    assert "Traceback" not in broken.text
    assert "GET /pods failed" in caplog.text


async def test_two_nodes_live_in_one_process(host):
    async with host.serve() as first:
        host.registry = CollectorRegistry()
        async with host.serve() as second:
            assert first.server.https.port != second.server.https.port
            assert (await first.ask("/healthz")).text == (await second.ask("/healthz")).text == "ok"


async def test_a_client_that_speaks_no_http_is_one_line_in_the_log_and_harms_nobody(host, free_port, caplog):
    async with host.serve(host.settings(read_only_port=free_port())) as client:
        for sent in (
            b"\x16\x03\x01garbage\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 2_000_000 + b"\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", client.server.read_only.port)
            writer.write(sent)
            assert b" 400 " in await reader.readline()
            writer.close()
        assert (await client.ask("/healthz")).text == "ok"

    assert not any(record.exc_info for record in caplog.records)
    assert "LineTooLong" in caplog.text


async def test_a_caller_who_leaves_before_the_answer_leaves_nothing_behind(host):
    host.cri.latencies["ListPodSandbox"] = 0.05
    async with host.serve() as client:
        _, writer = await asyncio.open_connection("127.0.0.1", client.server.https.port, ssl=trusting())
        writer.write(b"GET /runningpods/ HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
        writer.transport.abort()
        assert (await client.ask("/runningpods/")).status == 200

    inflight = [m for m in host.registry.collect() if m.name == "kubelet_http_inflight_requests"]
    assert {sample.value for sample in inflight[0].samples} == {0}
