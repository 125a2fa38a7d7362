"""Claims about the first conversation with the runtime."""

from dataclasses import dataclass, field

import pytest

from kubeletsim.agent.startup import discover_cgroup_driver, identify, learn_features
from kubeletsim.base.timing import LoopClock
from kubeletsim.model.errors import CRIError, RuntimeUnavailable, StartupError
from kubeletsim.model.runtime import CgroupDriver, RuntimeStatus, RuntimeVersion

CGROUPFS, SYSTEMD = CgroupDriver.CGROUPFS, CgroupDriver.SYSTEMD


@dataclass
class Runtime:
    """Answers RuntimeConfig from a list, and everything else as a healthy runtime unless told otherwise."""

    drivers: list[CgroupDriver | CRIError | None] = field(default_factory=list)
    api_version: str = "0.1.0"
    failure: CRIError | None = None
    calls: list[str] = field(default_factory=list)

    async def version(self, version: str = "") -> RuntimeVersion:
        self.calls.append(f"Version({version})")
        if self.failure:
            raise self.failure
        return RuntimeVersion(
            version=self.api_version, runtime_name="stub", runtime_version="1.0", runtime_api_version="v1"
        )

    async def status(self) -> RuntimeStatus:
        self.calls.append("Status")
        if self.failure:
            raise self.failure
        return RuntimeStatus(conditions=())

    async def runtime_config(self) -> CgroupDriver | None:
        self.calls.append("RuntimeConfig")
        answer = self.drivers.pop(0)
        if isinstance(answer, CRIError):
            raise answer
        return answer


@pytest.fixture
def lost() -> list[str]:
    """The kubelet versions that are going to insist on what the runtime lacks."""
    return []


async def test_the_cgroup_driver_is_asked_for_three_times_even_if_the_first_answers(lost: list[str]) -> None:
    runtime = Runtime(drivers=[SYSTEMD, SYSTEMD, SYSTEMD])

    assert await discover_cgroup_driver(runtime, configured=CGROUPFS, note_lost_support=lost.append) is SYSTEMD
    assert runtime.calls == ["RuntimeConfig"] * 3


@pytest.mark.parametrize("answer", [None, CRIError("unknown method", code="Unimplemented")], ids=["empty", "unknown"])
async def test_a_runtime_that_does_not_say_leaves_the_configured_driver(
    answer: CRIError | None, lost: list[str]
) -> None:
    runtime = Runtime(drivers=[answer] * 3)

    assert await discover_cgroup_driver(runtime, configured=SYSTEMD, note_lost_support=lost.append) is SYSTEMD
    assert set(lost) == ({"1.37.0"} if answer else set())


@pytest.mark.looptime
async def test_the_last_round_counts_and_each_failure_costs_two_seconds(lost: list[str]) -> None:
    runtime = Runtime(drivers=[RuntimeUnavailable("down"), RuntimeUnavailable("down"), SYSTEMD])
    clock = LoopClock()

    assert await discover_cgroup_driver(runtime, configured=CGROUPFS, note_lost_support=lost.append) is SYSTEMD
    assert clock.monotonic() == 4


@pytest.mark.looptime
async def test_a_failing_last_round_ends_the_start(lost: list[str]) -> None:
    runtime = Runtime(drivers=[SYSTEMD, SYSTEMD, RuntimeUnavailable("down")])

    with pytest.raises(StartupError, match="cgroup driver: down"):
        await discover_cgroup_driver(runtime, configured=CGROUPFS, note_lost_support=lost.append)


async def test_a_runtime_of_another_api_version_ends_the_start() -> None:
    with pytest.raises(StartupError, match=r"'0.2.0', must be '0.1.0'"):
        await identify(Runtime(api_version="0.2.0"))


async def test_a_failing_status_does_not_end_the_start() -> None:
    runtime = Runtime(failure=RuntimeUnavailable("not yet"))

    assert await learn_features(runtime) is None
    assert runtime.calls == ["Status"]
