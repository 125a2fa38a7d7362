"""Claims about failures: their texts are upstream's, and spans give them Go's type names."""

import pytest

from kubeletsim.model.errors import ActionFailure, CRIError, SyncError
from kubeletsim.pods.failures import ContainersStillRunning, StartFailure, SyncFailure, go_type
from kubeletsim.pods.lifecycle import NetworkNotReady
from tests.fakes.pods import make_pod


def test_a_failed_start_becomes_the_failure_of_its_container() -> None:
    pod = make_pod()
    assert pod.spec is not None

    failure = StartFailure("CrashLoopBackOff", "back-off 10s", backoff_until=5).of(pod.spec.containers[0])

    assert failure == ActionFailure("StartContainer", "app", "CrashLoopBackOff", "back-off 10s", 5)
    assert str(failure) == 'failed to "StartContainer" for "app" with CrashLoopBackOff: "back-off 10s"'


def test_a_sync_given_up_between_actions_names_no_action() -> None:
    assert str(SyncError([SyncFailure("no status")])) == "failed to SyncPod: no status"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (SyncError([SyncFailure("x")]), "k8s.io/apimachinery/pkg/util/errors.aggregate"),
        (CRIError("x"), "*status.Error"),
        (NetworkNotReady("x"), "*errors.errorString"),
        (ContainersStillRunning("x"), "*errors.errorString"),
    ],
)
def test_spans_give_errors_gos_type_names(error: Exception, name: str) -> None:
    assert go_type(error) == name
