"""Hypothesis strategies shared by the tests; a new rule that needs a generator adds it here."""

from hypothesis import strategies as st
from lightkube.models.core_v1 import Pod

from kubeletsim.model.duration import Duration
from kubeletsim.model.pod import all_containers
from kubeletsim.model.quantity import Quantity, QuantityFormat
from kubeletsim.model.runtime import (
    Container,
    ContainerID,
    ContainerState,
    ImageID,
    ObservedPod,
    PodUID,
    Sandbox,
    SandboxID,
    SandboxState,
)
from kubeletsim.upkeep.gc import ImageRecord
from tests.fakes.pods import container, make_pod, observed, sandbox, sidecar, status


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


def pods() -> st.SearchStrategy[Pod]:
    """Pods of one to three containers, up to three init containers, some of them sidecars, and any restart policy."""
    init = st.lists(st.booleans(), max_size=3).map(
        lambda kinds: [(sidecar if stays else container)(f"i{number}") for number, stays in enumerate(kinds)]
    )
    return st.builds(
        lambda count, init, policy, host, debug: make_pod(
            *(container(f"c{number}") for number in range(count)),
            init=init,
            restartPolicy=policy,
            hostNetwork=host,
            ephemeralContainers=[container("debug")] if debug else [],
        ),
        st.integers(1, 3),
        init,
        st.sampled_from(["Always", "OnFailure", "Never"]),
        st.booleans(),
        st.booleans(),
    )


@st.composite
def observed_pods(draw: st.DrawFn, pod: Pod) -> ObservedPod:
    """Observations of a pod: up to two sandboxes, up to two instances of each container in any state, newest first."""
    host = bool(pod.spec and pod.spec.hostNetwork)
    attempts = range(draw(st.integers(0, 2)) - 1, -1, -1)
    sandboxes = [
        sandbox(
            attempt=attempt,
            ready=draw(st.booleans()),
            host_network=host,
            ips=() if host or draw(st.booleans()) else ("10.0.0.1",),
        )
        for attempt in attempts
    ]
    instances = [
        status(pod, one.name, draw(st.sampled_from(ContainerState)), exit_code=draw(st.integers(0, 1)), attempt=attempt)
        for one in all_containers(pod)
        for attempt in range(draw(st.integers(0, 2)))
    ]
    newest_first = sorted(instances, key=lambda one: one.attempt, reverse=True)
    return observed(*newest_first, sandboxes=sandboxes)


def durations() -> st.SearchStrategy[Duration]:
    """Every duration that 64 bits of nanoseconds hold, short ones as often as long ones."""
    magnitudes = st.one_of(st.integers(0, 10**4), st.integers(0, 10**10), st.integers(0, 2**63 - 1))
    return st.builds(lambda sign, ns: Duration(sign * ns), st.sampled_from([1, -1]), magnitudes)


def quantities() -> st.SearchStrategy[Quantity]:
    """Amounts of every size that upstream can hold, in every suffix family."""
    limit = (2**63 - 1) * 10**9
    nanos = st.one_of(
        st.integers(-(10**12), 10**12),
        st.integers(-(10**9), 10**9).map(lambda n: n * 10**9),
        st.integers(-limit, limit),
    )
    return st.builds(Quantity, nanos, st.sampled_from(QuantityFormat))
