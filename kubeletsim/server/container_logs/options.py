"""The query of a request for logs. Pure.

Upstream: v1.PodLogOptions, its conversion from url.Values in k8s.io/api, ValidatePodLogOptions in pkg/apis/core/v1.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kubeletsim.model.errors import KubeletSimError
from kubeletsim.server.container_logs.lines import BadTime, nanoseconds

STREAMS = ("All", "Stdout", "Stderr")
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_MAX_INT64 = 2**63 - 1


class UndecodableQuery(KubeletSimError):
    """A value is not of its parameter's type."""


class InvalidQuery(KubeletSimError):
    """The values are of their types, but out of range or against each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """Which logs are wanted, and how."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since_seconds: int | None = None
    since_time_ns: int | None = None
    """Nanoseconds since 1970."""
    stream: str | None = None

    def since_ns(self, *, now: float) -> int | None:
        """Return the time before which lines are left out, in nanoseconds since 1970.

        Args:
            now: Unix seconds.
        """
        if self.since_seconds is not None:
            return int(now * 1e9) - self.since_seconds * 1_000_000_000
        return self.since_time_ns


def decode(query: Mapping[str, Sequence[str]]) -> LogOptions:
    """Read a query; what it does not know is passed over, and of several values the first counts.

    Raises:
        UndecodableQuery: a number or a time is none.
        InvalidQuery: the options contradict each other or are out of range.
    """
    first = {name: values[0] for name, values in query.items() if values}
    if tail := first.get("tail"):  # as clients before v1 ask
        first.pop("tailLines", None)
        first |= {} if tail == "all" else {"tailLines": tail}
    options = LogOptions(
        follow=_bool(first.get("follow")),
        previous=_bool(first.get("previous")),
        timestamps=_bool(first.get("timestamps")),
        tail_lines=_integer(first.get("tailLines")),
        limit_bytes=_integer(first.get("limitBytes")),
        since_seconds=_integer(first.get("sinceSeconds")),
        since_time_ns=_time(first.get("sinceTime")),
        stream=first.get("stream"),
    )
    if not _is_valid(options):
        raise InvalidQuery("the options are out of range or contradict each other")
    return options


def _is_valid(options: LogOptions) -> bool:
    return not (
        (options.tail_lines is not None and options.tail_lines < 0)
        or (options.limit_bytes is not None and options.limit_bytes < 1)
        or (options.since_seconds is not None and (options.since_time_ns is not None or options.since_seconds < 1))
        or (options.stream is not None and options.stream not in STREAMS)
        or (options.stream not in (None, "All") and options.tail_lines is not None)
    )


def _bool(value: str | None) -> bool:
    """Read a flag: what is there and does not say no means yes, an empty value too."""
    return value is not None and value != "0" and value.lower() != "false"


def _integer(value: str | None) -> int | None:
    if value is None:
        return None
    if not _INTEGER.fullmatch(value) or abs(int(value)) > _MAX_INT64:
        raise UndecodableQuery(f"{value!r} is no integer of 64 bits")
    return int(value)


def _time(value: str | None) -> int | None:
    if value is None:
        return None
    if value in ("", "null"):
        return 0  # Go's zero time: earlier than everything
    try:
        return nanoseconds(value)
    except BadTime as error:
        raise UndecodableQuery(str(error)) from error
