"""Claims about images: which calls a pull policy costs, what a failed pull is called, and how long it is left alone."""

import asyncio
import contextlib
import itertools
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.errors import CRIError
from kubeletsim.model.events import Event
from kubeletsim.model.requests import AuthConfig, SandboxConfig
from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.failures import StartFailure
from kubeletsim.pods.images import ImageAccess, ImageManager, PullLimits, PullRecordFiles, Verification
from kubeletsim.pods.images.manager import FindCredentials, no_credentials
from kubeletsim.pods.pod_events import pod_reference
from tests.fakes.pods import UID, container, make_pod
from tests.fakes.runtime import FakeRuntime

pytestmark = pytest.mark.looptime
SANDBOX = SandboxConfig(name="web", namespace="default", uid=PodUID(UID))
NO_LIMIT = PullLimits(qps=0)


class Images:
    """An image manager on a fake runtime."""

    def __init__(
        self,
        limits: PullLimits = NO_LIMIT,
        *,
        access: ImageAccess | None = None,
        credentials: FindCredentials = no_credentials,
    ) -> None:
        self.runtime = FakeRuntime()
        self.events: list[Event] = []
        self.registry = CollectorRegistry()
        self.manager = ImageManager(
            self.runtime,
            limits=limits,
            clock=LoopClock(),
            record=self.events.append,
            registry=self.registry,
            credentials=credentials,
            access=access,
        )

    async def ensure(self, image: str = "busybox:1", **fields: Any) -> str:
        pod = make_pod(container("app", image=image, **fields))
        assert pod.spec is not None
        policy = pod.spec.containers[0].imagePullPolicy or "IfNotPresent"
        about = pod_reference(pod, container="app")
        return await self.manager.ensure_image_exists(
            pod, image, pull_policy=policy, about=about, sandbox_config=SANDBOX
        )

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

    text = 'Container image "busybox:1" already present on machine'
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


def accessible(tmp_path: Path, policy: str) -> ImageAccess:
    """Return records in a directory of their own."""
    return ImageAccess(
        PullRecordFiles(tmp_path), verification=Verification(policy), clock=LoopClock(), registry=CollectorRegistry()
    )


async def test_a_preloaded_image_is_everybodys_by_default(tmp_path: Path) -> None:
    images = Images(access=accessible(tmp_path, "NeverVerifyPreloadedImages"))
    images.runtime.add_image("busybox:1")

    await images.ensure()

    text = 'Container image "busybox:1" already present on machine and can be accessed by the pod'
    assert images.told() == [("Normal", "Pulled", text)]


async def test_an_image_of_unknown_origin_is_pulled_again_once_where_everything_is_verified(tmp_path: Path) -> None:
    images = Images(access=accessible(tmp_path, "AlwaysVerify"))
    images.runtime.add_image("busybox:1")

    await images.ensure()
    await images.ensure()

    assert images.runtime.names() == ["ImageStatus", "PullImage", "ImageStatus", "ImageStatus"]


async def test_with_pull_policy_never_what_may_not_be_used_is_as_good_as_absent(tmp_path: Path) -> None:
    images = Images(access=accessible(tmp_path, "AlwaysVerify"))
    images.runtime.add_image("busybox:1")

    reason, message = await images.failure(imagePullPolicy="Never")

    assert reason == "ErrImageNeverPull"
    assert message == 'Container image "busybox:1" is not present with pull policy of Never'
    assert images.runtime.names() == ["ImageStatus"]


async def test_an_image_this_kubelet_has_pulled_is_not_pulled_again(tmp_path: Path) -> None:
    images = Images(access=accessible(tmp_path, "NeverVerifyPreloadedImages"))

    await images.ensure()
    await images.ensure()

    assert images.runtime.count("PullImage") == 1


async def test_a_record_of_a_pull_is_there_as_long_as_it_lasts(tmp_path: Path) -> None:
    images = Images(access=accessible(tmp_path, "NeverVerifyPreloadedImages"))
    images.runtime.latencies["PullImage"] = 10
    files = PullRecordFiles(tmp_path)
    files.make()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(images.ensure())
        await asyncio.sleep(5)
        during = files.intents()

    assert during == ["busybox:1"]
    assert files.intents() == []


@pytest.mark.parametrize("ending", ["fails", "is cancelled"])
async def test_no_record_stays_of_a_pull_that_brought_nothing(tmp_path: Path, ending: str) -> None:
    images = Images(access=accessible(tmp_path, "NeverVerifyPreloadedImages"))
    files = PullRecordFiles(tmp_path)
    files.make()
    if ending == "fails":
        images.runtime.pull_errors["busybox:1"] = "no such host"
        await images.failure()
    else:
        images.runtime.latencies["PullImage"] = 10
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await images.ensure()

    assert (files.intents(), files.all_pulled()) == ([], [])


async def test_a_pull_that_cannot_be_recorded_is_not_begun(tmp_path: Path) -> None:
    images = Images(access=accessible(tmp_path / "file", "NeverVerifyPreloadedImages"))
    (tmp_path / "file").write_text("in the way")

    reason, message = await images.failure()

    assert reason.startswith("failed to record image pull intent: ")
    assert message.startswith('Failed to record image pull intent for container image "busybox:1": ')
    assert images.runtime.count("PullImage") == 0


async def test_credentials_are_looked_up_by_the_full_name_and_go_to_the_runtime() -> None:
    asked: list[str] = []

    async def find(repository: str) -> list[AuthConfig]:
        asked.append(repository)
        return [AuthConfig(username="me", password="secret")]

    images = Images(credentials=find)
    await images.ensure()

    assert asked == ["docker.io/library/busybox"]
    (pull,) = [call for call in images.runtime.calls if call.rpc == "PullImage"]
    assert pull.args["auth"] == AuthConfig(username="me", password="secret")
    assert "secret" not in str(images.told())


@pytest.mark.parametrize(
    ("policy", "present", "labels"),
    [
        ("Always", True, ("always", "unknown", "true")),
        ("IfNotPresent", True, ("ifnotpresent", "true", "false")),
        ("IfNotPresent", False, ("ifnotpresent", "false", "true")),
        ("Never", True, ("never", "true", "false")),
        ("Never", False, ("never", "false", "unknown")),
    ],
)
async def test_each_request_is_counted(policy: str, present: bool, labels: tuple[str, str, str]) -> None:
    images = Images()
    if present:
        images.runtime.add_image("busybox:1")

    with contextlib.suppress(StartFailure):
        await images.ensure(imagePullPolicy=policy)

    names = ("pull_policy", "present_locally", "pull_required")
    counted = dict(zip(names, labels, strict=True))
    assert images.registry.get_sample_value("kubelet_image_manager_ensure_image_requests_total", counted) == 1
