"""This module is the rulebook: the rules in force, asked call by call, with what they have done so far.

Rules are asked in their order. The first that matches and acts, and says something about latency, decides the latency;
the first that matches and acts, and has a fault, decides the fault. What chance decides follows from the seed, the
rule, and the call's subject and number, so it is the same in each run, whatever else happens at the time.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from runtime_stub.behaviour.chance import Chance, generator
from runtime_stub.behaviour.rules.rule import Fault, Place, Rule, Slowness
from runtime_stub.behaviour.rules.subject import Subject

_Key = tuple[str, str, str]
"""The rule, the RPC, and what is counted apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """A slowness with its chance decided."""

    rule: str
    how: Slowness
    add_seconds: float | None = None
    total_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """A fault that is going to strike."""

    rule: str
    fault: Fault
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What happens to one call."""

    delay: Delay | None = None
    blow: Blow | None = None


class Rulebook:
    """Rules and their counts.

    Args:
        rules: in the order in which they are asked.
        seed: the same seed decides alike.
        now: when they come into force, on the clock that `decide` is told, in seconds.
    """

    def __init__(self, rules: Sequence[Rule] = (), *, seed: int, now: float = 0.0) -> None:
        self._seed = seed
        self.reset(rules, now=now)

    def reset(self, rules: Sequence[Rule], *, now: float) -> None:
        """Put rules in force as if nothing had happened before."""
        self.rules = tuple(rules)
        self._began = {rule.name: now for rule in rules}
        self._chance = Chance(self._seed)
        self._seen: Counter[_Key] = Counter()
        self._acted: Counter[_Key] = Counter()

    def replace(self, rules: Sequence[Rule], *, now: float) -> None:
        """Put other rules in force; those that stay as they are go on as if nothing had happened."""
        same = {rule.name for rule in rules if rule in self.rules}
        self.rules = tuple(rules)
        self._began = {rule.name: self._began[rule.name] if rule.name in same else now for rule in rules}
        self._seen = Counter({key: count for key, count in self._seen.items() if key[0] in same})
        self._acted = Counter({key: count for key, count in self._acted.items() if key[0] in same})

    def decide(self, subject: Subject, *, now: float) -> Decision | None:
        """Return what happens to a call; None for what happens to most: nothing."""
        delay: Delay | None = None
        blow: Blow | None = None
        for rule in self.rules:
            if (delay is not None or rule.latency is None) and (blow is not None or rule.fault is None):
                continue  # what it would decide has been decided
            if not rule.match.matches(subject):
                continue
            chance = self._act(rule, subject, elapsed_seconds=now - self._began[rule.name])
            if chance is None:
                continue
            if rule.latency is not None and delay is None:
                delay = _delay(rule, rule.latency, chance)
            if rule.fault is not None and blow is None:
                blow = Blow(rule=rule.name, fault=rule.fault, place=rule.place)
        return Decision(delay=delay, blow=blow) if delay is not None or blow is not None else None

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return how many calls each rule matched and acted on, by rule and RPC."""
        found: dict[str, dict[str, dict[str, int]]] = {rule.name: {} for rule in self.rules}
        for (name, rpc, _), matched in sorted(self._seen.items()):
            of_rpc = found[name].setdefault(rpc, {"matched": 0, "acted": 0})
            of_rpc["matched"] += matched
        for (name, rpc, _), acted in self._acted.items():
            found[name][rpc]["acted"] += acted
        return found

    def _act(self, rule: Rule, subject: Subject, *, elapsed_seconds: float) -> random.Random | None:
        """Count a call that matches; return the chance it is dealt with by if the rule acts."""
        key = (rule.name, subject.rpc, subject.part(rule.when.per))
        self._seen[key] += 1
        occurrence = self._chance.next(f"rule/{rule.name}/{subject.key}")
        if not rule.when.admits(self._seen[key], acted=self._acted[key], elapsed_seconds=elapsed_seconds):
            return None
        chance = generator(occurrence)
        if rule.when.probability < 1 and chance.random() >= rule.when.probability:
            return None
        self._acted[key] += 1
        return chance


def _delay(rule: Rule, how: Slowness, chance: random.Random) -> Delay:
    return Delay(
        rule=rule.name,
        how=how,
        add_seconds=how.add.draw(chance) if how.add is not None else None,
        total_seconds=how.total.draw(chance) if how.total is not None else None,
    )
