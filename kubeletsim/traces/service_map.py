"""The service map: who calls whom, seen from both ends of each call. Pure.

A call is a CLIENT span with a SERVER span under it. The client's duration holds the way there and back and all waiting;
the server's is its own work.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from kubeletsim.traces.operations import Stretch, by_trace, percentile
from kubeletsim.traces.span import Span
from kubeletsim.traces.tree import build_forest, walk


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEdge:
    """All calls from one service to another (or to itself)."""

    client: str
    server: str
    count: int
    errors: int
    """Calls that either side tells as failed."""
    rate_per_second: float
    """Calls per second, from the first start to the last end of everything counted; 0 when that takes no time."""
    client_p50_ns: int
    client_p99_ns: int
    server_p50_ns: int
    server_p99_ns: int


@dataclass(slots=True)
class _Calls:
    client_ns: "array[int]" = field(default_factory=lambda: array("Q"))
    server_ns: "array[int]" = field(default_factory=lambda: array("Q"))
    errors: int = 0


class ServiceMap:
    """Counts the calls of traces, one trace after the other; ask for the edges at any time."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], _Calls] = {}
        self._stretch = Stretch()

    def add(self, trace: Iterable[Span]) -> None:
        """Count the calls of one trace."""
        for node in walk(build_forest(trace)):
            client = node.span
            self._stretch.cover(client)
            for server in (child.span for child in node.children):
                if client.kind == "CLIENT" and server.kind == "SERVER":
                    calls = self._calls.setdefault((client.service, server.service), _Calls())
                    calls.client_ns.append(client.duration_ns)
                    calls.server_ns.append(server.duration_ns)
                    calls.errors += client.error or server.error

    def edges(self) -> list[ServiceEdge]:
        """Return one entry for each pair of services, the busiest first."""
        edges = [_edge(client, server, calls, self._stretch) for (client, server), calls in self._calls.items()]
        return sorted(edges, key=lambda edge: (-edge.count, edge.client, edge.server))


def service_edges(spans: Iterable[Span]) -> list[ServiceEdge]:
    """Return the edges of spans of any number of traces, in any order; the busiest first."""
    service_map = ServiceMap()
    for trace in by_trace(spans).values():
        service_map.add(trace)
    return service_map.edges()


def _edge(client: str, server: str, calls: _Calls, stretch: Stretch) -> ServiceEdge:
    client_ns, server_ns = sorted(calls.client_ns), sorted(calls.server_ns)
    return ServiceEdge(
        client=client,
        server=server,
        count=len(client_ns),
        errors=calls.errors,
        rate_per_second=stretch.rate_per_second(len(client_ns)),
        client_p50_ns=percentile(client_ns, 50),
        client_p99_ns=percentile(client_ns, 99),
        server_p50_ns=percentile(server_ns, 50),
        server_p99_ns=percentile(server_ns, 99),
    )
