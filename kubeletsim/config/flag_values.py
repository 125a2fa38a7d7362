"""The texts of flags turned into values, each kind of flag by the rules of Go's pflag and Kubernetes' own kinds.

A reader gets every text that was given for its flag, in order: scalars keep the last, lists and maps gather them all.
Upstream: `github.com/spf13/pflag` and `staging/src/k8s.io/component-base/cli/flag`.
"""

import csv
import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kubeletsim.base.duration import Duration
from kubeletsim.config.schema.structs import MemoryReservation, Taint, VModuleItem
from kubeletsim.model.quantity import Quantity

_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]*|[1-9][0-9_]*)")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of flag: what its value is called in --help, and how its texts are read."""

    name: str
    read: Callable[[Sequence[str]], Any]
    """Raises ValueError with what is allowed, as the end of "the value …"."""


def read_boolean(texts: Sequence[str]) -> bool:
    """Read `true` and `false` in the spellings of Go."""
    if texts[-1] not in _BOOLEANS:
        raise ValueError("must be true or false")
    return _BOOLEANS[texts[-1]]


def read_text(texts: Sequence[str]) -> str:
    """Take the last text as it is."""
    return texts[-1]


def integer(name: str, *, minimum: int, maximum: int) -> Kind:
    """Return the kind of a whole number, decimal or with Go's prefixes 0x, 0o and 0b."""

    def read(texts: Sequence[str]) -> int:
        text = texts[-1]
        if not _INTEGER.fullmatch(text) or len(text) > 80:
            raise ValueError("must be a whole number")
        octal = re.fullmatch(r"([+-]?)0([0-7_]+)", text)
        value = int(f"{octal[1]}0o{octal[2].lstrip('_')}" if octal else text, 0)
        if not minimum <= value <= maximum:
            raise ValueError(f"must be a whole number between {minimum} and {maximum}")
        return value

    return Kind(name, read)


def read_duration(texts: Sequence[str]) -> Duration:
    """Read a Go duration."""
    try:
        return Duration.parse(texts[-1])
    except ValueError:
        raise ValueError("must be a duration such as 1m30s") from None


def read_quantity(texts: Sequence[str]) -> Quantity:
    """Read a Kubernetes quantity."""
    try:
        return Quantity.parse(texts[-1])
    except ValueError:
        raise ValueError("must be a quantity such as 512Mi") from None


def read_ip(texts: Sequence[str]) -> str:
    """Read an IP address."""
    _require_ip(texts[-1])
    return texts[-1]


def read_ip_list(texts: Sequence[str]) -> tuple[str, ...]:
    """Read one IP address, or two of different families separated by a comma."""
    addresses = tuple(part.strip() for part in texts[-1].split(",")) if texts[-1] else ()
    for address in addresses:
        _require_ip(address)
    if len(addresses) > 2 or len({":" in address for address in addresses}) < len(addresses):
        raise ValueError("must be one IP address, or an IPv4 and an IPv6 address separated by a comma")
    return addresses


def _require_ip(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("must be an IP address") from None


def read_list(texts: Sequence[str]) -> tuple[str, ...]:
    """Read comma-separated texts; double quotes protect a comma."""
    return tuple(item for text in texts for row in csv.reader([text]) for item in row)


def mapping(separator: str = "=") -> Kind:
    """Return the kind of a map: comma-separated pairs, such as `a=1,b=2`. An empty text empties the map."""

    def read(texts: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for text in texts:
            for pair in text.split(",") if text else ():
                key, separated, value = pair.partition(separator)
                if not separated:
                    raise ValueError(f"must be pairs key{separator}value separated by commas")
                found[key.strip()] = value.strip()
        return found

    return Kind("mapStringString", read)


def read_boolean_map(texts: Sequence[str]) -> dict[str, bool]:
    """Read `Name=true,Other=false`."""
    try:
        return {name: read_boolean([text]) for name, text in mapping().read(texts).items()}
    except ValueError:
        raise ValueError("must be pairs Name=true or Name=false separated by commas") from None


def read_headers(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read `name:value,name:other`; a name may come several times."""
    headers: dict[str, tuple[str, ...]] = {}
    for text in texts:
        for pair in text.split(",") if text else ():
            name, separated, value = pair.partition(":")
            if not separated:
                raise ValueError("must be pairs name:value separated by commas")
            headers[name.strip()] = (*headers.get(name.strip(), ()), value.strip())
    return headers


def read_taints(texts: Sequence[str]) -> tuple[Taint, ...]:
    """Read `key=value:effect,key:effect`."""
    taints = []
    for spec in (spec for text in texts for spec in text.split(",") if spec):
        pair, separated, effect = spec.partition(":")
        key, _, value = pair.partition("=")
        if not separated or not key or ":" in effect or "=" in value:
            raise ValueError("must be taints key=value:effect or key:effect separated by commas")
        taints.append(Taint(key=key, value=value, effect=effect))
    return tuple(taints)


def read_reserved_memory(texts: Sequence[str]) -> tuple[MemoryReservation, ...]:
    """Read `0:memory=1Gi,hugepages-2Mi=64Mi;1:memory=2Gi`: amounts by NUMA node."""
    reservations = []
    for node in (node for text in texts for node in text.split(";") if node):
        number, separated, amounts = node.partition(":")
        try:
            limits = {kind: Quantity.parse(amount) for kind, amount in mapping().read([amounts]).items()}
            numa_node = integer("int32", minimum=0, maximum=2**31 - 1).read([number.strip()])
        except ValueError:
            separated = ""
            limits, numa_node = {}, 0
        if not separated:
            raise ValueError("must be like 0:memory=1Gi,hugepages-2Mi=64Mi;1:memory=2Gi")
        reservations.append(MemoryReservation(numaNode=numa_node, limits=limits))
    return tuple(reservations)


def read_vmodule(texts: Sequence[str]) -> tuple[VModuleItem, ...]:
    """Read `pattern=2,other=4`: log verbosity by file."""
    try:
        pairs = mapping().read(texts)
        verbosity = integer("uint32", minimum=0, maximum=2**31 - 1)
        return tuple(VModuleItem(filePattern=name, verbosity=verbosity.read([text])) for name, text in pairs.items())
    except ValueError:
        raise ValueError("must be pairs pattern=verbosity separated by commas") from None


BOOL = Kind("bool", read_boolean)
STRING = Kind("string", read_text)
INT32 = integer("int32", minimum=-(2**31), maximum=2**31 - 1)
INT64 = integer("int64", minimum=-(2**63), maximum=2**63 - 1)
VERBOSITY = integer("level", minimum=0, maximum=2**31 - 1)
DURATION = Kind("duration", read_duration)
QUANTITY = Kind("quantity", read_quantity)
IP = Kind("ip", read_ip)
IP_LIST = Kind("ip,ip", read_ip_list)
LIST = Kind("strings", read_list)
MAP = mapping()
THRESHOLDS = mapping("<")
GATES = Kind("mapStringBool", read_boolean_map)
HEADERS = Kind("colonSeparatedMultimapStringString", read_headers)
TAINTS = Kind("taints", read_taints)
RESERVED_MEMORY = Kind("reserved-memory", read_reserved_memory)
VMODULE = Kind("pattern=N,...", read_vmodule)
