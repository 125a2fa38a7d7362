"""The runtime's spans are those of the recordings: names, kinds, order, nesting, errors, and how long they last."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.profiles import PROFILES
from runtime_stub.state.refusals import Refusal
from tests.runtime_stub.conftest import Bench, bench

GOLDEN = Path(__file__).parents[2] / "golden"
Tree = tuple[str, str, str | None, tuple[Any, ...]]

pytestmark = pytest.mark.looptime


def recorded(scenario: str) -> dict[str, list[Tree]]:
    """The distinct trees below each RPC's SERVER span in a recording, without the span itself."""
    trees: dict[str, list[Tree]] = {}

    def shape(node: Mapping[str, Any]) -> Tree:
        return node["name"], node["kind"], node.get("error"), tuple(shape(one) for one in node.get("children", ()))

    def walk(node: Mapping[str, Any]) -> None:
        if node["kind"] == "SERVER":
            below = trees.setdefault(node["name"].partition("/")[2], [])
            tree = shape(node)[3]
            if tree not in below:
                below.append(tree)
        else:
            for child in node.get("children", ()):
                walk(child)

    for root in json.loads((GOLDEN / f"{scenario}.json").read_text())["roots"]:
        walk(root)
    return trees


def observed(spans: Sequence[ReadableSpan], rpc: str) -> list[Tree]:
    """The same of a run of ours."""

    def below(parent: ReadableSpan) -> tuple[Tree, ...]:
        children = [one for one in spans if one.parent and one.parent.span_id == parent.context.span_id]
        return tuple(shape(one) for one in sorted(children, key=lambda one: one.start_time or 0))

    def shape(span: ReadableSpan) -> Tree:
        return span.name, span.kind.name, span.status.description, below(span)

    servers = sorted((one for one in spans if one.name == rpc), key=lambda one: one.start_time or 0)
    trees: list[Tree] = []
    for server in servers:
        if (tree := below(server)) not in trees:
            trees.append(tree)
    return trees


def by_name(spans: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    return next(one for one in spans if one.name == name)


def milliseconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e6


async def live_and_die(lab: Bench, *, host_network: bool = True, stop_seconds: int = 2) -> None:
    """Do what a kubelet does in the recording `single`."""
    client, runtime, images = lab.client, lab.client.runtime, lab.client.images
    await runtime.Version(pb.VersionRequest())
    sandbox_id = await client.run_sandbox(client.pod(host_network=host_network))
    await runtime.PodSandboxStatus(pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id))
    await images.ImageStatus(pb.ImageStatusRequest(image=pb.ImageSpec(image="busybox:1.35")))
    container_id = await client.create(sandbox_id, client.container("/bin/sleep", "10000"))
    await client.start(container_id)
    await asyncio.sleep(10)
    await runtime.StopContainer(pb.StopContainerRequest(container_id=container_id, timeout=stop_seconds))
    await runtime.StopPodSandbox(pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id))
    await runtime.ListPodSandbox(pb.ListPodSandboxRequest())
    await runtime.ListContainers(pb.ListContainersRequest())
    await runtime.ContainerStatus(pb.ContainerStatusRequest(container_id=container_id))
    await runtime.RemoveContainer(pb.RemoveContainerRequest(container_id=container_id))
    await runtime.StopPodSandbox(pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id))
    await runtime.RemovePodSandbox(pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id))


@pytest.mark.parametrize("scenario", ["single", "two"])
async def test_a_pods_life_has_the_recorded_trees(lab: Bench, scenario: str) -> None:
    await live_and_die(lab)

    for rpc, trees in recorded(scenario).items():
        for tree in trees:
            assert tree in observed(lab.finished(), rpc), rpc


async def test_removals_have_the_recorded_trees(lab: Bench) -> None:
    await live_and_die(lab)

    for rpc in ("StopPodSandbox", "RemovePodSandbox"):
        assert set(recorded("crash")[rpc]) <= set(observed(lab.finished(), rpc)), rpc


async def test_a_pull_that_cannot_resolve_fails_as_recorded(lab: Bench) -> None:
    with pytest.raises(Refusal):
        await lab.client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image="registry.invalid/none:1")))

    assert observed(lab.finished(), "PullImage") == recorded("noimage")["PullImage"]
    request = by_name(lab.finished(), "remotes.docker.resolver.HTTPRequest")
    assert request.attributes is not None
    assert request.attributes["url.full"] == "https://registry.invalid/v2/none/manifests/1"
    assert [event.name for event in request.events] == ["exception"]


async def test_spans_last_as_long_as_recorded(lab: Bench) -> None:
    await live_and_die(lab)
    spans, medians = lab.finished(), PROFILES["containerd"].latencies

    assert milliseconds(by_name(spans, "cri.sandbox.run")) == pytest.approx(126.59, rel=0.05)
    assert milliseconds(by_name(spans, "containerd.task.v3.Task/State")) == pytest.approx(0.42, abs=0.001)
    assert milliseconds(by_name(spans, "StopContainer")) == pytest.approx(2062.12, rel=0.01)
    kills = [milliseconds(one) for one in spans if one.name == "client.task.Kill"]
    assert kills == [pytest.approx(medians["task.kill"].median_ms, abs=0.001)] * 3


async def test_children_lie_within_their_parents_and_do_not_overlap(lab: Bench) -> None:
    await live_and_die(lab, host_network=False)
    spans = lab.finished()

    for parent in spans:
        at = parent.start_time or 0
        children = [one for one in spans if one.parent and one.parent.span_id == parent.context.span_id]
        for child in sorted(children, key=lambda one: one.start_time or 0):
            assert child.start_time is not None
            assert child.start_time >= at, (parent.name, child.name)
            at = child.end_time or 0
        assert (parent.end_time or 0) >= at, parent.name


async def test_a_pod_network_adds_its_spans(lab: Bench) -> None:
    await live_and_die(lab, host_network=False)
    (run,) = observed(lab.finished(), "RunPodSandbox")[0]

    assert [child[0] for child in run[3]] == [
        "metadata.sandbox.Create",
        "metadata.sandbox.Update",
        "cni.setup_pod_network",
        "metadata.sandbox.Update",
        "client.NewContainer",
        "container.NewTask",
        "client.task.Start",
        "metadata.sandbox.Update",
    ]
    network = by_name(lab.finished(), "cni.setup_pod_network")
    assert network.attributes is not None
    assert (network.attributes["sandbox.ip"], network.attributes["sandbox.additional_ips.count"]) == ("10.88.0.2", 0)
    assert [event.name for event in network.events] == ["cni.setup.start", "cni.setup.complete"]


async def test_attributes_of_the_call_are_on_its_server_span(lab: Bench) -> None:
    await live_and_die(lab)
    create, run = by_name(lab.finished(), "CreateContainer"), by_name(lab.finished(), "cri.sandbox.run")

    assert create.attributes is not None
    assert run.attributes is not None
    assert create.attributes["container.name"] == "app_web_default_uid-web_0"
    assert create.attributes["container.image.ref"] == "docker.io/library/busybox:1.35"
    assert create.attributes["sandbox.id"] == run.attributes["sandbox.id"]
    assert run.attributes["namespace"] == "k8s.io"
    assert [list(event.attributes or ()) for event in create.events] == [
        ["level"],
        ["container.create.duration"],
        ["level"],
    ]


async def test_lines_of_containerds_log_are_events_of_the_call(lab: Bench) -> None:
    await live_and_die(lab)

    id_ = (by_name(lab.finished(), "StartContainer").attributes or {})["container.id"]
    assert [event.name for event in by_name(lab.finished(), "StopContainer").events] == [
        f'StopContainer for "{id_}" with timeout 2 (s)',
        f'Stop container "{id_}" with signal terminated',
        f'Kill container "{id_}"',
        "container stopped",
        f'StopContainer for "{id_}" returns successfully',
    ]
    assert by_name(lab.finished(), "RunPodSandbox").events[0].name == (
        'RunPodSandbox for name:"web"  uid:"uid-web"  namespace:"default"'
    )


async def test_scopes_tell_who_made_a_span(lab: Bench) -> None:
    await live_and_die(lab)
    scopes = {one.name: one.instrumentation_scope for one in lab.finished()}

    for name, scope in (
        ("cri.sandbox.run", ("go.opentelemetry.io/otel/sdk/tracer", "")),
        ("containerd.task.v3.Task/Create", ("github.com/containerd/otelttrpc", "0.0.0")),
    ):
        assert scopes[name] is not None
        assert (scopes[name].name, scopes[name].version) == scope  # type: ignore[union-attr]


async def test_a_graceful_end_needs_one_kill(lab: Bench) -> None:
    id_ = await lab.client.run("top")
    await lab.client.runtime.StopContainer(pb.StopContainerRequest(container_id=id_, timeout=30))

    (tree,) = observed(lab.finished(), "StopContainer")
    assert [child[0] for child in tree] == ["containerd.task.v3.Task/State", "client.task.Kill"]


async def test_in_the_pods_pid_namespace_a_container_is_no_init_and_heeds_signals(lab: Bench) -> None:
    sandbox_id = await lab.client.run_sandbox()
    config = lab.client.container("/bin/sleep", "10000")
    config.linux.security_context.namespace_options.pid = pb.POD
    id_ = await lab.client.create(sandbox_id, config)
    await lab.client.start(id_)
    await lab.client.runtime.StopContainer(pb.StopContainerRequest(container_id=id_, timeout=30))

    (tree,) = observed(lab.finished(), "StopContainer")
    assert [child[0] for child in tree] == ["containerd.task.v3.Task/State", "client.task.Kill"]
    assert (await lab.client.status(id_)).exit_code == 143


async def test_a_failed_start_cleans_up_the_task_that_was_to_be_made(lab: Bench) -> None:
    with pytest.raises(Refusal):
        await lab.client.run("/nosuch")

    ((name, _, error, children),) = observed(lab.finished(), "StartContainer")[0]
    assert (name, error) == ("container.NewTask", None)
    assert [(child[0], child[2]) for child in children] == [
        ("containerd.task.v3.Task/Create", None),
        ("containerd.task.v3.Task/Delete", None),
        ("containerd.task.v3.Task/Shutdown", None),
        ("containerd.task.v3.Task/Shutdown", "ttrpc: closed"),
    ]


async def test_an_image_is_pulled_layer_by_layer(lab: Bench) -> None:
    pull = pb.PullImageRequest(image=pb.ImageSpec(image="nginx:1"))
    await lab.client.images.PullImage(pull)
    await lab.client.images.PullImage(pull)

    first, second = observed(lab.finished(), "PullImage")
    assert [child[0] for child in first] == [
        "remotes.docker.resolver.HTTPRequest",
        "pkg.unpack.unpacker.UnpackHandler",
        "pkg.unpack.unpacker.UnpackHandler",
        "pkg.unpack.unpacker.unpack",
    ]
    layers = first[3][3]
    assert len(layers) >= 4
    assert {layer[0] for layer in layers} == {"pkg.unpack.unpacker.fetchLayer", "pkg.unpack.unpacker.unpackLayer"}
    assert [child[0] for child in second] == ["remotes.docker.resolver.HTTPRequest"]


async def test_an_exec_shows_its_process(lab: Bench) -> None:
    id_ = await lab.client.run("sleep", "100")
    await lab.client.runtime.ExecSync(pb.ExecSyncRequest(container_id=id_, cmd=["echo"]))

    (tree,) = observed(lab.finished(), "ExecSync")
    assert [child[0] for child in tree] == [
        "containerd.task.v3.Task/State",
        "client.task.Exec",
        "process.Start",
        "process.Wait",
    ]


async def test_an_exec_is_waited_for_from_its_start(lab: Bench) -> None:
    id_ = await lab.client.run("sleep", "100")
    await lab.client.runtime.ExecSync(pb.ExecSyncRequest(container_id=id_, cmd=["sleep", "1"]))

    start, wait = by_name(lab.finished(), "process.Start"), by_name(lab.finished(), "process.Wait")
    assert start.start_time is not None
    assert wait.start_time is not None
    assert 0 <= wait.start_time - start.start_time < 1e6
    assert milliseconds(wait) == pytest.approx(milliseconds(start) + 1000, abs=5)


async def test_an_exec_that_cannot_start_is_waited_for_in_vain(lab: Bench) -> None:
    id_ = await lab.client.run("sleep", "100")
    with pytest.raises(Refusal):
        await lab.client.runtime.ExecSync(pb.ExecSyncRequest(container_id=id_, cmd=["/nosuch"]))

    (tree,) = observed(lab.finished(), "ExecSync")
    assert [(child[0], child[2], [call[0].rpartition("/")[2] for call in child[3]]) for child in tree[2:]] == [
        ("process.Start", None, ["State", "Start"]),
        ("process.Wait", None, ["State", "Wait"]),
    ]


@pytest.fixture
def crio(directory: Path) -> Iterator[Bench]:
    with bench(directory, profile="crio") as built:
        yield built


async def test_crio_names_its_functions(crio: Bench) -> None:
    await live_and_die(crio)
    names = [one.name for one in crio.finished()]

    assert "github.com/cri-o/cri-o/server.(*Server).runPodSandbox" in names
    assert names.count("github.com/cri-o/cri-o/internal/oci.(*runtimeOCI).StopContainer") == 1
    assert not any(name.startswith("containerd") for name in names)


async def test_a_plain_runtime_shows_nothing_of_itself_and_takes_as_long(directory: Path, lab: Bench) -> None:
    (directory / "plain").mkdir()
    with bench(directory / "plain", profile="plain") as plain:
        await live_and_die(plain)
        await live_and_die(lab)

        assert all(one.parent is None for one in plain.finished())
        for rpc in ("RunPodSandbox", "StartContainer", "StopContainer"):
            one, other = by_name(plain.finished(), rpc), by_name(lab.finished(), rpc)
            assert milliseconds(one) == pytest.approx(milliseconds(other), rel=0.01)
