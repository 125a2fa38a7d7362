"""This module is how those who carry out a process' steps by awaiting hear the bell that cuts a wait short."""

import asyncio

from runtime_stub.shell.program import Read, Wait


async def rung(step: Wait | Read) -> None:
    """Wait until a step's bell has rung; for ever if it has none."""
    event = asyncio.Event()
    if step.is_over:
        return
    forget = step.bell.listen(event.set) if step.bell is not None else None
    try:
        await event.wait()
    finally:
        if forget is not None:
            forget()
