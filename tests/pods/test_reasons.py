"""Claims about waiting reasons: a failed start is remembered until one succeeds, and not for ever."""

from kubeletsim.model.errors import ActionFailure
from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.reasons import CAPACITY, ReasonCache
from kubeletsim.pods.runtime_sync import SyncResult
from kubeletsim.pods.status import WaitingReason

ONE, OTHER = PodUID("one"), PodUID("other")


def failed(*names: str, action: str = "StartContainer") -> SyncResult:
    return SyncResult(failures=[ActionFailure(action, name, "ErrImagePull", "text") for name in names])


def test_a_failure_is_remembered_until_a_start_succeeds() -> None:
    reasons = ReasonCache()

    reasons.update(ONE, failed("a", "b"))
    reasons.update(ONE, SyncResult())
    assert reasons.of(ONE) == dict.fromkeys("ab", WaitingReason("ErrImagePull", "text"))
    reasons.update(ONE, SyncResult(started=["a"]))

    assert set(reasons.of(ONE)) == {"b"}


def test_only_starts_count_and_only_the_pods_own() -> None:
    reasons = ReasonCache()

    reasons.update(ONE, failed("a", action="KillContainer"))
    reasons.update(OTHER, failed("a"))

    assert reasons.of(ONE) == {}


def test_a_pod_that_is_no_more_is_forgotten_and_the_oldest_goes_when_it_is_full() -> None:
    reasons = ReasonCache()

    for number in range(CAPACITY + 1):
        reasons.update(PodUID(str(number)), failed("a"))
    reasons.forget(PodUID("5"))

    assert [number for number in range(7) if not reasons.of(PodUID(str(number)))] == [0, 5]
