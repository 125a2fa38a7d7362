from pathlib import Path

import pytest

from kubeletsim.base.duration import Duration
from kubeletsim.config.flags import FLAGS, KubeletFlags, apply_flags, describe_flags, parse_flags, split_arguments
from kubeletsim.config.schema.defaults import flag_baseline
from kubeletsim.model.errors import ConfigError


def complaints(*arguments: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parse_flags(split_arguments(arguments))
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("arguments", "pairs"),
    [
        (["--port=1", "--max-pods", "2"], [("--port", "1"), ("--max-pods", "2")]),
        (["--fail-swap-on", "--port", "1"], [("--fail-swap-on", "true"), ("--port", "1")]),
        (["--fail-swap-on=false"], [("--fail-swap-on", "false")]),
        (["-v", "4"], [("-v", "4")]),
        (["-v=4"], [("-v", "4")]),
        (["--v=4"], [("--v", "4")]),
        (["--cluster-domain="], [("--cluster-domain", "")]),
        (["--oom-score-adj", "-5"], [("--oom-score-adj", "-5")]),
        (["--node_ip=1.2.3.4"], [("--node_ip", "1.2.3.4")]),
        (
            ["--eviction-hard=memory.available<1Gi,nodefs.available<5%"],
            [("--eviction-hard", "memory.available<1Gi,nodefs.available<5%")],
        ),
        ([], []),
    ],
)
def test_a_command_line_splits_into_flags_and_texts(arguments: list[str], pairs: list[tuple[str, str]]) -> None:
    assert split_arguments(arguments) == pairs


def test_minus_v_takes_its_number_without_a_space() -> None:
    assert parse_flags(split_arguments(["-v4"])).config == {"logging.verbosity": 4}


def test_flags_arrive_as_values_by_the_path_of_their_field() -> None:
    flags = parse_flags(
        split_arguments(
            [
                "--port=0x10",
                "--sync-frequency",
                "90s",
                "--anonymous-auth",
                "--feature-gates=A=true",
                "--feature-gates=B=false",
            ]
        )
    )
    assert flags.config == {
        "port": 16,
        "syncFrequency": Duration.of(seconds=90),
        "authentication.anonymous.enabled": True,
        "featureGates": {"A": True, "B": False},
    }
    assert flags.kubelet == KubeletFlags()


def test_flags_without_a_field_have_a_place_of_their_own() -> None:
    flags = parse_flags(
        [
            ("config", "/etc/kubelet.yaml"),
            ("--root-dir", "/r"),
            ("--cert-dir", "/c"),
            ("--hostname-override", "node-7"),
            ("--node-ip", "10.0.0.7,fd00::7"),
            ("--node-labels", "a=b,c=d"),
            ("--maximum-dead-containers-per-container", "2"),
            ("--maximum-dead-containers", "-1"),
            ("--minimum-container-ttl-duration", "1m"),
            ("--seccomp-default", "true"),
            ("--kubeconfig", "k"),
        ]
    ).kubelet
    assert flags == KubeletFlags(
        config=Path("/etc/kubelet.yaml"),
        root_dir=Path("/r"),
        cert_dir=Path("/c"),
        hostname_override="node-7",
        node_ip=("10.0.0.7", "fd00::7"),
        node_labels={"a": "b", "c": "d"},
        maximum_dead_containers_per_container=2,
        maximum_dead_containers=-1,
        minimum_container_ttl_duration=Duration.of(minutes=1),
        seccomp_default=True,
        kubeconfig=Path("k"),
    )


def test_every_unknown_flag_and_stray_argument_is_named() -> None:
    assert complaints("--prot", "1", "run", "--hostname-overide=x", "--port", "1", "--max-pods") == [
        "--prot: no such flag; did you mean --port?",
        "run: no such argument; flags begin with --",
        "--hostname-overide: no such flag; did you mean --hostname-override?",
        "--max-pods: needs a value",
    ]
    assert complaints("-") == ["-: no such argument; flags begin with --"]
    assert complaints("--") == ["--: no such argument; flags begin with --"]


def test_every_bad_value_is_named() -> None:
    assert complaints("--port=http", "--sync-frequency=10", "--feature-gates=EventedPLEG", "--node-ip=here") == [
        '--port: "http": must be a whole number',
        '--sync-frequency: "10": must be a duration such as 1m30s',
        '--feature-gates: "EventedPLEG": must be pairs Name=true or Name=false separated by commas',
        '--node-ip: "here": must be an IP address',
    ]


def test_applied_flags_replace_values_but_merge_feature_gates() -> None:
    base = apply_flags(flag_baseline(), {"featureGates": {"A": True, "B": True}, "evictionHard": {"x": "1"}})
    config = apply_flags(
        base, {"featureGates": {"B": False}, "evictionHard": {"y": "2"}, "logging.options.json.splitStream": True}
    )
    assert config.featureGates == {"A": True, "B": False}
    assert config.evictionHard == {"y": "2"}
    assert config.logging.options.json_.splitStream


def test_help_covers_every_flag_or_those_named() -> None:
    described = {flag.name: flag for flag in describe_flags()}
    assert set(described) == set(FLAGS)
    assert all(flag.help and flag.type for flag in described.values())
    assert (described["sync-frequency"].default, described["sync-frequency"].type) == ("1m0s", "duration")
    assert described["enforce-node-allocatable"].default == "pods"
    assert described["enable-server"].default == "true"
    assert described["v"].shorthand == "v"
    assert [flag.name for flag in describe_flags(["port", "config"])] == ["port", "config"]


def test_no_flag_is_listed_twice_and_no_field_has_two() -> None:
    paths = [flag.path for flag in FLAGS.values() if flag.path]
    assert len(paths) == len(set(paths))
    assert len(FLAGS) > 110
