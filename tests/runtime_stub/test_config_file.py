"""A configuration file is checked in full, and every fault says where it is."""

from pathlib import Path

import pytest
import yaml

from runtime_stub.behaviour.distributions import Constant
from runtime_stub.behaviour.latency import Latency
from runtime_stub.behaviour.rules.restarts import Restart
from runtime_stub.behaviour.rules.rule import Rule, Selector, Slowness
from runtime_stub.config_file import RuntimeStubConfiguration, load_settings
from runtime_stub.settings import Settings, SettingsError

SAMPLE = Path(__file__).parents[2] / "config" / "runtime-stub.yaml"
HEAD = {"apiVersion": "kubeletsim/v1alpha1", "kind": "RuntimeStubConfiguration"}


def write(path: Path, **fields: object) -> Path:
    path.write_text(yaml.safe_dump({**HEAD, **fields}))
    return path


def test_the_sample_spells_out_the_defaults() -> None:
    assert load_settings(SAMPLE) == Settings()
    sample = yaml.safe_load(SAMPLE.read_text())
    assert sample.keys() == RuntimeStubConfiguration.model_fields.keys()


def test_an_empty_configuration_is_the_default(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path / "c.yaml")) == Settings()


def test_every_field_reaches_the_settings(tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.yaml",
        listen="tcp://127.0.0.1:7000",
        profile="crio",
        rootDir="/var/lib/x",
        seed=7,
        latency="none",
        latencies={"stats": 5},
        rules=[{"name": "slow", "match": {"rpc": "Version"}, "latency": {"add": "200ms"}}],
        restarts=[{"at": "60s", "down": "5s"}],
        clockSkew="-1m30s",
        control="127.0.0.1:7070",
        spans={"omit": ["Task/*"]},
        tracing={"endpoint": "h:4317", "samplingRatePerMillion": 10},
        images={"sandbox": "pause:1", "preloaded": ["busybox:1.35"]},
        network={"podCIDR": "10.1.0.0/16"},
        cgroupDriver="systemd",
        runtimeHandlers=["kata"],
    )

    assert load_settings(path) == Settings(
        listen="tcp://127.0.0.1:7000",
        profile="crio",
        root_dir="/var/lib/x",
        seed=7,
        latency="none",
        latencies={"stats": Latency(5.0)},
        rules=(Rule(name="slow", match=Selector(rpc=("Version",)), latency=Slowness(add=Constant(0.2))),),
        restarts=(Restart(at_seconds=60.0, down_seconds=5.0),),
        clock_skew_seconds=-90.0,
        control="127.0.0.1:7070",
        omitted_spans=("Task/*",),
        otlp_endpoint="h:4317",
        sampling_rate_per_million=10,
        sandbox_image="pause:1",
        preloaded_images=("busybox:1.35",),
        pod_cidr="10.1.0.0/16",
        cgroup_driver="systemd",
        runtime_handlers=("kata",),
    )


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"tracing": {"samplingRate": 1}}, "tracing.samplingRate: no such field; did you mean samplingRatePerMillion?"),
        ({"nosuch": 1}, "nosuch: no such field; allowed: apiVersion, "),
        ({"profile": "docker"}, 'profile: "docker": must be "containerd", "crio" or "plain"'),
        ({"profile": "containrd"}, 'profile: "containrd": must be "containerd", "crio" or "plain"; did you mean'),
        ({"seed": "x"}, 'seed: "x": must be a whole number'),
        (
            {"tracing": {"samplingRatePerMillion": 2_000_000}},
            "tracing.samplingRatePerMillion: 2000000: must be at most",
        ),
        ({"images": {"preloaded": ["a:1", "A B"]}}, 'images.preloaded[1]: "A B": invalid reference format'),
        ({"network": {"podCIDR": "x"}}, 'network.podCIDR: "x": '),
        ({"latencies": {"task.kill": -1}}, "latencies.task.kill: -1: must be a duration of at least 0"),
        ({"kind": "Pod"}, 'kind: "Pod": must be "RuntimeStubConfiguration"'),
        ({"clockSkew": 5}, "clockSkew: 5: must be a duration such as 90s"),
        ({"control": "0.0.0.0:7070"}, 'control: "0.0.0.0:7070": must be an address on loopback'),
        ({"restarts": [{"down": "5s"}]}, "restarts[0]: must have at, every or both"),
        (
            {"rules": [{"name": "a", "fault": {"hang": True}, "mach": {}}]},
            "rules[0].mach: no such field; did you mean match",
        ),
        ({"rules": [{"name": "a"}]}, "rules[0]: must have latency, fault or both"),
        (
            {"streaming": {"tls": True, "tlsCertFile": "/a"}},
            "streaming: must have both tlsCertFile and tlsPrivateKeyFile",
        ),
        (
            {"streaming": {"tlsCertFile": "/a", "tlsPrivateKeyFile": "/b"}},
            "streaming: must have tls: true for tlsCertFile",
        ),
    ],
)
def test_a_fault_names_its_path_its_value_and_what_is_allowed(
    tmp_path: Path, fields: dict[str, object], fault: str
) -> None:
    path = write(tmp_path / "c.yaml", **fields)

    with pytest.raises(SettingsError) as failure:
        load_settings(path)
    place, _, said = str(failure.value).partition(": ")
    assert place.rpartition(":")[0] == str(path), "every fault has a line"
    assert said.startswith(fault)


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as failure:
        load_settings(write(tmp_path / "c.yaml", seed="x", nosuch=1, latency="slow"))
    assert len(str(failure.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a: [", "not YAML"),
        (b"[" * 100_000, "not YAML: line 1, column 101: nested more than 100 deep"),
        (b"\xff\xfe\xff", "not YAML"),
        (b"- a", "must be a mapping"),
        (b"", "must be a mapping"),
    ],
)
def test_a_file_that_is_no_configuration_is_a_clear_error(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)

    with pytest.raises(SettingsError, match=text) as failure:
        load_settings(path)
    assert len(str(failure.value).splitlines()) == 1


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load_settings(tmp_path / "nosuch.yaml")
