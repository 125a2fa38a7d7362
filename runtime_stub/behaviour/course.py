"""This module is the course of work in two stages: the first of several members at a time, the second of one at a time.

So an image's layers come: some are fetched together, and each is unpacked when it and those before it are there.
"""


class Course:
    """When each stage can begin; any unit and origin of time will do.

    Args:
        at_once: how many first stages there are at a time.
        begins: the first of them.
    """

    def __init__(self, *, at_once: int, begins: float = 0.0) -> None:
        self._free = [begins] * at_once
        """When there is room for one more first stage."""
        self._finished = begins

    def begin(self) -> float:
        """Return when the next member's first stage begins."""
        return min(self._free)

    def arrive(self, at: float) -> float:
        """Note the end of that first stage, and return when the second begins."""
        self._free[self._free.index(min(self._free))] = at
        return max(at, self._finished)

    def finish(self, at: float) -> None:
        """Note the end of that second stage."""
        self._finished = max(self._finished, at)

    @property
    def end(self) -> float:
        """When all is done."""
        return max(self._finished, *self._free)
