"""This module is chance that repeats: a generator for each occurrence of each thing, made from the seed.

What a call draws must not depend on what else runs at the time, or no two runs are alike. So a generator belongs to a
key, such as an RPC and the pod it is about, and to the count of that key's occurrences so far.
"""

import random
from collections import OrderedDict

_KEPT = 10_000
"""Keys whose occurrences are counted; the one unused for longest is forgotten and begins again."""


class Chance:
    """Generators of one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._counts: OrderedDict[str, int] = OrderedDict()

    def next(self, key: str) -> str:
        """Return the name of a key's next occurrence, from which `generator` makes the same generator each time."""
        counts = self._counts
        number = counts.pop(key, 0) + 1
        counts[key] = number
        if len(counts) > _KEPT:
            counts.popitem(last=False)
        return f"{self._seed}/{key}/{number}"


def generator(name: str) -> random.Random:
    """Return a new generator of a name; equal names, equal draws."""
    return random.Random(name)
