"""`python -m kubeletsim.agent`: the daemon by itself, which is what `kubeletsim run` becomes.

It takes a kubelet's flags and nothing else. Keeping it apart from the command line's libraries keeps it small.
"""

import asyncio
import logging
import os
import random
import signal
import sys
from collections.abc import Sequence

from kubeletsim.agent.node import Node, Surroundings
from kubeletsim.base import logs
from kubeletsim.base.timing import SystemClock
from kubeletsim.config.flags import parse_flags, split_arguments
from kubeletsim.config.load import load
from kubeletsim.model.errors import ConfigError, Fault, KubeletSimError

log = logging.getLogger("kubeletsim.agent")


def main(arguments: Sequence[str]) -> int:
    """Run a node until a signal ends it; return the exit code: 0 stopped, 1 failed, 2 bad flags or configuration."""
    try:
        asyncio.run(_run_until_signal(_node(arguments)))
    except ConfigError as error:
        return _report(error, code=2)
    except KubeletSimError as error:
        return _report(error, code=1)
    return 0


def _node(arguments: Sequence[str]) -> Node:
    """Understand flags and configuration, set up logging, build the node."""
    parsed = parse_flags(split_arguments(arguments))
    flags = parsed.kubelet
    if flags.kubeconfig is not None:
        rule = "must be absent: this version runs standalone, without an API server"
        raise ConfigError([Fault("--kubeconfig", str(flags.kubeconfig), rule)])
    loaded = load(flags.config, config_dir=flags.config_dir, flags=parsed.config)
    logging_config = loaded.config.logging
    logs.configure(format_="json" if logging_config.format == "json" else "text", verbosity=logging_config.verbosity)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    surroundings = Surroundings(clock=SystemClock(), rng=random.Random(), environ=os.environ)
    return Node(loaded.config, flags, surroundings=surroundings)


async def _run_until_signal(node: Node) -> None:
    loop = asyncio.get_running_loop()
    running = loop.create_task(node.run(), name=node.name)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        log.info("Stopped kubelet %s", node.name)


def _report(error: KubeletSimError, *, code: int) -> int:
    print(f"kubeletsim: {error}".replace("\n", "\nkubeletsim: "), file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
