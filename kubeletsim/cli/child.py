"""A child: one of our programs in a process of its own, started as a user would start it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from kubeletsim.model.errors import StartupError

STOP_SECONDS = 15.0
LAST_LINES = 15


@dataclass(frozen=True)
class Child:
    """A running program and the file that takes what it prints."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    async def until(self, ready: Callable[[], Awaitable[bool]], *, what: str, seconds: float = 60.0) -> None:
        """Poll until `ready`; a program that ends or dawdles is a StartupError with its last words."""
        try:
            async with asyncio.timeout(seconds):
                while not await ready():
                    if self.process.returncode is not None:
                        raise StartupError(f"{self.name} ended with {self.process.returncode}{self._last_words()}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise StartupError(f"{self.name}: not within {seconds:g} s: {what}{self._last_words()}") from None

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return "".join(f"\n  {line}" for line in lines)


@asynccontextmanager
async def child(name: str, *arguments: str, log: Path, environ: Mapping[str, str]) -> AsyncIterator[Child]:
    """Run `python -m arguments…` for the length of the block; then ask it to stop, and after a while insist."""
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env={**os.environ, **environ},
            # Ctrl-C goes to the whole terminal group; the children are stopped in order by us instead.
            start_new_session=True,
        )
    try:
        yield Child(name, process, log)
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def answers(address: Path | tuple[str, int]) -> bool:
    """Tell whether somebody listens on a unix socket or a TCP port."""
    try:
        if isinstance(address, Path):
            _, writer = await asyncio.open_unix_connection(str(address))
        else:
            _, writer = await asyncio.open_connection(*address)
        writer.close()
        await writer.wait_closed()
    except OSError:
        return False
    return True
