"""A whole node in this process, on a runtime that answers over a real socket."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import yaml
from aiohttp import web

from kubeletsim.agent import node as node_module
from kubeletsim.agent.effective import Effective, read_effective
from kubeletsim.agent.events import log_event
from kubeletsim.agent.host import Host
from kubeletsim.agent.node import Node, Surroundings, node_facts
from kubeletsim.base.timing import SystemClock
from kubeletsim.cli.child import answers
from kubeletsim.model.errors import ConfigError, StartupError
from kubeletsim.model.events import Event, ObjectReference
from kubeletsim.model.runtime import CgroupDriver, RuntimeHandler, RuntimeStatus
from kubeletsim.pb import cri_pb2
from kubeletsim.pods.images import PullRecordFiles
from tests.fakes.cri_server import Failure, FakeCRI, serving, socket_directory
from tests.ports import free_port

READY = [cri_pb2.RuntimeCondition(type=name, status=True) for name in ("RuntimeReady", "NetworkReady")]
UNIMPLEMENTED = Failure(grpc.StatusCode.UNIMPLEMENTED, "unknown method")


def runtime(**answers: Any) -> FakeCRI:
    """A runtime that is well and holds nothing."""
    return FakeCRI(
        {
            "Version": cri_pb2.VersionResponse(
                version="0.1.0", runtime_name="fake", runtime_version="1", runtime_api_version="v1"
            ),
            "Status": cri_pb2.StatusResponse(status=cri_pb2.RuntimeStatus(conditions=READY)),
            "RunPodSandbox": Failure(grpc.StatusCode.UNKNOWN, "this runtime runs nothing"),
            **answers,
        }
    )


def effective(directory: Path, **fields: Any) -> Effective:
    """The configuration of a standalone node on loopback whose files are all below a directory."""
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "address": "127.0.0.1",
        "port": free_port(),
        "readOnlyPort": free_port(),
        "healthzPort": free_port(),
        "podLogsDir": str(directory / "logs"),
        "containerRuntimeEndpoint": f"unix://{directory}/cri.sock",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        **fields,
    }
    (directory / "kubelet.yaml").write_text(yaml.safe_dump(configuration))
    places = {"root-dir": "root", "cert-dir": "pki", "config": "kubelet.yaml"}
    return read_effective(
        [*(f"--{flag}={directory / name}" for flag, name in places.items()), "--hostname-override=Node-1"]
    )


def make_node(given: Effective, environ: Mapping[str, str] | None = None) -> Node:
    return Node(given, surroundings=Surroundings(clock=SystemClock(), rng=random.Random(1), environ=environ or {}))


@asynccontextmanager
async def living(given: Effective) -> AsyncIterator[Node]:
    """Run a node until the block ends; its servers answer when the block begins."""
    node = make_node(given)
    running = asyncio.create_task(node.run(), name="node")
    try:
        async with asyncio.timeout(120):
            while await get(given.config.healthzPort, "/healthz") != "ok":
                await asyncio.sleep(0.02)
                if running.done():
                    break
        if not running.done():
            yield node
    finally:
        running.cancel()
        await asyncio.wait([running], timeout=120)
    if not running.cancelled():
        running.result()


async def get(port: int, path: str) -> str:
    """GET over plain HTTP; empty while nobody answers."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return await answer.text()
        except aiohttp.ClientError:
            return ""


@pytest.fixture
async def directory() -> AsyncIterator[Path]:
    async with socket_directory() as path:
        yield path


def own_tasks() -> set[asyncio.Task[Any]]:
    """Return the tasks that run code of ours; the runtime's server in this process has tasks of its own."""
    return {
        task
        for task in asyncio.all_tasks()
        if "/kubeletsim/" in getattr(getattr(task.get_coro(), "cr_code", None), "co_filename", "")
    }


def ports(given: Effective) -> list[int]:
    config = given.config
    return [config.port, config.readOnlyPort, config.healthzPort]


async def test_a_node_asks_its_runtime_what_a_kubelet_asks_first(directory: Path):
    fake = runtime()
    async with serving(fake, directory / "cri.sock"), living(effective(directory, podCIDR="10.1.0.0/24")):
        pass

    first = ["Version", "ImageFsInfo", *["RuntimeConfig"] * 3, "Version", "UpdateRuntimeConfig", "Status"]
    assert fake.calls[: len(first)] == first
    assert fake.last("UpdateRuntimeConfig").request.runtime_config.network_config.pod_cidr == "10.1.0.0/24"


async def test_a_pull_that_the_last_run_did_not_finish_is_settled_before_anything_else(directory: Path):
    name = "docker.io/library/busybox:1"
    records = PullRecordFiles(directory / "root")
    records.make()
    records.write_intent(name)
    image = cri_pb2.Image(id="sha256:1", repo_tags=[name], size=1)
    fake = runtime(ListImages=cri_pb2.ListImagesResponse(images=[image]))

    async with serving(fake, directory / "cri.sock"), living(effective(directory)):
        pass

    assert fake.calls[5:8] == ["Version", "ListImages", "Status"]
    assert records.intents() == []
    assert [(record.image_ref, record.credentials) for record in records.all_pulled()] == [("sha256:1", {})]


async def test_a_resolver_file_with_too_many_domains_is_told(directory: Path):
    (directory / "resolv.conf").write_text(f"search {' '.join(f'd{number}' for number in range(33))}\n")
    given = effective(directory, resolvConf=str(directory / "resolv.conf"))

    async with serving(runtime(), directory / "cri.sock"), living(given):
        pass

    events = [json.loads(line) for line in (directory / "root" / "events.jsonl").read_text().splitlines()]
    (event,) = [event for event in events if event["reason"] == "CheckLimitsForResolvConf"]
    assert event["message"].endswith("contains search line consisting of more than 32 domains!")


async def test_a_node_without_a_pod_cidr_gives_the_runtime_none(directory: Path):
    fake = runtime()
    async with serving(fake, directory / "cri.sock"), living(effective(directory)):
        pass

    assert "UpdateRuntimeConfig" not in fake.calls


async def test_a_cancelled_node_leaves_no_task_and_no_listener(directory: Path):
    given = effective(directory)
    async with serving(runtime(), directory / "cri.sock"):
        async with living(given):
            assert {"pleg", "sync-loop", "pod-workers", "runtime-state"} <= {task.get_name() for task in own_tasks()}
            assert [await answers(("127.0.0.1", port)) for port in ports(given)] == [True] * 3

        assert own_tasks() == set()
        assert [await answers(("127.0.0.1", port)) for port in ports(given)] == [False] * 3


async def test_two_nodes_live_in_one_process(directory: Path):
    async with serving(runtime(), directory / "cri.sock"):
        one, two = effective(directory), effective(directory)
        async with living(one) as first, living(two) as second:
            assert first.registry is not second.registry
            assert 'node="node-1"' in await get(one.config.readOnlyPort, "/metrics")
            assert json.loads(await get(two.config.readOnlyPort, "/pods"))["items"] in (None, [])


async def test_pods_come_from_the_directory_and_from_the_url(directory: Path):
    def manifest(name: str) -> dict[str, Any]:
        spec = {"containers": [{"name": "app", "image": "web:1"}]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(manifest("from-url") if request.headers.get("X-Node") == "1" else {})

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (directory / "manifests").mkdir()
    (directory / "manifests" / "one.json").write_text(json.dumps(manifest("from-file")))
    given = effective(
        directory,
        staticPodPath=str(directory / "manifests"),
        staticPodURL=f"http://127.0.0.1:{runner.addresses[0][1]}/",
        staticPodURLHeader={"X-Node": ["1"]},
    )
    try:
        async with serving(runtime(), directory / "cri.sock"), living(given):
            pods: list[Any] = []
            async with asyncio.timeout(120):
                while len(pods) < 2:
                    await asyncio.sleep(0.05)
                    pods = json.loads(await get(given.config.readOnlyPort, "/pods"))["items"] or []
    finally:
        await runner.cleanup()

    sources = {pod["metadata"]["name"]: pod["metadata"]["annotations"]["kubernetes.io/config.source"] for pod in pods}
    assert sources == {"from-file-node-1": "file", "from-url-node-1": "http"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"Version": Failure(grpc.StatusCode.UNAVAILABLE, "not yet")}, "validate CRI v1 runtime API"),
        ({"ImageFsInfo": UNIMPLEMENTED}, "validate CRI v1 image API"),
    ],
    ids=["runtime", "image"],
)
async def test_a_runtime_that_is_none_ends_the_start(directory: Path, wrong: dict[str, Any], said: str):
    given = effective(directory)
    async with serving(runtime(**wrong), directory / "cri.sock"):
        with pytest.raises(StartupError, match=said):
            await make_node(given).run()

        assert own_tasks() == set()


async def test_an_old_runtime_leaves_the_configured_cgroup_driver(directory: Path, caplog: pytest.LogCaptureFixture):
    old = runtime(RuntimeConfig=UNIMPLEMENTED)
    async with serving(old, directory / "cri.sock"), living(effective(directory, cgroupDriver="systemd")):
        pass

    assert "cgroupDriver systemd of the configuration" in caplog.text


async def test_an_endpoint_that_cannot_be_dialled_names_its_field(directory: Path):
    with pytest.raises(ConfigError, match="containerRuntimeEndpoint"):
        await make_node(effective(directory, containerRuntimeEndpoint="ftp://nowhere")).run()


async def test_a_trace_setting_that_cannot_be_used_ends_the_start(directory: Path):
    given = effective(directory, tracing={"endpoint": "127.0.0.1:1", "samplingRatePerMillion": 1})
    with pytest.raises(StartupError, match=r"^tracing: .*/no/such/file"):
        await make_node(given, {"OTEL_EXPORTER_OTLP_CERTIFICATE": "/no/such/file"}).run()


async def test_a_part_that_ends_ends_the_node():
    async def ends() -> None:
        return

    async def goes_on() -> None:
        await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as failed:
        await node_module._run_all({"one": ends, "other": goes_on})
    assert [str(error) for error in failed.value.exceptions] == [
        "one ended, although it should run as long as the node does"
    ]


async def test_pods_learn_of_the_node_what_configuration_flags_and_machine_say(directory: Path):
    given = effective(
        directory, clusterDNS=["10.0.0.10"], clusterDomain="cluster.local", cpuCFSQuotaPeriod="50ms", resolvConf=""
    )
    host = Host(
        memory_bytes=1 << 30,
        cpus=4,
        storage_bytes=7,
        hugepage_sizes=("2MB",),
        cgroup_v2=False,
        has_swap_controller=True,
        thermal_paths=("/sys/cpu0",),
        selinux=True,
    )

    facts = node_facts(
        given.config,
        given.flags,
        host=host,
        name="node-1",
        ips=("192.0.2.1",),
        driver=CgroupDriver.SYSTEMD,
        status=RuntimeStatus(
            conditions=(),
            handlers=(RuntimeHandler(name="", recursive_read_only_mounts=True),),
            supplemental_groups_policy=True,
        ),
    )

    assert (facts.name, facts.host_ips, facts.cgroup_driver) == ("node-1", ("192.0.2.1",), CgroupDriver.SYSTEMD)
    assert (facts.root_dir, facts.pod_logs_dir) == (str(directory / "root"), str(directory / "logs"))
    assert (facts.cluster_dns, facts.cluster_domain, facts.resolv_conf) == (("10.0.0.10",), "cluster.local", None)
    assert (facts.memory_capacity_bytes, facts.cpu_capacity_milli) == (1 << 30, 4000)
    assert (facts.ephemeral_storage_capacity_bytes, facts.hugepage_sizes, facts.cgroup_v2) == (7, ("2MB",), False)
    assert facts.cpu_cfs_quota_period_us == 50_000
    assert (facts.has_swap_controller, facts.extra_masked_paths, facts.selinux_enabled) == (True, ("/sys/cpu0",), True)
    assert facts.recursive_read_only_mounts


def test_an_event_is_logged_in_the_kubelets_words(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    about = ObjectReference(kind="Pod", name="web", namespace="default", field_path="spec.containers{app}")

    log_event(Event(regarding=about, type="Warning", reason="Failed", message='Error: no "web:1"'))

    assert caplog.messages == [
        (
            '"Event occurred" object="default/web" fieldPath="spec.containers{app}" kind="Pod" apiVersion="v1" '
            'type="Warning" reason="Failed" message="Error: no \\"web:1\\""'
        )
    ]
