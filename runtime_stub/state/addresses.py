"""This module is the address plan of the simulated pod network: unique while held, reused as late as possible.

One address of each given range goes to a sandbox, so two ranges of different
families make pods dual-stack, as with a CNI plugin that delegates to host-local.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from itertools import chain

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_ranges(pod_cidr: str) -> tuple[Network, ...]:
    """Return the ranges of a comma-separated list as UpdateRuntimeConfig gets it.

    Raises:
        ValueError: a part is no network, or one is too small to hold an address for a pod.
    """
    ranges = tuple(ipaddress.ip_network(part.strip(), strict=False) for part in pod_cidr.split(","))
    for network in ranges:
        if network.num_addresses < 4:  # network, gateway, one pod, broadcast
            raise ValueError(f"{network} holds no address for a pod")
    return ranges


class AddressPool:
    """Hands out addresses in rising order and wraps around at the end of a range."""

    def __init__(self, ranges: Sequence[Network]) -> None:
        self._ranges = tuple(ranges)
        self._last = [1] * len(self._ranges)  # offset 0 is the network, offset 1 its gateway
        self._held: set[str] = set()

    @property
    def ranges(self) -> str:
        """The ranges as text, for messages."""
        return ",".join(str(network) for network in self._ranges)

    @property
    def networks(self) -> tuple[Network, ...]:
        """The ranges."""
        return self._ranges

    def use(self, ranges: Sequence[Network]) -> None:
        """Take later addresses from other ranges; addresses that are held stay held."""
        if tuple(ranges) != self._ranges:
            self._ranges = tuple(ranges)
            self._last = [1] * len(self._ranges)

    def hold(self, addresses: Iterable[str]) -> None:
        """Mark addresses of restored sandboxes as taken."""
        self._held.update(addresses)

    def take(self) -> tuple[str, ...]:
        """Return one address of each range, or nothing at all when a range is exhausted."""
        taken = tuple(address for index in range(len(self._ranges)) if (address := self._next(index)))
        if len(taken) < len(self._ranges):
            return ()
        self._held.update(taken)
        return taken

    def release(self, addresses: Iterable[str]) -> None:
        """Free addresses."""
        self._held.difference_update(addresses)

    def _next(self, index: int) -> str | None:
        network, last = self._ranges[index], self._last[index]
        end = network.num_addresses - 1  # the broadcast address
        for offset in chain(range(last + 1, end), range(2, last + 1)):
            address = str(network[offset])
            if address not in self._held:
                self._last[index] = offset
                return address
        return None
