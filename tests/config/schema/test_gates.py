import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.config.schema.gates import KNOWN_GATES, FeatureGates, Maturity

NAMED_BY_THE_BEHAVIOUR_REFERENCE = {
    "PLEGOnDemandRelist": True,
    "NodeDeclaredFeatures": True,
    "PodReadyToStartContainersCondition": True,
    "SidecarContainers": True,
    "ComponentFlagz": True,
    "ComponentStatusz": True,
    "SystemdWatchdog": True,
    "PodObservedGenerationTracking": True,
    "ReloadKubeletServerCertificateFile": True,
    "ReloadKubeletClientCAFile": True,
    "PodLogsQuerySplitStreams": False,
    "RuntimeClassInImageCriApi": False,
    "ContainerStopSignals": False,
    "PodsAPI": False,
    "ChangeContainerStatusOnKubeletRestart": False,
    "InPlacePodLevelResourcesVerticalScaling": True,
    "ImageVolumeWithDigest": False,
}


def complaints(**settings: bool) -> list[str]:
    return [str(fault) for fault in FeatureGates(settings).faults()]


def test_the_gates_as_compiled_in_agree_with_each_other() -> None:
    assert complaints() == []
    assert all(need in KNOWN_GATES for gate in KNOWN_GATES.values() for need in gate.needs)


@pytest.mark.parametrize(("name", "on"), NAMED_BY_THE_BEHAVIOUR_REFERENCE.items())
def test_gates_that_change_what_a_kubelet_does_have_their_state_of_1_36(name: str, on: bool) -> None:
    assert FeatureGates({}).enabled(name) is on


def test_a_setting_moves_a_gate_that_is_not_locked() -> None:
    gates = FeatureGates({"EventedPLEG": True, "KubeletTracing": False})
    assert gates.enabled("EventedPLEG")
    assert gates.enabled("KubeletTracing")


def test_an_unknown_gate_a_locked_one_and_a_missing_need_are_named() -> None:
    assert complaints(EventedPleg=True) == [
        "featureGates.EventedPleg: True: no such feature gate in Kubernetes 1.36; did you mean EventedPLEG?"
    ]
    assert complaints(KubeletTracing=False) == ["featureGates.KubeletTracing: False: must be true: the gate is locked"]
    assert complaints(KubeletTracing=True) == []
    assert complaints(ContainerRestartRules=False) == [
        (
            "featureGates.RestartAllContainersOnContainerExits: True: must be false, "
            "or ContainerRestartRules must be true: the gate depends on it"
        )
    ]
    assert complaints(ContainerRestartRules=False, RestartAllContainersOnContainerExits=False) == []


def test_all_of_a_maturity_are_switched_unless_named_or_locked() -> None:
    gates = FeatureGates({"AllAlpha": True, "AllBeta": False, "EventedPLEG": False, "ContainerCheckpoint": True})
    assert gates.enabled("CRIListStreaming")
    assert not gates.enabled("EventedPLEG")
    assert not gates.enabled("PLEGOnDemandRelist")
    assert gates.enabled("ContainerCheckpoint")
    assert gates.enabled("KubeletTracing")
    assert complaints(AllBeta=False) == []


@given(st.dictionaries(st.sampled_from(sorted(KNOWN_GATES)), st.booleans()))
def test_whatever_is_set_locked_gates_stay_and_others_follow(settings: dict[str, bool]) -> None:
    gates = FeatureGates(settings)
    for name, gate in KNOWN_GATES.items():
        assert gates.enabled(name) is (gate.default if gate.locked else settings.get(name, gate.default))


def test_asking_for_a_gate_that_does_not_exist_is_a_slip_of_ours() -> None:
    with pytest.raises(KeyError):
        FeatureGates({}).enabled("Nope")


def test_alpha_gates_are_off_and_only_finished_ones_are_locked() -> None:
    for gate in KNOWN_GATES.values():
        assert gate.maturity is not Maturity.ALPHA or not gate.default
        assert not gate.locked or gate.maturity in (Maturity.GA, Maturity.DEPRECATED)
