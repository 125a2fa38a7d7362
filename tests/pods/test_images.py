"""Claims about images: which calls a pull policy costs, what a failed pull is called, and how long it is left alone."""

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.errors import CRIError
from kubeletsim.model.events import Event
from kubeletsim.model.requests import SandboxConfig
from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.failures import StartFailure
from kubeletsim.pods.images import ImageManager, PullLimits, TokenBucket, size_bucket
from tests.fakes.pods import UID, container, make_pod
from tests.fakes.runtime import FakeRuntime

pytestmark = pytest.mark.looptime
SANDBOX = SandboxConfig(name="web", namespace="default", uid=PodUID(UID))
NO_LIMIT = PullLimits(qps=0)


class Images:
    """An image manager on a fake runtime."""

    def __init__(self, limits: PullLimits = NO_LIMIT) -> None:
        self.runtime = FakeRuntime()
        self.events: list[Event] = []
        self.registry = CollectorRegistry()
        self.manager = ImageManager(
            self.runtime, limits=limits, clock=LoopClock(), record=self.events.append, registry=self.registry
        )

    async def ensure(self, image: str = "busybox:1", **fields: Any) -> str:
        pod = make_pod(container("app", image=image, **fields))
        assert pod.spec is not None
        return await self.manager.ensure_image_exists(pod, pod.spec.containers[0], sandbox_config=SANDBOX)

    async def failure(self, image: str = "busybox:1", **fields: Any) -> tuple[str, str]:
        with pytest.raises(StartFailure) as caught:
            await self.ensure(image, **fields)
        return caught.value.reason, caught.value.message

    def told(self) -> list[tuple[str, str, str]]:
        events: list[tuple[str, str, str]] = [(event.type, event.reason, event.message) for event in self.events]
        self.events.clear()
        return events


@pytest.mark.parametrize(
    ("policy", "present", "calls"),
    [
        ("IfNotPresent", True, ["ImageStatus"]),
        ("IfNotPresent", False, ["ImageStatus", "PullImage", "ImageStatus"]),
        ("Always", True, ["PullImage", "ImageStatus"]),
        ("Always", False, ["PullImage", "ImageStatus"]),
        ("Never", True, ["ImageStatus"]),
    ],
)
async def test_a_pull_policy_costs_these_calls(policy: str, present: bool, calls: list[str]) -> None:
    images = Images()
    if present:
        images.runtime.add_image("busybox:1")

    reference = await images.ensure(imagePullPolicy=policy)

    assert reference == "sha256:busybox:1"
    assert images.runtime.names() == calls


async def test_an_image_that_is_there_is_told_in_upstreams_words() -> None:
    images = Images()
    images.runtime.add_image("busybox:1")

    await images.ensure()

    text = 'Container image "busybox:1" already present on machine and can be accessed by the pod'
    assert images.told() == [("Normal", "Pulled", text)]


async def test_a_pull_is_told_with_its_duration_and_size() -> None:
    images = Images()
    images.runtime.latencies["PullImage"] = 1.2345
    images.runtime.image_sizes["busybox:1"] = 4_261_550

    await images.ensure()

    assert images.told() == [
        ("Normal", "Pulling", 'Pulling image "busybox:1"'),
        (
            "Normal",
            "Pulled",
            'Successfully pulled image "busybox:1" in 1.234s (1.234s including waiting). Image size: 4261550 bytes.',
        ),
    ]
    labels = {"image_size_in_bytes": "0-10MB"}
    assert images.registry.get_sample_value("kubelet_image_pull_duration_seconds_count", labels) == 1


async def test_the_tag_is_filled_in_for_the_runtime_but_not_in_what_is_told() -> None:
    images = Images()

    await images.ensure("busybox")

    assert [call.args["spec"].image for call in images.runtime.calls] == ["busybox:latest"] * 3
    assert images.told()[0][2] == 'Pulling image "busybox"'


async def test_never_and_absent_is_a_failure_without_a_pull() -> None:
    images = Images()

    reason, message = await images.failure(imagePullPolicy="Never")

    assert (reason, message) == (
        "ErrImageNeverPull",
        'Container image "busybox:1" is not present with pull policy of Never',
    )
    assert images.told() == [("Warning", "ErrImageNeverPull", message)]
    assert images.runtime.names() == ["ImageStatus"]


async def test_a_name_that_cannot_be_parsed_never_reaches_the_runtime() -> None:
    images = Images()

    reason, _ = await images.failure("Not//An:Image:1")

    assert reason == "InvalidImageName"
    assert images.runtime.names() == []
    assert [event[1] for event in images.told()] == ["InspectFailed"]


async def test_a_runtime_that_cannot_say_is_an_inspection_error() -> None:
    images = Images()
    images.runtime.fail("ImageStatus", "trouble")

    reason, message = await images.failure()

    assert reason == "ImageInspectError"
    assert message == 'Failed to inspect image "busybox:1": rpc error: code = Unknown desc = trouble'


async def test_a_failed_pull_drops_a_code_that_says_nothing_and_keeps_one_that_does() -> None:
    images = Images()
    images.runtime.fail("PullImage", "not found there")
    assert await images.failure("a:1") == ("ErrImagePull", "not found there")

    images.runtime.fail("PullImage", CRIError("no", code="PermissionDenied"))
    assert await images.failure("b:1") == ("ErrImagePull", "rpc error: code = PermissionDenied desc = no")


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        (
            "RegistryUnavailable: 503",
            "RegistryUnavailable",
            "image pull failed for busybox:1 because the registry is unavailable: 503",
        ),
        (
            "SignatureValidationFailed",
            "SignatureValidationFailed",
            "image pull failed for busybox:1 because the signature validation failed",
        ),
    ],
)
async def test_a_runtimes_own_reason_becomes_the_waiting_reason(text: str, reason: str, message: str) -> None:
    images = Images()
    images.runtime.fail("PullImage", text)

    assert await images.failure() == (reason, message)


async def test_a_failed_pull_is_left_alone_for_a_time_that_doubles() -> None:
    images = Images()
    images.runtime.pull_errors["busybox:1"] = "no such host"
    pulls = []

    for _ in range(320):
        before = images.runtime.count("PullImage")
        await images.failure()
        if images.runtime.count("PullImage") > before:
            pulls.append(round(asyncio.get_running_loop().time()))
        await asyncio.sleep(5)

    waits = [after - before for before, after in itertools.pairwise(pulls)]
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300, 300]


async def test_during_the_backoff_the_last_error_is_told_again() -> None:
    images = Images()
    images.runtime.pull_errors["busybox:1"] = "no such host"
    await images.failure()
    images.told()

    for _ in range(2):
        reason, message = await images.failure()

        assert (reason, message) == (
            "ImagePullBackOff",
            'Back-off pulling image "busybox:1": ErrImagePull: no such host',
        )
        assert images.told() == [("Normal", "BackOff", 'Back-off pulling image "busybox:1"')]


async def test_backoff_is_for_one_pod_and_one_image() -> None:
    images = Images()
    images.runtime.pull_errors["a:1"] = "no such host"
    await images.failure("a:1")

    await images.ensure("b:1")

    assert images.runtime.count("PullImage") == 2


@pytest.mark.parametrize(
    ("limits", "at_once", "seconds"),
    [
        pytest.param(PullLimits(qps=0), 1, 6, id="serial"),
        pytest.param(PullLimits(qps=0, serialize=False, max_parallel=2), 2, 3, id="two at once"),
        pytest.param(PullLimits(qps=0, serialize=False), 6, 1, id="no bound"),
    ],
)
async def test_pulls_go_one_by_one_or_side_by_side_as_configured(
    limits: PullLimits, at_once: int, seconds: int
) -> None:
    images = Images(limits)
    images.runtime.latencies["PullImage"] = 1

    await asyncio.gather(*(images.ensure(f"image:{number}") for number in range(6)))

    assert images.runtime.most_at_once["PullImage"] == at_once
    assert asyncio.get_running_loop().time() == seconds


async def test_the_time_in_the_queue_counts_as_waiting_only() -> None:
    images = Images()
    images.runtime.latencies["PullImage"] = 1

    await asyncio.gather(images.ensure("a:1"), images.ensure("b:1"))

    assert "in 1s (2s including waiting)" in images.told()[-1][2]


async def test_more_pulls_than_the_burst_fail_at_once() -> None:
    images = Images(PullLimits(qps=1, burst=2, serialize=False))

    results = await asyncio.gather(*(images.ensure(f"i:{n}") for n in range(3)), return_exceptions=True)

    (failed,) = [result for result in results if isinstance(result, StartFailure)]
    assert (failed.reason, failed.message) == ("ErrImagePull", "pull QPS exceeded")
    assert images.runtime.count("PullImage") == 2


async def test_the_size_is_missing_when_the_runtime_does_not_say_but_the_pull_counts() -> None:
    images = Images()
    images.runtime.fail("ImageStatus", "trouble", after=1)

    assert await images.ensure() == "sha256:busybox:1"
    assert "Image size: 0 bytes." in images.told()[-1][2]


@given(st.lists(st.floats(0, 10), max_size=60), st.integers(1, 10), st.integers(1, 20))
def test_no_more_is_accepted_than_the_burst_and_the_rate_allow(gaps: list[float], qps: int, burst: int) -> None:
    bucket, now, accepted = TokenBucket(qps, burst), 0.0, 0

    for gap in gaps:
        now += gap
        accepted += bucket.try_accept(now=now)

    assert accepted <= burst + qps * now + 1e-6


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        (0, "N/A"),
        (1, "0-10MB"),
        (10 * 1024**2, "10MB-100MB"),
        (600 * 1024**2, "500MB-1GB"),
        (3 * 1024**3, "1GB-5GB"),
        (99 * 1024**3, "60GB-100GB"),
        (100 * 1024**3, "GT100GB"),
    ],
)
def test_sizes_fall_into_upstreams_buckets(size: int, bucket: str) -> None:
    assert size_bucket(size) == bucket
