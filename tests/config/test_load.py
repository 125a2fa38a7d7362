import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kubeletsim.config.findings import Finding
from kubeletsim.config.load import check, load
from kubeletsim.config.schema.kubelet import API_VERSION, KIND, KubeletConfiguration
from kubeletsim.config.schema.validation import HostFacts
from kubeletsim.config.show import to_configz
from kubeletsim.model.errors import ConfigError
from tests.strategies import json_documents

HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
SAMPLE = Path(__file__).parents[2] / "config" / "kubelet.yaml"


@pytest.fixture
def main(tmp_path: Path) -> Path:
    return tmp_path / "kubelet.yaml"


def write(file: Path, text: str, *, head: str = HEAD) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(head + text)
    return file


def complaints(file: Path | None, **arguments: Any) -> list[str]:
    """Return what load refuses, one line a fault, without the temporary directory."""
    with pytest.raises(ConfigError) as refused:
        load(file, **arguments)
    return [line.replace(f"{file.parent}/" if file else "", "") for line in str(refused.value).splitlines()]


def test_the_sample_is_valid_and_needs_no_api_server() -> None:
    assert check(SAMPLE, has_api_client=False) == []
    config = load(SAMPLE).config
    assert config.tracing is not None
    assert config.tracing.samplingRatePerMillion == 1_000_000
    assert config.staticPodPath == str(SAMPLE.parent / "manifests")


def test_an_unknown_field_is_a_warning_with_its_place_and_the_rest_counts(main: Path) -> None:
    loaded = load(write(main, "maxPods: 7\ntracing:\n  samplingRate: 1\nstaticpodpath: x\n"))
    assert loaded.config.maxPods == 7
    assert [str(warning) for warning in loaded.warnings] == [
        f"{main}:5: tracing.samplingRate: no such field; did you mean samplingRatePerMillion?",
        f"{main}:6: staticpodpath: no such field; did you mean staticPodPath?",
    ]


def test_of_a_key_given_twice_the_last_counts_with_a_warning(main: Path) -> None:
    loaded = load(write(main, "maxPods: 7\nmaxPods: 8\n"))
    assert loaded.config.maxPods == 8
    assert [str(warning) for warning in loaded.warnings] == [
        f"{main}:4: maxPods: must be given once; the last one counts"
    ]


def test_a_wrong_type_stops_it_with_file_line_and_path(main: Path) -> None:
    assert complaints(write(main, "maxPods: many\n")) == ['kubelet.yaml:3: maxPods: "many": must be a whole number']


def test_every_fault_is_named_not_only_the_first(main: Path) -> None:
    text = (
        "maxPods: many\nport: 70000\nregistryBurst: -1\n"
        "featureGates: {KubeletTracing: false}\nauthorization: {mode: Ask}\n"
    )
    assert complaints(write(main, text)) == [
        'kubelet.yaml:3: maxPods: "many": must be a whole number',
        "kubelet.yaml:4: port: 70000: must be between 1 and 65535",
        "kubelet.yaml:5: registryBurst: -1: must be at least 0",
        "kubelet.yaml:6: featureGates.KubeletTracing: false: must be true: the gate is locked",
        'kubelet.yaml:7: authorization.mode: "Ask": must be one of AlwaysAllow, Webhook',
    ]


def test_a_check_counts_warnings_as_faults(main: Path) -> None:
    write(main, "nope: 1\nmaxPods: many\nmaxPods: -1\ncgroupDriver: mine\n---\nmore: 1\n")
    assert [str(fault).removeprefix(f"{main}:") for fault in check(main)] == [
        "3: nope: no such field",
        "5: maxPods: must be given once; the last one counts",
        "5: maxPods: -1: must be at least 0",
        '6: cgroupDriver: "mine": must be one of cgroupfs, systemd',
        " document: must be the only one; what follows it is not read",
    ]


def test_a_rule_about_a_field_that_could_not_be_decoded_is_not_held_against_its_default(main: Path) -> None:
    write(main, "imageGCLowThresholdPercent: [90]\nregisterWithTaints: [{key: 1}]\n")
    assert [fault.path for fault in check(main)] == ["imageGCLowThresholdPercent", "registerWithTaints[0].key"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "kubelet.yaml: document: is empty; must be a KubeletConfiguration of kubelet.config.k8s.io/v1beta1"),
        ("- 1\n", "kubelet.yaml: document: must be a mapping: a KubeletConfiguration of kubelet.config.k8s.io/v1beta1"),
        ("a: [\n", "kubelet.yaml:2: YAML: cannot be read: "),
        ("kind: KubeletConfiguration\n", "kubelet.yaml: apiVersion: must be kubelet.config.k8s.io/v1beta1"),
        ("apiVersion: kubelet.config.k8s.io/v1beta1\n", "kubelet.yaml: kind: must be KubeletConfiguration"),
        (
            "apiVersion: v1\nkind: Pod\nspec: {}\n",
            'kubelet.yaml:1: apiVersion: "v1": must be kubelet.config.k8s.io/v1beta1',
        ),
        (
            "apiVersion: kubelet.config.k8s.io/v1\nkind: KubeletConfiguration\n",
            'kubelet.yaml:1: apiVersion: "kubelet.config.k8s.io/v1": must be kubelet.config.k8s.io/v1beta1',
        ),
    ],
)
def test_a_file_that_is_no_kubelet_configuration_is_refused(main: Path, text: str, complaint: str) -> None:
    assert complaints(write(main, text, head=""))[0].startswith(complaint)


def test_a_missing_kind_does_not_hide_other_faults(main: Path) -> None:
    assert complaints(write(main, "port: 0x\n", head="")) == [
        'kubelet.yaml:1: port: "0x": must be a whole number',
        "kubelet.yaml: apiVersion: must be kubelet.config.k8s.io/v1beta1",
        "kubelet.yaml: kind: must be KubeletConfiguration",
    ]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    missing, directory, binary = tmp_path / "no.yaml", tmp_path, tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    assert complaints(missing) == ['--config: "no.yaml": must be a file that can be read: No such file or directory']
    assert complaints(directory)[0].endswith("must be a file that can be read: Is a directory")
    assert complaints(binary) == ['--config: "binary": must be UTF-8 text; byte 0 is not']
    assert [fault.path for fault in check(missing)] == ["--config"]


def test_json_is_read_as_well(main: Path) -> None:
    main.write_text('{"apiVersion": "kubelet.config.k8s.io/v1beta1",\n\t"kind": "KubeletConfiguration", "maxPods": 7}')
    assert load(main).config.maxPods == 7


def test_relative_paths_count_from_the_files_directory(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        main,
        "staticPodPath: pods/../manifests\npodLogsDir: logs/\ntlsCertFile: ./tls.crt\ntlsPrivateKeyFile: ../tls.key\n"
        "resolvConf: resolv.conf\nvolumePluginDir: plugins\nauthentication: {x509: {clientCAFile: ca.crt}}\n"
        "kubeletCgroups: not/a/path\n",
    )
    monkeypatch.chdir(main.parent)
    config = load(Path("kubelet.yaml")).config
    directory = str(main.parent)
    assert config.staticPodPath == f"{directory}/manifests"
    assert config.podLogsDir == f"{directory}/logs"
    assert config.tlsCertFile == f"{directory}/tls.crt"
    assert config.tlsPrivateKeyFile == f"{main.parent.parent}/tls.key"
    assert config.resolvConf == f"{directory}/resolv.conf"
    assert config.volumePluginDir == f"{directory}/plugins"
    assert config.authentication.x509.clientCAFile == f"{directory}/ca.crt"
    assert config.kubeletCgroups == "not/a/path"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree"}),
        ("evictionHard: {pid.available: 10%}", {"pid.available"}),
        ("evictionHard: {}", set()),
        (
            "evictionHard: {pid.available: 10%, nodefs.available: 1%}\nmergeDefaultEvictionSettings: true",
            {
                "pid.available",
                "memory.available",
                "nodefs.available",
                "nodefs.inodesFree",
                "imagefs.available",
                "imagefs.inodesFree",
            },
        ),
    ],
)
def test_hard_eviction_thresholds_are_filled_as_the_main_file_asks(main: Path, text: str, expected: set[str]) -> None:
    thresholds = load(write(main, text)).config.evictionHard or {}
    assert set(thresholds) == expected
    if "nodefs.available: 1%" in text:
        assert thresholds["nodefs.available"] == "1%"


def test_without_a_file_a_kubelet_starts_from_its_old_defaults() -> None:
    config = load(None).config
    assert config.authentication.anonymous.enabled
    assert not config.authentication.webhook.enabled
    assert config.authorization.mode == "AlwaysAllow"
    assert config.readOnlyPort == 10255
    assert config.evictionHard is None


def test_flags_override_files_and_drop_ins(main: Path, tmp_path: Path) -> None:
    write(main, "port: 1\nmaxPods: 1\nfeatureGates: {EventedPLEG: true, MemoryQoS: true}\n")
    write(tmp_path / "d" / "a.conf", "maxPods: 2\nregistryBurst: 2\n")
    flags = {"maxPods": 3, "featureGates": {"EventedPLEG": False}, "authentication.anonymous.enabled": True}
    loaded = load(main, config_dir=tmp_path / "d", flags=flags)
    assert (loaded.config.port, loaded.config.maxPods, loaded.config.registryBurst) == (1, 3, 2)
    assert loaded.config.authentication.anonymous.enabled
    assert loaded.config.featureGates == {"EventedPLEG": False, "MemoryQoS": True}
    assert not loaded.gates.enabled("EventedPLEG")
    assert loaded.gates.enabled("MemoryQoS")


def test_a_flag_may_put_right_what_the_file_has_wrong_and_is_blamed_for_its_own_faults(main: Path) -> None:
    write(main, "port: 70000\n")
    assert load(main, flags={"port": 10250}).config.port == 10250
    assert complaints(main, flags={"port": 80000}) == ["--port: 80000: must be between 1 and 65535"]
    assert complaints(main, flags={"port": 1, "featureGates": {"Nope": True}}) == [
        "--feature-gates: true: no such feature gate in Kubernetes 1.36"
    ]


def test_a_zero_given_by_flag_stays_zero(main: Path) -> None:
    assert complaints(write(main, ""), flags={"port": 0}) == ["--port: 0: must be between 1 and 65535"]
    assert load(main, flags={"maxPods": 0, "enforceNodeAllocatable": ()}).config.maxPods == 0


def test_faults_of_drop_ins_carry_their_own_file_and_line(main: Path, tmp_path: Path) -> None:
    write(main, "port: 70000\nmaxPods: 7\n")
    first = write(tmp_path / "d" / "10.conf", "port: 80000\nnope: 1\n")
    second = write(tmp_path / "d" / "20.conf", "maxPods: many\n")
    assert complaints(main, config_dir=tmp_path / "d") == [
        "d/10.conf:3: port: 80000: must be between 1 and 65535",
        'd/20.conf:3: maxPods: "many": must be a whole number',
    ]
    write(first, "port: 1\nnope: 1\n")
    write(second, "")
    loaded = load(main, config_dir=tmp_path / "d")
    assert [str(warning) for warning in loaded.warnings] == [f"{first}:4: nope: no such field"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HEAD + "maxPods: 1\nmaxPods: 2\n", "a.conf:4: maxPods: must be given once; the last one counts"),
        ("", "a.conf: document: is empty"),
        ("maxPods: 1\n", "a.conf: apiVersion: must be kubelet.config.k8s.io/v1beta1"),
        ("kind: Pod\napiVersion: v1\n", 'a.conf:2: apiVersion: "v1": must be kubelet.config.k8s.io/v1beta1'),
        ("a: [", "a.conf:2: YAML: cannot be read"),
    ],
)
def test_drop_ins_are_forgiven_less_than_the_main_file(tmp_path: Path, text: str, complaint: str) -> None:
    main = write(tmp_path / "kubelet.yaml", "")
    write(tmp_path / "d" / "a.conf", text, head="")
    assert complaint in "\n".join(complaints(main, config_dir=tmp_path / "d"))


def test_one_unreadable_drop_in_does_not_hide_the_faults_of_others(main: Path, tmp_path: Path) -> None:
    write(main, "maxPods: many\n")
    write(tmp_path / "d" / "a.conf", "a: [", head="")
    (tmp_path / "d" / "b.conf").symlink_to(tmp_path / "nowhere")
    write(tmp_path / "d" / "c.conf", "port: 70000\n")
    found = complaints(main, config_dir=tmp_path / "d")
    assert len(found) == 4
    assert any(line.startswith("--config-dir: ") for line in found)


def test_a_missing_drop_in_directory_is_refused(main: Path, tmp_path: Path) -> None:
    write(main, "")
    assert "--config-dir: " in complaints(main, config_dir=tmp_path / "none")[0]
    assert "must be a directory that can be read: Not a directory" in complaints(main, config_dir=main)[0]


def test_an_empty_drop_in_directory_changes_nothing_but_what_a_merge_forgets(main: Path, tmp_path: Path) -> None:
    write(main, "maxPods: 7\nresolvConf: ''\n")
    os.mkdir(tmp_path / "d")  # noqa: PTH102
    assert load(main, config_dir=tmp_path / "d").config == load(main).config


def test_webhooks_need_an_api_client_if_it_is_known_that_there_is_none(main: Path) -> None:
    write(main, "")
    assert not check(main)
    assert not check(main, has_api_client=True)
    assert [fault.path for fault in check(main, has_api_client=False)] == [
        "authentication.webhook.enabled",
        "authorization.mode",
    ]


def test_the_machine_counts_only_when_a_caller_says_what_it_is_like(main: Path) -> None:
    write(main, "singleProcessOOMKill: false\n")
    assert not check(main)
    old = HostFacts(cgroup_version=1, swap_enabled=True)
    assert [fault.path for fault in check(main, host=old)] == ["singleProcessOOMKill", "failCgroupV1", "failSwapOn"]
    flags = {"failCgroupV1": False, "failSwapOn": False, "singleProcessOOMKill": None}
    assert not check(main, host=old, flags=flags)


def test_dependent_defaults_follow_what_the_file_gives(main: Path) -> None:
    def loaded(text: str) -> KubeletConfiguration:
        return load(write(main, text)).config

    assert str(loaded("nodeStatusUpdateFrequency: 30s").nodeStatusReportFrequency) == "30s"
    assert str(loaded("nodeStatusUpdateFrequency: 0s").nodeStatusReportFrequency) == "5m0s"
    assert not loaded("maxParallelImagePulls: 2").serializeImagePulls
    assert loaded("maxParallelImagePulls: 1").serializeImagePulls
    assert loaded("podPidsLimit: -7").podPidsLimit == -1
    off = loaded("featureGates: {KubeletCrashLoopBackOffMax: false, KubeletEnsureSecretPulledImages: false}")
    assert off.crashLoopBackOff.maxContainerRestartPeriod is None
    assert off.imagePullCredentialsVerificationPolicy == ""


@given(st.dictionaries(st.sampled_from(sorted(KubeletConfiguration.model_fields)), json_documents(), max_size=6))
@example({"cpuManagerPolicyOptions": {"a": ""}})
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_document_holds_it_is_loaded_or_refused_and_a_check_agrees(
    main: Path, document: dict[str, object]
) -> None:
    main.write_text(json.dumps({**document, "apiVersion": API_VERSION, "kind": KIND}))
    faults = check(main)
    fatal = [fault for fault in faults if isinstance(fault, Finding) and fault.fatal]
    if fatal:
        with pytest.raises(ConfigError) as refused:
            load(main)
        assert list(refused.value.faults) == fatal
    else:
        loaded = load(main)
        assert list(loaded.warnings) == faults
        assert to_configz(loaded.config)
