"""This module is what an image answers on a port, as the catalogue describes it. All of it is data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

Protocol = Literal["any", "http", "grpc", "tcp"]

NOTHING_OF_ITS_OWN: Mapping[str, int] = MappingProxyType({})
NO_TEXTS: Mapping[str, str] = MappingProxyType({})
HEALTHY: Mapping[str, str] = MappingProxyType({"": "SERVING"})

FAILED_STATUS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One port, and what is spoken there."""

    port: int
    protocol: Protocol = "any"
    """`http`, `grpc` (grpc.health.v1), `tcp` (text, if anything), or `any`: whichever of the first two is asked."""
    status: int = 200
    """Of every HTTP answer but those below."""
    body: str = ""
    """Of HTTP answers with that status; empty for a page of the stub's."""
    paths: Mapping[str, int] = field(default_factory=lambda: NOTHING_OF_ITS_OWN)
    """HTTP statuses by path."""
    root: str = ""
    """A directory of the container whose files are shown over HTTP; empty: every path is there."""
    greeting: str = ""
    """What a `tcp` server says to who connects."""
    replies: Mapping[str, str] = field(default_factory=lambda: NO_TEXTS)
    """What a `tcp` server replies to a line, by its first word."""
    health: Mapping[str, str] = field(default_factory=lambda: HEALTHY)
    """`SERVING` or `NOT_SERVING` by the name of a gRPC service; the empty name is the whole server."""
    fails_after_seconds: float = math.inf
    """From then on HTTP answers 500, gRPC NOT_SERVING, and nothing listens for `tcp`."""

    def failed(self) -> "Service | None":
        """Return what is answered once the server has failed; None when nothing listens any more."""
        if self.protocol == "tcp":
            return None
        return replace(
            self,
            status=FAILED_STATUS,
            body="",
            paths=NOTHING_OF_ITS_OWN,
            root="",
            health=dict.fromkeys(self.health, "NOT_SERVING"),
            fails_after_seconds=math.inf,
        )
