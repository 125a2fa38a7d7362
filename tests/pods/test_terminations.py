"""Each end of a container counts once, with its kind, code and reason."""

from lightkube.models.core_v1 import ContainerState, ContainerStateTerminated, ContainerStatus, PodStatus
from prometheus_client import CollectorRegistry

from kubeletsim.pods.terminations import Terminations


def ended(number: int, code: int = 1, reason: str = "Error") -> ContainerState:
    return ContainerState(
        terminated=ContainerStateTerminated(exitCode=code, reason=reason, containerID=f"c://{number}")
    )


def shown(state: ContainerState, last: ContainerState | None = None) -> list[ContainerStatus]:
    return [ContainerStatus(name="app", image="", imageID="", ready=False, restartCount=0, state=state, lastState=last)]


class Count:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.terminations = Terminations(self.registry)
        self.last: PodStatus | None = None

    def see(self, status: PodStatus) -> None:
        self.terminations.note(status, last=self.last)
        self.last = status

    def of(self, kind: str, code: str, reason: str) -> float | None:
        labels = {"container_type": kind, "exit_code": code, "reason": reason}
        return self.registry.get_sample_value("kubelet_terminated_containers_total", labels)


def test_an_end_counts_once_however_long_it_shows() -> None:
    count = Count()
    count.see(PodStatus())

    count.see(PodStatus(containerStatuses=shown(ended(1))))
    count.see(PodStatus(containerStatuses=shown(ended(1))))
    count.see(PodStatus(containerStatuses=shown(ContainerState(), ended(1))))
    assert count.of("container", "1", "Error") == 1

    count.see(PodStatus(containerStatuses=shown(ended(2), ended(1))))
    assert count.of("container", "1", "Error") == 2


def test_an_end_that_was_over_before_anybody_looked_counts_as_well() -> None:
    count = Count()
    count.see(PodStatus())

    count.see(PodStatus(containerStatuses=shown(ContainerState(), ended(1, 137, "OOMKilled"))))

    assert count.of("container", "137", "OOMKilled") == 1


def test_kinds_are_told_apart() -> None:
    count = Count()
    count.see(PodStatus())

    count.see(
        PodStatus(
            initContainerStatuses=shown(ended(1, 0, "Completed")), ephemeralContainerStatuses=shown(ended(2, 2, ""))
        )
    )

    assert count.of("init_container", "0", "Completed") == 1
    assert count.of("ephemeral_container", "2", "") == 1


def test_what_had_ended_before_the_kubelet_began_is_not_counted() -> None:
    count = Count()

    count.see(PodStatus(containerStatuses=shown(ended(1))))

    assert count.of("container", "1", "Error") is None
