"""Every field of a filter that is set must agree."""

from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.state.filters import (
    select_containers,
    select_for_stats,
    select_sandboxes,
    select_sandboxes_for_stats,
)
from runtime_stub.state.records import Container, ContainerState, Sandbox, SandboxState
from runtime_stub.state.world import World


def a_world() -> World:
    """Four sandboxes with two containers each; every other one is ready or running."""
    world = World()
    sandboxes, containers = [], []
    for n in range(4):
        metadata = pb.PodSandboxMetadata(name=f"p{n}", namespace="x", uid=f"u{n}")
        config = pb.PodSandboxConfig(metadata=metadata, labels={"pod": f"p{n}", "even": str(n % 2 == 0)})
        state = SandboxState.READY if n % 2 else SandboxState.NOTREADY
        sandboxes.append(
            Sandbox(id=f"{n}aaa", wire_config=config.SerializeToString(), state=state, created_at=n, pid=0)
        )
        for m in range(2):
            containers.append(
                Container(
                    id=f"{n}{m}bb",
                    sandbox_id=f"{n}aaa",
                    wire_config=pb.ContainerConfig(
                        metadata=pb.ContainerMetadata(name=f"c{m}"), labels={"name": f"c{m}"}
                    ).SerializeToString(),
                    image_id="i",
                    image_name="i",
                    image_digest="i",
                    created_at=m,
                    state=ContainerState.RUNNING if m else ContainerState.EXITED,
                    wire_resources=b"",
                )
            )
    world.restore(sandboxes, containers)
    return world


WORLD = a_world()
labels = st.dictionaries(st.sampled_from(["pod", "even", "name"]), st.sampled_from(["p1", "True", "c0", "c1"]))


@given(st.sampled_from(["", "0aaa", "1", "zz"]), st.sampled_from([None, 0, 1, 77]), labels)
def test_sandbox_fields_are_anded(id_: str, state: int | None, selector: dict[str, str]) -> None:
    filter_ = pb.PodSandboxFilter(id=id_, label_selector=selector)
    if state is not None:
        filter_.state.state = state  # type: ignore[assignment]  # numbers of a later CRI are possible

    found = list(select_sandboxes(WORLD, filter_))

    expected = [
        one
        for one in WORLD.sandboxes()
        if one.id.startswith(id_)
        and (state is None or one.state == state)
        and selector.items() <= dict(one.config.labels).items()
    ]
    assert found == expected


@given(
    st.sampled_from(["", "00bb", "10", "zz"]),
    st.sampled_from(["", "0aaa", "1", "zz"]),
    st.sampled_from([None, 0, 1, 2, 77]),
    labels,
)
def test_container_fields_are_anded(id_: str, sandbox_id: str, state: int | None, selector: dict[str, str]) -> None:
    filter_ = pb.ContainerFilter(id=id_, pod_sandbox_id=sandbox_id, label_selector=selector)
    if state is not None:
        filter_.state.state = state  # type: ignore[assignment]

    found = list(select_containers(WORLD, filter_))

    expected = [
        one
        for one in WORLD.containers()
        if one.id.startswith(id_)
        and one.sandbox_id.startswith(sandbox_id)
        and (state is None or one.state == state)
        and selector.items() <= dict(one.config.labels).items()
    ]
    assert found == expected


def test_an_ambiguous_or_unknown_id_yields_an_empty_list() -> None:
    assert list(select_containers(WORLD, pb.ContainerFilter(id="0"))) == []
    assert list(select_sandboxes(WORLD, pb.PodSandboxFilter(id="nosuch"))) == []


def test_stats_filters_choose_by_id_and_label() -> None:
    assert len(list(select_for_stats(WORLD, pb.ContainerStatsFilter(label_selector={"name": "c0"})))) == 4
    assert len(list(select_for_stats(WORLD, pb.ContainerStatsFilter(pod_sandbox_id="1aaa")))) == 2
    chosen = select_sandboxes_for_stats(WORLD, pb.PodSandboxStatsFilter(label_selector={"even": "True"}))
    assert [one.id for one in chosen] == ["0aaa", "2aaa"]
