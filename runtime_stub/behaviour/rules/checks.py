"""This module is the rules about rules: what is written correctly and could still never do anything.

A rule that selects no RPC, strikes at a place its calls do not come to, or loses events of a call that has none, is a
mistake that would otherwise show as a fault that does not happen.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kubeletsim.base.suggestion import did_you_mean
from runtime_stub.behaviour.rules.rule import ANSWER, START, Condition, Error, Hang, LostEvent, Oversize, Rule
from runtime_stub.behaviour.rules.subject import EVENTS_RPC

KEEPING_RPCS = ("RunPodSandbox", "CreateContainer")
"""Calls that make something which can be left behind."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake."""

    path: tuple[str | int, ...]
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What rules are about."""

    rpcs: Sequence[str]
    """Every RPC of CRI v1."""
    streams: Sequence[str]
    """Those answered by a stream."""
    pieces: Mapping[str, frozenset[str]]
    """The names of each RPC's pieces of work in the profile."""
    profile: str


def findings(rules: Sequence[Rule], about: Surroundings) -> list[Finding]:
    """Return what is wrong with some rules; paths begin with a rule's index."""
    names = Counter(rule.name for rule in rules)
    found = [
        Finding((index, "name"), f'"{rule.name}": there is another rule of that name; names must be unique')
        for index, rule in enumerate(rules)
        if names[rule.name] > 1
    ]
    for index, rule in enumerate(rules):
        found += [Finding((index, *one.path), one.problem) for one in _of_rule(rule, about)]
    return found


def _of_rule(rule: Rule, about: Surroundings) -> Iterator[Finding]:
    for glob in rule.match.rpc:
        if not any(fnmatchcase(rpc, glob) for rpc in about.rpcs):
            yield Finding(("match", "rpc"), f'"{glob}": no such RPC of CRI v1{did_you_mean(glob, about.rpcs)}')
            return
    rpcs = [rpc for rpc in about.rpcs if not rule.match.rpc or any(fnmatchcase(rpc, one) for one in rule.match.rpc)]
    if rule.match.event and EVENTS_RPC not in rpcs:
        yield Finding(("match", "event"), f"only {EVENTS_RPC} has events; match.rpc must select it")
    yield from _of_fault(rule, rpcs, about)
    if rule.latency is not None:
        if rule.latency.at:
            yield from _of_piece(("latency", "at"), rule.latency.at, rpcs, about)
        if rule.latency.bytes_per_second is not None and "PullImage" not in rpcs:
            yield Finding(("latency", "bandwidth"), "only PullImage transfers anything; match.rpc must select it")


def _of_fault(rule: Rule, rpcs: Sequence[str], about: Surroundings) -> Iterator[Finding]:
    match rule.fault:
        case LostEvent() if list(rpcs) != [EVENTS_RPC]:
            yield Finding(("fault", "loseEvent"), f"match.rpc must be {EVENTS_RPC}: no other call has events")
        case Condition() if list(rpcs) != ["Status"]:
            yield Finding(("fault", "condition"), "match.rpc must be Status: no other answer has conditions")
        case Error(keep=True) if not set(rpcs) & set(KEEPING_RPCS):
            yield Finding(("fault", "keep"), f"only {' and '.join(KEEPING_RPCS)} make something that can stay behind")
        case Oversize() if set(rpcs) <= set(about.streams):
            yield Finding(("fault", "oversize"), "streams have no single answer; match.rpc must select another call")
    if rule.place.at in (START, ANSWER):
        if rule.place.occurrence > 1:
            yield Finding(("fault", "occurrence"), f'every call comes to "{rule.place.at}" once; set fault.at')
    elif isinstance(rule.fault, Condition | LostEvent | Oversize):
        yield Finding(("fault", "at"), "only error, hang and reset have a place")
    else:
        yield from _of_piece(("fault", "at"), rule.place.at, rpcs, about, START, ANSWER)
    if rule.place.at == ANSWER and isinstance(rule.fault, Error | Hang) and set(rpcs) <= set(about.streams):
        yield Finding(("fault", "at"), "a stream has no single answer; leave fault.at out")


def _of_piece(
    path: tuple[str, ...], piece: str, rpcs: Sequence[str], about: Surroundings, *others: str
) -> Iterator[Finding]:
    known = sorted({name for rpc in rpcs for name in about.pieces.get(rpc, ())})
    if piece in known:
        return
    allowed = [*others, *known]
    where = f"in the calls that the rule selects (profile {about.profile})"
    if not allowed:
        yield Finding(path, f'"{piece}": there are no pieces of work {where}')
        return
    guess = did_you_mean(piece, allowed)
    yield Finding(path, f'"{piece}": no such piece of work {where}{guess or "; allowed: " + ", ".join(allowed)}')
