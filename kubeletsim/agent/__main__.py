"""`python -m kubeletsim.agent`: the daemon by itself, which is what `kubeletsim run` becomes.

It takes a kubelet's flags and nothing else. Keeping it apart from the command line's libraries keeps it small.
"""

import asyncio
import contextlib
import importlib.util
import logging
import os
import random
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kubeletsim.agent.effective import BAD_CONFIGURATION, FAILED, Effective, begin_reading, report
from kubeletsim.base import logs
from kubeletsim.base.timing import SystemClock
from kubeletsim.model.errors import ConfigError, KubeletSimError

if TYPE_CHECKING:
    from kubeletsim.agent.node import Node


def main(arguments: Sequence[str]) -> int:
    """Run a node until a signal ends it; return the exit code: 0 stopped, 1 failed, 2 bad flags or configuration."""
    pending = begin_reading(arguments)
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # a runtime that goes away is for our log to report
    _travel_light()
    import kubeletsim.agent.node  # noqa: F401  takes as long as the child's reading does

    effective = pending.wait()
    if isinstance(effective, int):
        return effective
    try:
        _run(effective)
    except ConfigError as error:
        report(error)
        return BAD_CONFIGURATION
    except KubeletSimError as error:
        report(error)
        return FAILED
    return 0


def _travel_light() -> None:
    """Keep out of this process what libraries load although a node has no use for it, some 4 MB.

    lightkube's `__init__`, which runs before any of its models, imports an HTTP client; a package that is registered
    already, found but not run, is taken as it is. gRPC and OpenTelemetry load a compiler and a process library if they
    happen to be installed, as they are beside the tests.
    """
    spec = importlib.util.find_spec("lightkube")
    if spec is not None:
        sys.modules.setdefault("lightkube", importlib.util.module_from_spec(spec))
    for name in ("grpc_tools", "psutil"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None makes importing it fail


def _run(effective: Effective) -> None:
    from kubeletsim.agent.node import Node, Surroundings

    settings = effective.config.logging
    logs.configure(format_="json" if settings.format == "json" else "text", verbosity=settings.verbosity)
    for warning in effective.warnings:
        logging.getLogger("kubeletsim.config").warning("%s", warning)
    surroundings = Surroundings(clock=SystemClock(), rng=random.Random(), environ=os.environ)
    asyncio.run(_run_until_signal(Node(effective, surroundings=surroundings)))


async def _run_until_signal(node: "Node") -> None:
    loop = asyncio.get_running_loop()
    running = loop.create_task(node.run(), name=node.name)

    def terminate() -> None:
        if not node.begin_shutdown():
            running.cancel()

    loop.add_signal_handler(signal.SIGINT, running.cancel)
    loop.add_signal_handler(signal.SIGTERM, terminate)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    logging.getLogger("kubeletsim.agent").info("Stopped kubelet %s", node.name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
