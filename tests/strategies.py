"""Hypothesis strategies shared by the tests; a new rule that needs a generator adds it here."""

from hypothesis import strategies as st

from kubeletsim.model.runtime import (
    Container,
    ContainerID,
    ContainerState,
    ImageID,
    PodUID,
    Sandbox,
    SandboxID,
    SandboxState,
)
from kubeletsim.upkeep.gc import ImageRecord


def node_containers(*, names: int = 3, pods: int = 3) -> st.SearchStrategy[list[Container]]:
    """Lists of containers of a few pods, any state, with unique ids and creation times (1 to 100 s)."""
    container = st.builds(
        lambda number, state, name, pod: Container(
            id=ContainerID(f"c{number}"),
            sandbox_id=SandboxID(f"s{pod}"),
            name=f"app{name}",
            state=state,
            created_at=number * 1_000_000_000,
            labels={"io.kubernetes.pod.uid": f"pod{pod}"},
        ),
        st.integers(1, 100),
        st.sampled_from(ContainerState),
        st.integers(1, names),
        st.integers(1, pods),
    )
    return st.lists(container, max_size=25, unique_by=lambda made: made.id)


def node_sandboxes(*, pods: int = 3) -> st.SearchStrategy[list[Sandbox]]:
    """Lists of sandboxes of a few pods, with unique ids and creation times."""
    sandbox = st.builds(
        lambda number, state, pod: Sandbox(
            id=SandboxID(f"s{number}"),
            name=f"pod{pod}",
            namespace="default",
            uid=PodUID(f"pod{pod}"),
            state=state,
            created_at=number * 1_000_000_000,
        ),
        st.integers(1, 30),
        st.sampled_from(SandboxState),
        st.integers(1, pods),
    )
    return st.lists(sandbox, max_size=12, unique_by=lambda made: made.id)


def image_records() -> st.SearchStrategy[dict[ImageID, ImageRecord]]:
    """What an image collector may remember: times from 0 to 1000, sizes from 0 to 100 bytes."""
    record = st.builds(
        lambda number, **facts: ImageRecord(id=ImageID(f"sha256:{number}"), **facts),
        st.integers(1, 50),
        first_detected=st.integers(0, 1000).map(float),
        last_used=st.integers(0, 1000).map(float),
        size_bytes=st.integers(0, 100),
        pinned=st.booleans(),
    )
    records = st.lists(record, max_size=12, unique_by=lambda made: made.id)
    return records.map(lambda made: {record.id: record for record in made})
