"""This module is where pods are put: the range of their addresses, and the word to the user who gets there."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from runtime_stub.network.machine_addresses import is_bindable
from runtime_stub.network.ranges import claimed_range
from runtime_stub.state.addresses import parse_ranges

log = logging.getLogger(__name__)

POD_CIDR = "podCIDR"
"""The setting that UpdateRuntimeConfig changes."""
_POD_RANGE = "podRange"
"""The setting that keeps the range which the stub has chosen."""


_REMEDIES = {
    4: "ip route add local {network} dev lo",
    6: "ip -6 route add local {network} dev lo; sysctl net.ipv6.ip_nonlocal_bind=1",
}
"""Commands by the version of the Internet Protocol."""


class Memory(Protocol):
    """What outlasts a restart of the stub."""

    def setting(self, name: str) -> str | None:
        """Return a setting, if it was ever changed."""

    def change_setting(self, name: str, value: str) -> None:
        """Write a setting down."""


@contextmanager
def pod_range(configured: str, memory: Memory) -> Iterator[str]:
    """Yield the range of pods' addresses, which is theirs as long as the block lasts.

    Args:
        configured: the configuration's; one that a caller has set at run time wins. Empty: a free one.
        memory: knows what was set and chosen before.
    """
    given = memory.setting(POD_CIDR) or configured
    if given:
        yield given
        return
    with claimed_range(memory.setting(_POD_RANGE) or "") as chosen:
        memory.change_setting(_POD_RANGE, chosen)
        yield chosen


def change_pod_range(pod_cidr: str, memory: Memory) -> None:
    """Remember the range that a caller has set."""
    memory.change_setting(POD_CIDR, pod_cidr)
    tell_of_pod_range(pod_cidr)


def tell_of_pod_range(pod_cidr: str) -> None:
    """Say in the log whether this machine's processes reach pods at their addresses."""
    for network in parse_ranges(pod_cidr):
        if is_bindable(network):
            log.info("pods get addresses of %s, where this machine's processes reach them", network)
        else:
            log.warning(
                "pods get addresses of %s, which are not this machine's: network probes fail, port-forward works; "
                "as root, `%s` makes them so",
                network,
                _REMEDIES[network.version].format(network=network),
            )
