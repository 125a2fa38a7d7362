"""Every profile is complete: it does what the handlers rely on, and has the times and texts it refers to."""

import pytest

from runtime_stub.behaviour.plan import Do, SpanOf, latencies, nodes, steps
from runtime_stub.behaviour.profiles import PROFILES, Profile
from runtime_stub.state.refusals import Reason

STEPS = {
    "RunPodSandbox": ["address", "commit"],
    "CreateContainer": ["commit"],
    "StartContainer": ["execute", "commit"],
    "StopContainer": ["terminate", "await grace", "kill", "await exit"],
    "StopPodSandbox": ["kill", "await exit", "kill sandbox", "sandbox stopped", "release network"],
    "RemoveContainer": ["kill", "await exit", "claim", "commit"],
    "RemovePodSandbox": ["kill", "await exit", "sandbox stopped", "release network", "claim", "commit"],
    "ExecSync": ["start", "wait", "time out"],
    "UpdateContainerResources": ["commit"],
    "PullImage": ["resolve", "commit"],
    "RemoveImage": ["commit"],
    "ContainerStats": [],
    "ListContainerStats": [],
}
"""What a handler cannot do without, in no particular order but that of containers before their sandbox."""

each_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)


@each_profile
@pytest.mark.parametrize("rpc", STEPS)
def test_a_plan_takes_every_step_its_handler_relies_on(profile: Profile, rpc: str) -> None:
    assert set(STEPS[rpc]) <= set(steps(profile.plans[rpc]))


@each_profile
def test_a_plan_of_a_reading_call_answers(profile: Profile) -> None:
    for rpc in profile.plans.keys() - STEPS.keys():
        assert steps(profile.plans[rpc]) == ["answer"], rpc


@each_profile
def test_every_latency_of_a_plan_is_known_and_every_known_latency_is_spent(profile: Profile) -> None:
    assert latencies(profile.plans) | {"task.exit"} == profile.latencies.keys()


@each_profile
def test_every_refusal_has_a_text(profile: Profile) -> None:
    assert profile.wordings.keys() == set(Reason)


@each_profile
def test_the_effect_of_a_call_comes_last_among_its_steps(profile: Profile) -> None:
    for rpc in ("RunPodSandbox", "CreateContainer", "StartContainer", "PullImage", "RemoveImage"):
        done = [node.step for node in nodes(profile.plans[rpc]) if isinstance(node, Do)]
        assert done[-1] == "commit", rpc


def test_the_plain_profile_has_no_spans() -> None:
    assert not any(isinstance(node, SpanOf) for plan in PROFILES["plain"].plans.values() for node in nodes(plan))


def test_crio_wraps_every_call_in_a_span_with_a_leading_slash() -> None:
    for rpc, plan in PROFILES["crio"].plans.items():
        (wrapper,) = plan
        assert isinstance(wrapper, SpanOf)
        assert wrapper.name.startswith("/runtime.v1.")
        assert wrapper.name.endswith(f"Service/{rpc}")
        assert wrapper.scope.name == "crio"
