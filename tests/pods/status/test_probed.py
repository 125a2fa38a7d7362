"""Claims about a status after news from a probe: just what follows from them changes."""

from datetime import UTC, datetime

import pytest
from lightkube.models.core_v1 import Pod, PodStatus

from kubeletsim.model.runtime import ContainerID
from kubeletsim.pods.status import ProbeView, compute_pod_status, with_ready, with_started
from tests.fakes.pods import container, make_pod, observed, sidecar, status

NOW = 1_700_000_000.0
LATER = NOW + 60.7
POD = make_pod(container("a"), container("b"), init=[sidecar("side")])
A = ContainerID("a-0")


def running(pod: Pod = POD, *, probes: ProbeView | None = None) -> PodStatus:
    """Return the status of a pod whose containers all run."""
    return compute_pod_status(
        pod,
        observed(*(status(pod, name) for name in ("a", "b", "side"))),
        previous=None,
        waiting={},
        terminal=False,
        now=NOW,
        runtime_name="fake",
        probes=probes,
    )


def conditions(shown: PodStatus) -> dict[str, tuple[str, str | None, datetime | None]]:
    return {one.type: (one.status, one.message, one.lastTransitionTime) for one in shown.conditions or []}


def test_a_container_that_is_not_ready_makes_the_pod_not_ready_from_now_on() -> None:
    before = running()

    after = with_ready(POD, before, A, ready=False, now=LATER)

    assert [(one.name, one.ready) for one in after.containerStatuses or []] == [("a", False), ("b", True)]
    message, time = "containers with unready status: [a]", datetime.fromtimestamp(int(LATER), UTC)
    changed = {"Ready": ("False", message, time), "ContainersReady": ("False", message, time)}
    assert conditions(after) == {**conditions(before), **changed}
    assert before == running()  # what was given stays as it was


def test_a_ready_sidecar_counts_as_well() -> None:
    before = running(probes=ProbeView(ready={"side": False}))
    assert conditions(before)["Ready"][0] == "False"

    after = with_ready(POD, before, ContainerID("side-0"), ready=True, now=LATER)

    assert conditions(after)["Ready"][0] == "True"


@pytest.mark.parametrize(("container_id", "ready"), [("a-0", True), ("nobody", False)])
def test_no_news_change_nothing(container_id: str, ready: bool) -> None:
    before = running()
    assert with_ready(POD, before, ContainerID(container_id), ready=ready, now=LATER) is before


def test_a_readiness_gate_still_counts() -> None:
    pod = make_pod(
        container("a"), container("b"), init=[sidecar("side")], readinessGates=[{"conditionType": "example"}]
    )
    before = running(pod, probes=ProbeView(ready={"a": False}))

    after = with_ready(pod, before, A, ready=True, now=LATER)

    assert (conditions(after)["ContainersReady"][0], conditions(after)["Ready"][0]) == ("True", "False")


def test_that_a_container_has_started_changes_that_alone() -> None:
    before = running(probes=ProbeView(started={"a": False}))

    after = with_started(before, A, started=True)

    assert [(one.name, one.started, one.ready) for one in after.containerStatuses or []] == [
        ("a", True, False),
        ("b", True, True),
    ]
    assert after.conditions == before.conditions
