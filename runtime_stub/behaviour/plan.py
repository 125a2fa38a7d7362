"""This module is the language in which a profile says what a call does inside: spans, time, steps.

A plan is a tuple of nodes carried out from left to right. It knows nothing of the handler but names: a `Do` names a
step of the handler's, a `When` one of its conditions, an `Each` one of its groups, attributes name its facts. So a
runtime's inner structure is data, and the same handler serves every profile.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Text:
    """A text with the handler's facts in it, by name in braces: `StartContainer for "{id}"`."""

    template: str


Attributes = tuple[tuple[str, Fact | Text | Scalar], ...]


@dataclass(frozen=True, slots=True)
class SpanOf:
    """Carry out `body` inside a span."""

    name: str
    scope: Scope
    kind: Kind
    attributes: Attributes
    body: "Plan"
    fails: bool = False
    """Whether it shows that the body refused. Few of a runtime's spans do: errors are seen on the SERVER span."""
    error: str = ""
    """An error that it shows in any case."""


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
class Attempt:
    """Carry out `body`; if that is refused, clean up with `otherwise` before the refusal goes on."""

    body: "Plan"
    otherwise: "Plan"


@dataclass(frozen=True, slots=True)
class Beside:
    """Carry out `beside` as if it had begun together with `body`, which is carried out first and may refuse."""

    body: "Plan"
    beside: "Plan"


@dataclass(frozen=True, slots=True)
class Each:
    """Carry out `body` for each member of the handler's group; members have facts and steps of their own."""

    group: str
    body: "Plan"


@dataclass(frozen=True, slots=True)
class Overlap:
    """Carry out `first` for some members of a group at a time, `then` for one after another, each when it can be."""

    group: str
    first: "Plan"
    then: "Plan"
    at_once: int


@dataclass(frozen=True, slots=True)
class Note:
    """Add attributes to the call's SERVER span."""

    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Mark:
    """Add an event to the span that is open at this place."""

    event: str | Text
    attributes: Attributes = ()
    duration: str = ""
    """An attribute of that name gets the time since the call began, as Go prints it."""


Node = Union[  # noqa: UP007  # the nodes refer to it before it exists
    SpanOf, Spend, Do, When, Attempt, Beside, Each, Overlap, Note, Mark
]
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
        match node:
            case SpanOf(body=body) | When(_, body) | Each(_, body):
                yield from nodes(body)
            case Attempt(first, second) | Beside(first, second) | Overlap(_, first, second):
                yield from nodes(first)
                yield from nodes(second)


def without_spans(plan: Plan) -> Plan:
    """Return a plan that takes the same time and the same steps and leaves no trace."""
    return tuple(_without_spans(plan))


def without(plan: Plan, omits: Callable[[str], bool]) -> Plan:
    """Return a plan that leaves out the spans of some names, but not what happens inside them."""
    found: list[Node] = []
    for node in plan:
        match node:
            case SpanOf(name, body=body) if omits(name):
                found.extend(without(body, omits))
            case SpanOf() | When() | Each():
                found.append(replace(node, body=without(node.body, omits)))
            case Attempt(body, otherwise):
                found.append(Attempt(without(body, omits), without(otherwise, omits)))
            case Beside(body, beside):
                found.append(Beside(without(body, omits), without(beside, omits)))
            case Overlap():
                found.append(replace(node, first=without(node.first, omits), then=without(node.then, omits)))
            case _:
                found.append(node)
    return tuple(found)


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
            case Attempt(body, otherwise):
                yield Attempt(without_spans(body), without_spans(otherwise))
            case Beside(body, beside):
                yield Beside(without_spans(body), without_spans(beside))
            case Overlap():
                yield replace(node, first=without_spans(node.first), then=without_spans(node.then))
            case Spend() | Do():
                yield node
            case Note() | Mark():
                pass
