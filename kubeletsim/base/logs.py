"""Logs in klog's two formats, so that tools that read a kubelet's log read ours.

Text: `I1123 07:00:00.000001    4242 sync_loop.py:88] "SyncLoop ADD" source="file"`. JSON: one object a line with `ts`,
`caller`, `msg`, `v` or `err`, as component-base's JSON format.
"""

import json
import logging
import sys
import time
from typing import Literal, TextIO

SEVERITY = {logging.DEBUG: "I", logging.INFO: "I", logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}


class TextFormatter(logging.Formatter):
    """klog's header followed by the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, with a traceback below it where the record carries one."""
        clock = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        micros = int(record.created % 1 * 1_000_000)
        header = f"{SEVERITY.get(record.levelno, 'I')}{clock}.{micros:06d} {record.process:7d}"
        line = f"{header} {record.filename}:{record.lineno}] {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JSONFormatter(logging.Formatter):
    """One JSON object a line, with the keys of component-base's JSON log format."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object as a single line."""
        entry: dict[str, object] = {
            "ts": record.created * 1000,
            "caller": f"{record.filename}:{record.lineno}",
            "msg": record.getMessage(),
        }
        if record.levelno < logging.ERROR:
            entry["v"] = 4 if record.levelno <= logging.DEBUG else 0
        if record.exc_info:
            entry["err"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure(
    *, format_: Literal["text", "json"] = "text", verbosity: int = 0, stream: TextIO | None = None
) -> logging.Handler:
    """Send every log line of the process to `stream` (stderr); `verbosity` ≥ 4 includes debug lines, as klog's -v 4."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JSONFormatter() if format_ == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbosity >= 4 else logging.INFO)
    for chatty in ("asyncio", "aiohttp.access", "watchfiles", "httpx2", "httpcore2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return handler
