"""This module is the lives of the runtime: one after the other, with a while without a socket in between.

A restart is what happens when containerd is restarted under its shims: connections are cut without a word, streams end,
the socket is gone; then everything is taken up from the disk again, and containers have gone on meanwhile.
"""

import asyncio
import logging
import signal
from collections.abc import Mapping

from runtime_stub import connections
from runtime_stub.behaviour.rules.restarts import Restart
from runtime_stub.control import controlling
from runtime_stub.host import Host, hosting
from runtime_stub.journal import JournalError
from runtime_stub.listener import Listener, ListenError, parse_listen
from runtime_stub.reload import Reload
from runtime_stub.server import living
from runtime_stub.settings import Settings

log = logging.getLogger(__name__)


async def run(settings: Settings, *, environ: Mapping[str, str], reload: Reload | None = None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: how.
        environ: where OTEL_* variables are read.
        reload: watches the configuration file, if there is one.

    Raises:
        ListenError, JournalError, TelemetrySettingsError, OSError: it cannot start.
    """
    async with hosting(settings, environ=environ) as host:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, host.restarts.stop)
        async with controlling(host), asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(host.telemetry.run(), name="runtime-stub/telemetry")]
            if reload is not None:
                beside.append(tasks.create_task(reload.run(host.take_over), name="runtime-stub/reload"))
            failure = await _live(host)
            for task in beside:
                task.cancel()
        if failure is not None:
            raise failure


async def _live(host: Host) -> Exception | None:
    """Live until it is time to stop; return why a life could not begin: a group must not raise that."""
    restart: Restart | None = Restart(down_seconds=0.0)
    try:
        while restart is not None:
            async with living(host, initializing_seconds=restart.initializing_seconds):
                restart = await host.restarts.next()
                if restart is None:
                    log.info("stopping")
                else:
                    log.info("restarting: away for %gs", restart.down_seconds)
                    _vanish(parse_listen(host.settings.listen))
            if restart is not None and await _stopped_within(host, restart.down_seconds):
                return None
    except (ListenError, JournalError, OSError) as error:
        return error
    return None


def _vanish(listener: Listener) -> None:
    """Be gone for those who are connected, and first for those who would connect again at once."""
    if listener.path is not None:
        listener.path.unlink(missing_ok=True)
    connections.cut(listener)


async def _stopped_within(host: Host, seconds: float) -> bool:
    try:
        await asyncio.wait_for(host.restarts.stopped.wait(), seconds)
    except TimeoutError:
        return False
    return True
