"""Claims about what a node learns from its machine."""

import ipaddress
from pathlib import Path

import pytest

from kubeletsim.agent import host
from kubeletsim.agent.host import node_ips, node_name, parse_resolv_conf, read_host, read_resolv_conf
from kubeletsim.model.errors import ConfigError
from kubeletsim.model.requests import DNSConfig


def test_the_nodes_name_is_trimmed_and_in_lower_case() -> None:
    assert node_name("  Worker-1 ") == "worker-1"


def test_a_blank_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="--hostname-override"):
        node_name("   ")


def test_a_node_that_is_called_by_its_address_has_that() -> None:
    assert node_ips("192.0.2.7") == ("192.0.2.7",)


def test_a_name_that_means_no_address_of_this_machine_leaves_the_one_it_sends_from() -> None:
    sends_from = node_ips("no-such-host.invalid")

    assert ipaddress.ip_address(sends_from[0])
    assert node_ips("localhost") == sends_from


def test_without_a_network_loopback_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "ELSEWHERE", "255.255.255.255")  # where nobody may send to without asking

    assert node_ips("no-such-host.invalid") == ("127.0.0.1",)


def test_the_last_search_line_of_resolv_conf_wins() -> None:
    lines = [
        "# by hand",
        "nameserver 10.0.0.10",
        "nameserver fd00::a ; second",
        "search old",
        "search a.example. b",
        "",
    ]

    assert parse_resolv_conf([*lines, "options ndots:2 edns0"]) == DNSConfig(
        servers=("10.0.0.10", "fd00::a"), searches=("a.example", "b"), options=("ndots:2", "edns0")
    )


def test_no_resolver_file_turns_dns_off_and_a_missing_one_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_resolv_conf("") is None
    assert read_resolv_conf(str(tmp_path / "none")) == DNSConfig()
    assert "no name servers" in caplog.text


def test_a_host_is_read_even_if_the_root_directory_does_not_exist_yet(tmp_path: Path) -> None:
    host = read_host(tmp_path / "not" / "yet")

    assert host.memory_bytes > 0
    assert host.cpus > 0
    assert host.storage_bytes > 0


def machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory that stands for the kernel's files."""
    monkeypatch.setattr(host, "CGROUPS", root / "cgroup")
    monkeypatch.setattr(host, "OWN_CGROUP", root / "self")
    monkeypatch.setattr(host, "CPUS", root / "cpu")
    (root / "cgroup").mkdir()
    return root


def test_swap_of_the_second_version_is_seen_in_the_kubelets_own_cgroup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = machine(tmp_path, monkeypatch)
    (root / "cgroup" / "cgroup.controllers").touch()
    (root / "self").write_text("0::/system.slice/kubelet.service\n")
    assert not read_host(tmp_path).has_swap_controller

    own = root / "cgroup" / "system.slice" / "kubelet.service"
    own.mkdir(parents=True)
    (own / "memory.swap.max").touch()
    assert read_host(tmp_path).has_swap_controller


def test_swap_of_the_first_version_is_seen_at_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine(tmp_path, monkeypatch)
    (root / "cgroup" / "memory").mkdir()
    (root / "cgroup" / "memory" / "memory.memsw.limit_in_bytes").touch()

    assert (read_host(tmp_path).cgroup_v2, read_host(tmp_path).has_swap_controller) == (False, True)


def test_each_cpus_heat_is_hidden_from_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine(tmp_path, monkeypatch)
    for name in ("cpu0/thermal_throttle", "cpu1/thermal_throttle", "cpuidle/thermal_throttle", "cpu2/cache"):
        (root / "cpu" / name).mkdir(parents=True)

    assert read_host(tmp_path).thermal_paths == tuple(f"{root}/cpu/cpu{n}/thermal_throttle" for n in (0, 1))
