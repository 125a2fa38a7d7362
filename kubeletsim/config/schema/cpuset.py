"""The list of CPUs as Linux and the kubelet write it: `0-3,8`.

Upstream: `k8s.io/utils/cpuset`.
"""

import re

_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")
_MOST_CPUS = 1 << 20
"""More than any machine has; a typo in a range should not cost memory."""


def parse_cpu_set(text: str) -> frozenset[int]:
    """Read a CPU list; an empty text is the empty set.

    Raises:
        ValueError: a part is neither a number nor a rising range.
    """
    cpus: set[int] = set()
    for part in text.split(",") if text else []:
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is neither a CPU number nor a range such as 0-3")
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if first > last:
            raise ValueError(f"the range {part} runs backwards")
        if last >= _MOST_CPUS:
            raise ValueError(f"there is no CPU {last}")
        cpus.update(range(first, last + 1))
    return frozenset(cpus)
