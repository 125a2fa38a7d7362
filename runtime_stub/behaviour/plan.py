"""This module is the language in which a profile says what a call does inside: spans, time, steps.

A plan is a tuple of nodes carried out from left to right. It knows nothing of the handler but names: a `Do` names a
step of the handler's, a `When` one of its conditions, an `Each` one of its groups, attributes name its facts. So a
runtime's inner structure is data, and the same handler serves every profile.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Union

Scalar = str | int | float | bool | tuple[str, ...]


class Kind(Enum):
    """The span kinds that appear inside a runtime."""

    INTERNAL = "INTERNAL"
    CLIENT = "CLIENT"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which instrumentation makes a span."""

    name: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """An attribute's value that the handler knows, by its name there."""

    name: str


Attributes = tuple[tuple[str, Fact | Scalar], ...]


@dataclass(frozen=True, slots=True)
class SpanOf:
    """Carry out `body` inside a span."""

    name: str
    scope: Scope
    kind: Kind
    attributes: Attributes
    body: "Plan"


@dataclass(frozen=True, slots=True)
class Spend:
    """Let time pass: the latency of that name, as many times as the fact says."""

    latency: str
    times: str = ""
    """The name of a fact; empty for once."""


@dataclass(frozen=True, slots=True)
class Do:
    """Have the handler take a step, such as delivering a signal."""

    step: str


@dataclass(frozen=True, slots=True)
class When:
    """Carry out `body` if the handler's condition of that name holds at this moment."""

    condition: str
    body: "Plan"


@dataclass(frozen=True, slots=True)
class Each:
    """Carry out `body` for each member of the handler's group; members have facts and steps of their own."""

    group: str
    body: "Plan"


@dataclass(frozen=True, slots=True)
class Note:
    """Add attributes to the call's SERVER span."""

    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Mark:
    """Add an event to the span that is open at this place."""

    event: str
    attributes: Attributes = ()
    duration: str = ""
    """An attribute of that name gets the time since the call began, as Go prints it."""


Node = Union[SpanOf, Spend, Do, When, Each, Note, Mark]  # noqa: UP007  # the nodes refer to it before it exists
Plan = tuple[Node, ...]
Plans = Mapping[str, Plan]
"""Plans by RPC name: `RunPodSandbox`. An RPC without a plan does its work without spans and without delay."""


def attributes(**facts: str) -> Attributes:
    """Return attributes whose values are facts; `sandbox_id="id"` is the attribute `sandbox.id` from the fact `id`."""
    return tuple((key.replace("_", "."), Fact(name)) for key, name in facts.items())


def nodes(plan: Plan) -> Iterator[Node]:
    """Yield every node of a plan, outer ones first, in the order they are met."""
    for node in plan:
        yield node
        if isinstance(node, SpanOf | When | Each):
            yield from nodes(node.body)


def without_spans(plan: Plan) -> Plan:
    """Return a plan that takes the same time and the same steps and leaves no trace."""
    return tuple(_without_spans(plan))


def latencies(plans: Plans) -> frozenset[str]:
    """Return the names of all latencies that some plans spend."""
    return frozenset(node.latency for plan in plans.values() for node in nodes(plan) if isinstance(node, Spend))


def steps(plan: Plan) -> list[str]:
    """Return the names of the steps of a plan, in order, each at its first place."""
    return list(dict.fromkeys(node.step for node in nodes(plan) if isinstance(node, Do)))


def _without_spans(plan: Iterable[Node]) -> Iterator[Node]:
    for node in plan:
        match node:
            case SpanOf():
                yield from _without_spans(node.body)
            case When(condition, body):
                yield When(condition, without_spans(body))
            case Each(group, body):
                yield Each(group, without_spans(body))
            case Spend() | Do():
                yield node
            case Note() | Mark():
                pass
