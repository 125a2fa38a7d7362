"""Claims about what the node says of the use of its resources."""

from kubeletsim.model.runtime import Container, ContainerID, ContainerState, PodUID, Sandbox, SandboxID, SandboxState
from kubeletsim.model.stats import ContainerStats, CPUUsage, MemoryUsage, NodeUsage, SwapUsage
from kubeletsim.server.resource_metrics import Figure, container_figures, pod_figures
from tests.server.stub_lab import Lab

SANDBOX = Sandbox(
    id=SandboxID("s"), name="web", namespace="default", uid=PodUID("u"), state=SandboxState.READY, created_at=1
)


def container(name: str, *, sandbox: str = "s") -> Container:
    return Container(
        id=ContainerID(name),
        sandbox_id=SandboxID(sandbox),
        name=name,
        state=ContainerState.RUNNING,
        created_at=2_500_000_000,
    )


def stats(name: str, *, seconds: float = 1.5, size: int = 100, at: int = 7) -> ContainerStats:
    return ContainerStats(
        id=ContainerID(name),
        name=name,
        cpu=CPUUsage(timestamp=at, usage_core_nano_seconds=int(seconds * 1e9)),
        memory=MemoryUsage(timestamp=at, working_set_bytes=size),
    )


def test_a_containers_figures_carry_the_names_of_its_pod() -> None:
    labels = (("container", "a"), ("namespace", "default"), ("pod", "web"))

    assert list(container_figures([stats("a")], [container("a")], [SANDBOX])) == [
        Figure("container_start_time_seconds", labels, 2.5),
        Figure("container_cpu_usage_seconds_total", labels, 1.5, 7),
        Figure("container_memory_working_set_bytes", labels, 100, 7),
    ]


def test_a_swap_limit_is_what_is_used_and_what_is_left() -> None:
    swapping = ContainerStats(
        id=ContainerID("a"), name="a", swap=SwapUsage(timestamp=7, swap_usage_bytes=30, swap_available_bytes=70)
    )
    figures = {one.name: one.value for one in container_figures([swapping], [container("a")], [SANDBOX])}

    assert (figures["container_swap_usage_bytes"], figures["container_swap_limit_bytes"]) == (30, 100)


def test_what_belongs_to_no_pod_that_is_known_is_left_out() -> None:
    assert list(container_figures([stats("a"), stats("b")], [container("b", sandbox="gone")], [SANDBOX])) == []


def test_a_pods_figures_are_the_sums_of_its_containers() -> None:
    containers = [container("a"), container("b")]
    figures = container_figures([stats("a", at=7), stats("b", seconds=2, size=50, at=9)], containers, [SANDBOX])

    labels = (("namespace", "default"), ("pod", "web"))
    assert pod_figures(figures) == [
        Figure("pod_cpu_usage_seconds_total", labels, 3.5, 9),
        Figure("pod_memory_working_set_bytes", labels, 150, 9),
    ]


async def test_figures_have_their_time_and_the_calls_are_nobodys_children(lab: Lab) -> None:
    at = 1_700_000_000_500_000_000
    lab.host.node_usage = NodeUsage(timestamp=at, cpu_seconds=12.5, working_set_bytes=100, swap_bytes=0)

    answer = await lab.caller.ask("/metrics/resource")

    assert "# HELP node_cpu_usage_seconds_total [STABLE] Cumulative cpu time" in answer.text
    assert "\nnode_cpu_usage_seconds_total 12.5 1700000000500\n" in answer.text
    assert 'container_memory_working_set_bytes{container="shell",namespace="default",pod="web"}' in answer.text
    assert 'pod_cpu_usage_seconds_total{namespace="default",pod="web"}' in answer.text
    assert answer.text.endswith("\nresource_scrape_error 0.0\n")
    calls = [span for span in lab.host.telemetry.spans("CLIENT") if span.parent is None]
    names = [span.name.rpartition("/")[2] for span in calls]
    assert names[-4:] == ["Version", "ListContainers", "ListPodSandbox", "ListContainerStats"]


async def test_a_runtime_that_does_not_tell_is_an_error_of_the_scrape(host) -> None:
    host.cri.fail("ListContainerStats", "no answer")
    async with host.serve() as client:
        answer = await client.ask("/metrics/resource")

    assert answer.status == 200
    assert "\nresource_scrape_error 1.0\n" in answer.text
    assert "node_cpu" not in answer.text
