"""This module is the bell of a container: it wakes processes that wait for the network or for a signal.

Whoever waits looks for what it waits for, finds nothing, and yields a `Wait` that has the bell and how often it had
rung by then. So a ring between the look and the wait is never missed, and a ring too many costs one more look.
"""

from collections.abc import Callable


class Bell:
    """Something has come; look again."""

    def __init__(self) -> None:
        self.rings = 0
        self._ears: dict[int, Callable[[], None]] = {}
        self._last = 0

    def ring(self) -> None:
        """Wake everybody who listens; each ear hears one ring."""
        self.rings += 1
        ears, self._ears = self._ears, {}
        for ear in ears.values():
            ear()

    def listen(self, ear: Callable[[], None]) -> Callable[[], None]:
        """Have the next ring call `ear`; return what takes it back."""
        self._last += 1
        number = self._last
        self._ears[number] = ear
        return lambda: self._forget(number)

    def _forget(self, number: int) -> None:
        self._ears.pop(number, None)
