"""What each endpoint answers."""

import json

from lightkube.models.core_v1 import Pod
from prometheus_client import Counter

from kubeletsim.model.requests import ContainerConfig, ImageSpec, SandboxConfig
from kubeletsim.model.runtime import PodUID
from kubeletsim.server.settings import HandlerSettings


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


async def test_a_condition_says_that_it_was_never_probed(host):
    conditions = [{"type": "Ready", "status": "True"}]
    host.pods = [Pod.from_dict({"metadata": {"name": "web"}, "status": {"conditions": conditions}})]
    async with host.serve() as client:
        answer = await client.ask("/pods")

    assert json.loads(answer.text)["items"][0]["status"]["conditions"][0]["lastProbeTime"] is None


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
            "spec": {"containers": [{"name": "app", "image": "docker.io/library/nginx:1.27", "resources": {}}]},
            "status": {},
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


async def test_metrics_are_in_prometheus_text_format_whatever_is_asked_for(host):
    Counter("kubelet_started_pods", "Pods", registry=host.registry).inc()
    async with host.serve() as client:
        answer = await client.ask("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})

    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    assert "# HELP kubelet_started_pods_total [ALPHA] Pods\n" in answer.text
    assert "kubelet_started_pods_total 1.0" in answer.text


async def test_health_checks_are_counted_until_the_counts_are_reset(host):
    async with host.serve() as client:
        await client.ask("/healthz?exclude=log")
        counted = (await client.ask("/metrics/slis")).text
        reset = await client.ask("/metrics/slis", method="DELETE")
        after = (await client.ask("/metrics/slis")).text

    assert "# HELP kubernetes_healthcheck [STABLE] This metric records the result of a single healthcheck." in counted
    assert 'kubernetes_healthchecks_total{name="ping",status="success",type="healthz"} 1.0' in counted
    assert 'name="log"' not in counted
    assert (reset.status, reset.text, after) == (200, "metrics reset\n", "")


async def test_the_metrics_of_probes_have_an_endpoint_of_their_own(host):
    Counter("prober_probe", "Probes", registry=host.probe_registry).inc()
    async with host.serve() as client:
        probes, others = await client.ask("/metrics/probes"), await client.ask("/metrics")

    assert "prober_probe_total 1.0" in probes.text
    assert "prober_probe_total" not in others.text


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
