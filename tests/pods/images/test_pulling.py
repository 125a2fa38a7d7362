"""Claims about pulling: rates, and credentials tried one after another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.errors import CRIError
from kubeletsim.model.requests import AuthConfig, ImageSpec, SandboxConfig
from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.images import PullLimits, TokenBucket
from kubeletsim.pods.images.pulling import Puller, PullFailed
from tests.fakes.pods import UID
from tests.fakes.runtime import FakeRuntime

SPEC = ImageSpec(image="busybox:1")
SANDBOX = SandboxConfig(name="web", namespace="default", uid=PodUID(UID))
ONE, TWO = AuthConfig(username="one", password="1"), AuthConfig(username="two", password="2")


def _tried(runtime: FakeRuntime) -> list[AuthConfig | None]:
    return [call.args["auth"] for call in runtime.calls if call.rpc == "PullImage"]


@pytest.mark.looptime
async def test_credentials_are_tried_in_order_until_one_works() -> None:
    runtime = FakeRuntime()
    runtime.fail("PullImage", "denied", times=1)

    await Puller(runtime, limits=PullLimits(), clock=LoopClock()).pull(
        SPEC, credentials=[ONE, TWO], sandbox_config=SANDBOX
    )

    assert _tried(runtime) == [ONE, TWO]


@pytest.mark.looptime
async def test_a_pull_with_credentials_is_never_tried_without() -> None:
    runtime = FakeRuntime()
    runtime.pull_errors["busybox:1"] = "denied"

    with pytest.raises(PullFailed) as caught:
        await Puller(runtime, limits=PullLimits(), clock=LoopClock()).pull(
            SPEC, credentials=[ONE], sandbox_config=SANDBOX
        )

    assert str(caught.value) == "denied"
    assert _tried(runtime) == [ONE]


@pytest.mark.looptime
async def test_different_failures_are_told_together_and_equal_ones_once() -> None:
    runtime = FakeRuntime()
    runtime.fail("PullImage", CRIError("denied", code="PermissionDenied"), times=1)
    runtime.fail("PullImage", "denied", times=2)

    with pytest.raises(PullFailed) as caught:
        await Puller(runtime, limits=PullLimits(), clock=LoopClock()).pull(
            SPEC, credentials=[ONE, TWO, TWO], sandbox_config=SANDBOX
        )

    assert str(caught.value) == "[rpc error: code = PermissionDenied desc = denied, denied]"


@given(st.lists(st.floats(0, 10), max_size=60), st.integers(1, 10), st.integers(1, 20))
def test_no_more_is_accepted_than_the_burst_and_the_rate_allow(gaps: list[float], qps: int, burst: int) -> None:
    bucket, now, accepted = TokenBucket(qps, burst), 0.0, 0

    for gap in gaps:
        now += gap
        accepted += bucket.try_accept(now=now)

    assert accepted <= burst + qps * now + 1e-6
