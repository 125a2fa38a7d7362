"""This module is the tickets of streams: what a CRI call has agreed to, kept under a token until a client comes for it.

A token is used once and lives a minute. Upstream: cri-streaming's streaming/request_cache.go.
"""

import secrets
from dataclasses import dataclass

from opentelemetry.context import Context

from kubeletsim.base.timing import Clock
from runtime_stub.state.refusals import Reason, Refusal

TOKEN_BYTES = 6
"""Eight characters of URL-safe base64."""
LIFETIME_SECONDS = 60.0
MAX_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Streams:
    """What a client wants to exchange with a process."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


@dataclass(frozen=True, slots=True)
class Exec:
    """Run a command in a container."""

    container_id: str
    argv: tuple[str, ...]
    streams: Streams


@dataclass(frozen=True, slots=True)
class Attach:
    """Join a container's process."""

    container_id: str
    streams: Streams


@dataclass(frozen=True, slots=True)
class PortForward:
    """Connect to ports of a sandbox."""

    sandbox_id: str
    ports: tuple[int, ...] = ()
    """Only a hint: clients name the port of each connection."""


StreamRequest = Exec | Attach | PortForward

KINDS: dict[type[StreamRequest], str] = {Exec: "exec", Attach: "attach", PortForward: "portforward"}
"""The first part of each URL's path."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request together with the trace it belongs to."""

    request: StreamRequest
    context: Context
    expires_at: float


class Tickets:
    """The tickets nobody has come for yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[str, Ticket] = {}  # in the order in which they expire

    def issue(self, request: StreamRequest, context: Context) -> str:
        """Keep a request and return its token.

        Raises:
            Refusal: too many are waiting.
        """
        self._drop_expired()
        if len(self._waiting) >= MAX_WAITING:
            raise Refusal(Reason.TOO_MANY_STREAMS)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._waiting[token] = Ticket(request, context, self._clock.monotonic() + LIFETIME_SECONDS)
        return token

    def redeem(self, kind: str, token: str) -> Ticket | None:
        """Return what a token stands for, this one time; None for one that is unknown, expired or of another kind."""
        self._drop_expired()
        ticket = self._waiting.pop(token, None)
        return ticket if ticket is not None and KINDS[type(ticket.request)] == kind else None

    def _drop_expired(self) -> None:
        now = self._clock.monotonic()
        while self._waiting and (first := next(iter(self._waiting.items())))[1].expires_at <= now:
            del self._waiting[first[0]]
