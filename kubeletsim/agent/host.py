"""The host: what the node learns from the machine it runs on, read once at start.

Everything is optional: a simulator runs on machines that lack half of what a node has. What cannot be read is left at
its neutral value, and only downward API fields, `/etc/hosts` and DNS settings of pods notice.
"""

import ipaddress
import logging
import os
import shutil
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kubeletsim.model.errors import ConfigError, Fault
from kubeletsim.model.requests import DNSConfig

log = logging.getLogger(__name__)

HOSTS_FILE = Path("/etc/hosts")
HUGEPAGES = Path("/sys/kernel/mm/hugepages")
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
CPUS = Path("/sys/devices/system/cpu")
SELINUX_MARK = Path("/sys/fs/selinux/enforce")
APPARMOR = Path("/sys/kernel/security/apparmor")
APPARMOR_SWITCH = Path("/sys/module/apparmor/parameters/enabled")


ELSEWHERE = "198.51.100.1"
"""An address that is on no machine: of the range for documentation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One machine."""

    hosts_file: str = ""
    memory_bytes: int = 0
    cpus: int = 1
    storage_bytes: int = 0
    hugepage_sizes: tuple[str, ...] = ()
    """As CRI spells them: `2MB`, `1GB`."""
    cgroup_v2: bool = True
    has_swap_controller: bool = False
    """Whether the swap of a cgroup can be limited."""
    thermal_paths: tuple[str, ...] = ()
    """What tells a container of other tenants by each CPU's heat."""
    selinux: bool = False
    apparmor: bool = False


def read_host(root_dir: Path) -> Host:
    """Look at this machine; `root_dir` tells which file system holds the pods' storage."""
    existing = next(path for path in (root_dir, *root_dir.parents) if path.exists())
    return Host(
        hosts_file=_text_of(HOSTS_FILE),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        cpus=os.cpu_count() or 1,
        storage_bytes=shutil.disk_usage(existing).total,
        hugepage_sizes=_hugepage_sizes(),
        cgroup_v2=_has_cgroup_v2(),
        has_swap_controller=_has_swap_controller(),
        thermal_paths=tuple(sorted(map(str, CPUS.glob("cpu[0-9]*/thermal_throttle")))),
        selinux=SELINUX_MARK.exists(),
        apparmor=APPARMOR.exists() and _text_of(APPARMOR_SWITCH).startswith("Y"),
    )


def node_name(override: str) -> str:
    """Return the node's name: `--hostname-override` or the host's name, trimmed and in lower case.

    Raises:
        ConfigError: nothing is left of it. Upstream: pkg/util/node/node.go, GetHostname.
    """
    name = (override or socket.gethostname()).strip().lower()
    if not name:
        raise ConfigError([Fault("--hostname-override", override, "must not be empty")])
    return name


def node_ips(name: str) -> tuple[str, ...]:
    """Return the addresses of a node without `--node-ip`, as NodeAddress in pkg/kubelet/nodestatus does.

    That is what its name says or resolves to, if it is an address of this machine; else the one that the default route
    starts from; else, on a machine without a network, loopback.
    """
    try:
        return (str(ipaddress.ip_address(name)),)
    except ValueError:
        resolved = _resolve(name)
    found = next((address for address in resolved if _is_own(address)), None) or _default_address()
    return (found or "127.0.0.1",)


def _resolve(name: str) -> list[str]:
    try:
        return list(dict.fromkeys(str(one[4][0]) for one in socket.getaddrinfo(name, None, socket.AF_INET)))
    except OSError:
        return []


def _is_own(address: str) -> bool:
    """Tell whether an address is one by which this machine is reached from elsewhere."""
    parsed = ipaddress.ip_address(address)
    if parsed.is_loopback or parsed.is_multicast or parsed.is_link_local or parsed.is_unspecified:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _default_address() -> str | None:
    """Return the address from which this machine would send to the world; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((ELSEWHERE, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def read_resolv_conf(path: str) -> DNSConfig | None:
    """Read `resolvConf`; None when the configuration names no file, which turns DNS set-up off.

    A file that cannot be read counts as empty: pods then have no resolver, and a warning says why.
    """
    if not path:
        return None
    try:
        text = Path(path).read_text()
    except OSError as error:
        log.warning("resolvConf %s: %s; pods get no name servers from it", path, error.strerror)
        return DNSConfig()
    return parse_resolv_conf(text.splitlines())


def parse_resolv_conf(lines: Iterable[str]) -> DNSConfig:
    """Parse resolv.conf: every `nameserver`, the last `search`, the last `options` (pkg/kubelet/network/dns/dns.go)."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    for line in lines:
        keyword, *values = line.split("#")[0].split(";")[0].split() or [""]
        if keyword == "nameserver" and values:
            servers.append(values[0])
        elif keyword == "search":
            searches = tuple(value.rstrip(".") or "." for value in values)
        elif keyword == "options":
            options = tuple(values)
    return DNSConfig(servers=tuple(servers), searches=searches, options=options)


def _has_cgroup_v2() -> bool:
    return (CGROUPS / "cgroup.controllers").exists()


def _has_swap_controller() -> bool:
    """Tell whether swap is accounted for; the root cgroup of version 2 does not say, so the kubelet's own is asked."""
    if not _has_cgroup_v2():
        return (CGROUPS / "memory" / "memory.memsw.limit_in_bytes").exists()
    own = next((line[3:] for line in _text_of(OWN_CGROUP).splitlines() if line.startswith("0::")), "/")
    return (CGROUPS / own.strip().lstrip("/") / "memory.swap.max").exists()


def _text_of(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _hugepage_sizes() -> tuple[str, ...]:
    """Return the page sizes of `hugepages-2048kB` and the like, as `2MB`."""
    if not HUGEPAGES.is_dir():
        return ()
    kilobytes = sorted(int(entry.name.removeprefix("hugepages-").removesuffix("kB")) for entry in HUGEPAGES.iterdir())
    return tuple(f"{size // 1024 // 1024}GB" if size >= 1024 * 1024 else f"{size // 1024}MB" for size in kilobytes)
