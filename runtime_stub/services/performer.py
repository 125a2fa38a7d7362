"""This module is the performer: it carries out a profile's plan for one call, in spans and in time.

Time is really spent. Event loops cannot wait for less than about a millisecond, though, and spans of real runtimes are
often shorter; so a call has a pace of its own, at most a millisecond ahead of the clock. Spans bear the pace's time,
hence last as long as the model says, children add up to their parents, and the call takes what its parts take.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import isawaitable

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from kubeletsim.base.timing import Clock
from runtime_stub.behaviour.course import Course
from runtime_stub.behaviour.latency import Draws, LatencyModel
from runtime_stub.behaviour.plan import (
    Attempt,
    Attributes,
    Beside,
    Do,
    Each,
    Fact,
    Kind,
    Mark,
    Note,
    Overlap,
    Plan,
    Plans,
    Scope,
    SpanOf,
    Spend,
    Text,
    When,
)
from runtime_stub.services.injection import CURRENT, Injected, Injection
from runtime_stub.services.scene import Scene
from runtime_stub.state.refusals import Refusal

_KINDS = {kind: SpanKind[kind] for kind in ("INTERNAL", "CLIENT")}
_RESOLUTION_SECONDS = 0.001
"""The shortest wait that an event loop does well."""
_MAX_LAG_SECONDS = 0.002
"""If the clock is this far ahead of the pace, the process is busy, and the span that is open must show it."""
_BESIDE_SECONDS = 0.00002
"""How much later something begins that runs beside something else: as long as a goroutine needs to be scheduled."""


class Performer:
    """Carries out plans.

    Args:
        plans: of the profile, by RPC name.
        latency: how long things take.
        tracer: makes or finds the tracer of a scope.
        clock: the wall clock.
        facts: what is true of every call.
    """

    def __init__(
        self,
        plans: Plans,
        *,
        latency: LatencyModel,
        tracer: Callable[[Scope], Tracer],
        clock: Clock,
        facts: dict[str, str],
    ) -> None:
        self._plans = plans
        self._latency = latency
        self._make_tracer = tracer
        self._tracers: dict[Scope, Tracer] = {}
        self._clock = clock
        self._facts = facts

    def has_plan(self, rpc: str) -> bool:
        """Tell whether the profile has something to say about an RPC."""
        return rpc in self._plans

    async def perform(self, rpc: str, scene: Scene) -> None:
        """Carry out the plan of an RPC; the current span is taken for the call's SERVER span.

        Raises:
            Refusal: a step refused; open spans that show such things are marked as failed.
        """
        draws = self._latency.draws(rpc, scene.subject)
        plan, injection = self._plans[rpc], CURRENT.get()
        pace = _Pace(self._clock, enabled=self._latency.enabled or injection is not None)
        call = _Call(trace.get_current_span(), draws, pace, injection)
        try:
            if injection is not None:
                injection.begin(plan, scene, draws.again())
            await self._play(plan, scene, call, call.server_span)
        except Injected as injected:
            if injected.keep:
                scene.leave()
            raise
        finally:
            scene.clean_up()
        if injection is not None:
            await injection.make_up(pace)
        await pace.settle()

    async def _play(self, plan: Plan, scene: Scene, call: "_Call", parent: Span) -> None:
        for node in plan:
            match node:
                case Spend(latency, times):
                    factor = _number(scene.facts.get(times)) if times else 1.0
                    seconds = call.draws.draw(latency) * factor
                    if call.injection is None:
                        await call.pace.spend(seconds)
                    else:
                        await call.injection.work(latency, seconds, scene.facts, call.pace)
                case Do(step):
                    result = scene.steps[step]()
                    if isawaitable(result):
                        await result
                        call.pace.catch_up()
                case SpanOf():
                    await self._play_span(node, scene, call, parent)
                case When(condition, body):
                    if scene.conditions[condition]():
                        await self._play(body, scene, call, parent)
                case Each(group, body):
                    for member in scene.groups[group]():
                        try:
                            await self._play(body, member, call, parent)
                        finally:
                            member.clean_up()
                case Attempt(body, otherwise):
                    try:
                        await self._play(body, scene, call, parent)
                    except Refusal as refusal:
                        if not (isinstance(refusal, Injected) and refusal.keep):
                            await self._play(otherwise, scene, call, parent)
                        raise
                case Overlap():
                    await self._play_overlap(node, scene, call, parent)
                case Beside():
                    await self._play_beside(node, scene, call, parent)
                case Note(attributes):
                    call.server_span.set_attributes(self._values(attributes, scene))
                case Mark() if call.recording:
                    values = self._values(node.attributes, scene)
                    if node.duration:
                        values[node.duration] = go_duration(call.pace.elapsed)
                    parent.add_event(self._text(node.event, scene), values, call.pace.stamp())

    async def _play_overlap(self, node: Overlap, scene: Scene, call: "_Call", parent: Span) -> None:
        """Tell members one by one with the times they have together; it takes as long as it would."""
        at_once = 1 if call.injection is not None and call.injection.shares_link else node.at_once
        course = Course(at_once=at_once, begins=call.pace.at)
        account = call.injection.overlap(at_once=at_once) if call.injection is not None else None
        for member in scene.groups[node.group]():
            first = then = call.pace.told_from(course.begin())
            try:
                await self._play(node.first, member, replace(call, pace=first), parent)
                then = call.pace.told_from(course.arrive(first.at))
                if account is not None:
                    account.arrive()
                await self._play(node.then, member, replace(call, pace=then), parent)
                course.finish(then.at)
                if account is not None:
                    account.finish()
            finally:
                call.pace.join(first)
                call.pace.join(then)
                member.clean_up()
        if account is not None:
            account.settle()

    async def _play_beside(self, node: Beside, scene: Scene, call: "_Call", parent: Span) -> None:
        pace = call.pace.beside()
        try:
            await self._play(node.body, scene, call, parent)
        except Refusal:
            await self._play(node.beside, scene, replace(call, pace=pace), parent)
            raise
        await self._play(node.beside, scene, replace(call, pace=pace), parent)
        call.pace.join(pace)

    async def _play_span(self, node: SpanOf, scene: Scene, call: "_Call", parent: Span) -> None:
        if not call.recording:
            await self._play(node.body, scene, call, parent)
            return
        known = self._values(node.attributes, scene)
        span = self._tracer(node.scope).start_span(
            node.name,
            trace.set_span_in_context(parent),
            _KINDS[node.kind.value],
            attributes=known,
            start_time=call.pace.stamp(),
        )
        try:
            await self._play(node.body, scene, call, span)
            if node.error:
                span.set_status(StatusCode.ERROR, node.error)
        except Refusal as refusal:
            if node.fails:
                _fail(span, str(refusal.facts.get("cause", refusal.reason.value)), call.pace.stamp())
            raise
        except asyncio.CancelledError:
            if node.kind is Kind.CLIENT:  # only a call that goes elsewhere notices that nobody waits for it
                _fail(span, "context canceled", call.pace.stamp())
            raise
        finally:
            if len(known) < len(node.attributes):  # a step has found out about the rest
                span.set_attributes(self._values(node.attributes, scene))
            span.end(call.pace.stamp())

    def _values(self, attributes: Attributes, scene: Scene) -> dict[str, AttributeValue]:
        """Return the attributes whose facts are known."""
        values: dict[str, AttributeValue] = {}
        for key, value in attributes:
            match value:
                case Fact(name):
                    known = scene.facts.get(name, self._facts.get(name))
                case Text():
                    known = self._text(value, scene)
                case _:
                    known = value
            if known is not None:
                values[key] = known
        return values

    def _text(self, text: str | Text, scene: Scene) -> str:
        return text if isinstance(text, str) else text.template.format_map({**self._facts, **scene.facts})

    def _tracer(self, scope: Scope) -> Tracer:
        tracer = self._tracers.get(scope)
        if tracer is None:
            tracer = self._tracers[scope] = self._make_tracer(scope)
        return tracer


class _Pace:
    """The time of one call."""

    def __init__(self, clock: Clock, *, enabled: bool, began: float | None = None, at: float | None = None) -> None:
        self._clock = clock
        self._enabled = enabled
        self._began = clock.now() if began is None else began
        self.at = self._began if at is None else at
        """The moment that has been told up to."""
        self._in_the_past = at is not None
        """Whether it tells of a time that is over, as what runs beside something else does at first."""

    def beside(self) -> "_Pace":
        """Return the pace of something that begins now and is told later."""
        return _Pace(self._clock, enabled=self._enabled, began=self._began, at=self.at + _BESIDE_SECONDS)

    def told_from(self, at: float) -> "_Pace":
        """Return the pace of something that begins at a moment which may be over."""
        return _Pace(self._clock, enabled=self._enabled, began=self._began, at=at)

    def join(self, other: "_Pace") -> None:
        """Go on when both are done."""
        self.at = max(self.at, other.at)

    @property
    def elapsed(self) -> float:
        """Seconds since the call began, as far as a wall clock can be trusted: to the microsecond."""
        return round(max(self.at, self._clock.now()) - self._began, 6)

    async def spend(self, seconds: float) -> None:
        """Let time pass."""
        if not seconds:
            return
        self.at += seconds
        if (ahead := self.at - self._clock.now()) > _RESOLUTION_SECONDS:
            await asyncio.sleep(ahead)
        if not self._in_the_past and self._clock.now() - self.at > _MAX_LAG_SECONDS:
            self.catch_up()

    def catch_up(self) -> None:
        """Come up to the clock after something that took its own time."""
        self.at = max(self.at, self._clock.now())
        self._in_the_past = False

    def stamp(self) -> int:
        """Return the moment in Unix nanoseconds."""
        if not self._enabled:
            self.catch_up()
        return int(self.at * 1e9)

    async def settle(self) -> None:
        """Wait until the clock has come up: the SERVER span must not end before its children."""
        if (ahead := self.at - self._clock.now()) > 0:
            await asyncio.sleep(ahead)


@dataclass(frozen=True, slots=True)
class _Call:
    server_span: Span
    draws: Draws
    pace: _Pace
    injection: Injection | None

    @property
    def recording(self) -> bool:
        return self.server_span.is_recording()


def go_duration(seconds: float) -> str:
    """Return a duration as Go's time.Duration prints it: `61.98ms`, `2.064s`."""
    for unit, per_second in (("s", 1), ("ms", 1_000), ("µs", 1_000_000)):
        if seconds * per_second >= 1:
            return f"{seconds * per_second:.9g}{unit}"
    return f"{round(seconds * 1e9)}ns" if seconds > 0 else "0s"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 1.0


def _fail(span: Span, text: str, at: int) -> None:
    span.add_event("exception", {"exception.type": "*errors.errorString", "exception.message": text}, at)
    span.set_status(StatusCode.ERROR, text)
