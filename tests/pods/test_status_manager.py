"""Claims about kept statuses: a change counts a version up, sameness does not, and a pod is shown with its newest."""

from lightkube.models.core_v1 import PodStatus

from kubeletsim.model.pod import pod_uid
from kubeletsim.pods.status_manager import StatusManager
from tests.fakes.pods import make_pod

POD = make_pod()
UID = pod_uid(POD)


def test_a_version_counts_changes() -> None:
    statuses = StatusManager()
    versions = []

    for phase in ("Pending", "Pending", "Running", "Running", "Pending"):
        statuses.set(POD, PodStatus(phase=phase))
        kept = statuses.versioned(UID)
        assert kept is not None
        versions.append(kept.version)

    assert versions == [1, 1, 2, 2, 3]


def test_a_finished_pod_stays_finished() -> None:
    statuses = StatusManager()
    statuses.finish(POD)
    assert statuses.versioned(UID) is None

    statuses.set(POD, PodStatus(phase="Failed"))
    statuses.finish(POD)
    statuses.set(POD, PodStatus(phase="Succeeded"))

    kept = statuses.versioned(UID)
    assert kept is not None
    assert (kept.finished, kept.version) == (True, 3)


def test_a_pod_is_shown_with_its_newest_status_and_is_not_changed_itself() -> None:
    statuses = StatusManager()
    assert statuses.shown(POD) is POD

    statuses.set(POD, PodStatus(phase="Running"))

    assert statuses.shown(POD).status == PodStatus(phase="Running")
    assert POD.status is None


def test_statuses_of_pods_that_are_no_more_are_dropped() -> None:
    statuses = StatusManager()
    statuses.set(POD, PodStatus(phase="Running"))

    statuses.keep_only({UID})
    assert statuses.get(UID) is not None
    statuses.keep_only(set())

    assert statuses.get(UID) is None
