"""This module is the choice of a range for pods' addresses when none is configured.

On Linux all of 127.0.0.0/8 is the machine's own: whatever listens there can be reached by every process and by nobody
else, without set-up or privilege. Each stub takes a /16 of it that no other has. The claim is an abstract Unix socket,
which lives in the same network namespace and goes with its process; nothing is left behind.
"""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

FIRST, LAST = 128, 191
"""Second bytes of the ranges that stubs choose from: 127.128.0.0/16 to 127.191.0.0/16."""

ELSEWHERE = "10.88.0.0/16"
"""Where 127.0.0.0/8 is not the machine's own, any private range does: addresses are unique, and nothing answers."""


@contextmanager
def claimed_range(preferred: str = "") -> Iterator[str]:
    """Yield a range that no other stub of this machine has as long as the block lasts.

    Args:
        preferred: the range of an earlier run, taken again if it is free.
    """
    numbers = list(range(FIRST, LAST + 1))
    candidates = [f"127.{number}.0.0/16" for number in numbers]
    if preferred in candidates:
        candidates.remove(preferred)
        candidates.insert(0, preferred)
    for candidate in candidates:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as claim:
            try:
                claim.bind(f"\0runtime-stub/pods/{candidate}")
            except OSError:
                continue  # another stub's; or not a Linux
            yield candidate
            return
    log.warning("no range of 127.0.0.0/8 is free for pods; nothing answers on addresses of %s", ELSEWHERE)
    yield ELSEWHERE
