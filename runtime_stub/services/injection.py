"""This module is the injection: what the rules do to one call while it is carried out.

The handler knows nothing of it. The injector sets it as the current one; the performer asks it, piece of work by piece
of work, how long that takes and whether a fault strikes there. Calls without a rule never come here.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Protocol

from opentelemetry.trace import Span

from runtime_stub.behaviour.course import Course
from runtime_stub.behaviour.latency import Draws
from runtime_stub.behaviour.plan import Attempt, Beside, Each, Overlap, Plan, Scalar, SpanOf, Spend, When
from runtime_stub.behaviour.rules.rule import KINDS, Condition, Error, Hang, LostEvent, Oversize, Reset
from runtime_stub.behaviour.rules.rulebook import Blow, Decision
from runtime_stub.behaviour.rules.subject import Subject
from runtime_stub.services.scene import Scene
from runtime_stub.state.refusals import Reason, Refusal

CURRENT: ContextVar["Injection | None"] = ContextVar("runtime_stub.injection", default=None)
"""The injection of the call that is being served; a key, not a state: each call has a context of its own."""

RESET_SECONDS = 5.0
"""How long a call whose connection was cut waits for gRPC to notice."""

Facts = Mapping[str, Scalar]


class Injected(Refusal):  # a refusal that a rule ordered
    """A call that fails because a rule says so.

    Args:
        error: what the rule says.
        message: its text with the placeholders filled in.
    """

    def __init__(self, error: Error, message: str) -> None:
        super().__init__(Reason.INJECTED, code=error.code, message=message, cause=message)
        self.keep = error.keep


class Pace(Protocol):
    """The time of one call."""

    async def spend(self, seconds: float) -> None:
        """Let time pass."""

    def catch_up(self) -> None:
        """Come up to the clock after something that took its own time."""


class Injection:
    """What happens to one call.

    Args:
        decision: of the rulebook.
        subject: what the call is about.
        transfer: the name of the piece of work that fetches a layer of an image.
        cut: cuts all connections.
    """

    def __init__(self, decision: Decision, subject: Subject, *, transfer: str, cut: Callable[[], object]) -> None:
        self._delay = decision.delay
        self._blow = decision.blow
        self._subject = subject
        self._transfer = transfer
        self._cut = cut
        self._spread = 1.0
        self._comings = 0
        self._spent_seconds = 0.0
        self._added_seconds = 0.0
        self._struck_at = ""
        self._performed = False

    def begin(self, plan: Plan, scene: Scene, draws: Draws) -> None:
        """Find out by how much each piece of work must be stretched, from a dry run of the plan.

        Conditions may change while the call goes on; what is missing at the end is then made up for.
        """
        self._performed = True
        wanted = self._wanted_seconds
        if wanted is None:
            return
        course = self._course_seconds(plan, scene, draws)
        if self._delay is not None and self._delay.add_seconds is not None:
            wanted += course
        if course > 0:
            self._spread = wanted / course

    async def work(self, name: str, seconds: float, facts: Facts, pace: Pace) -> None:
        """Spend the time of a piece of work; fail there if that is the place."""
        stretched = self._unspread(name, seconds, facts) * self._spread
        self._note(seconds, stretched)
        await pace.spend(stretched)
        if self._blow is not None and self._blow.place.at == name:
            self._comings += 1
            if self._comings == self._blow.place.occurrence:
                try:
                    await self._strike(self._blow, facts)
                finally:
                    pace.catch_up()

    @property
    def shares_link(self) -> bool:
        """Whether what is transferred comes over one link, whose bandwidth a rule has set."""
        return self._delay is not None and self._delay.how.bytes_per_second is not None

    @property
    def account(self) -> tuple[float, float]:
        """Seconds of work so far, and what they would have been without a rule."""
        return self._spent_seconds, self._spent_seconds - self._added_seconds

    def overlap(self, *, at_once: int) -> "Overlapping":
        """Begin to keep account of work that overlaps."""
        return Overlapping(self, at_once=at_once)

    def save(self, *, spent: float, unruled: float) -> None:
        """Take seconds off the account that passed side by side."""
        self._spent_seconds -= spent
        self._added_seconds -= spent - unruled

    async def make_up(self, pace: Pace) -> None:
        """Spend what the course of the call has left over of the time it should take."""
        if (missing := self._missing_seconds) > 0:
            self._note(0.0, missing)
            await pace.spend(missing)

    async def wait(self, *, has_plan: bool) -> None:
        """Spend the latency of a call that has no pieces of work, or did not come to them."""
        if not has_plan or not self._performed:
            seconds = self._missing_seconds
            self._note(0.0, seconds)
            self._performed = True
            await asyncio.sleep(seconds)

    async def strike(self, place: str) -> None:
        """Fail if that is the place: `start` or `answer`."""
        if self._blow is not None and self._blow.place.at == place:
            await self._strike(self._blow, {})

    @property
    def oversize(self) -> bool:
        """Whether the answer is to be larger than a client takes."""
        return self._answers_with(Oversize)

    @property
    def condition(self) -> Condition | None:
        """The condition that Status is to deny."""
        found = self._blow.fault if self._blow is not None and self._answers_with(Condition) else None
        return found if isinstance(found, Condition) else None

    def note_on(self, span: Span) -> None:
        """Show on the call's SERVER span what was done to it."""
        if self._delay is not None:
            span.set_attributes(
                {
                    "stub.latency": round(self._added_seconds, 6),
                    "stub.latency.planned": round(self._spent_seconds, 6),
                    "stub.latency.rule": self._delay.rule,
                }
            )
        if self._blow is not None and self._struck_at:
            span.set_attributes(
                {
                    "stub.fault": KINDS[type(self._blow.fault)],
                    "stub.fault.at": self._struck_at,
                    "stub.fault.rule": self._blow.rule,
                }
            )

    def __str__(self) -> str:
        """Return what was done as a log line mentions it."""
        done = []
        if self._delay is not None:
            done.append(f"rule {self._delay.rule} added {self._added_seconds:.3f}s")
        if self._blow is not None and self._struck_at:
            done.append(f"rule {self._blow.rule} injected {KINDS[type(self._blow.fault)]} at {self._struck_at}")
        return f"{self._subject}: {' and '.join(done) or 'ended before its rule came to act'}"

    def _answers_with(self, kind: type) -> bool:
        if self._blow is None or not isinstance(self._blow.fault, kind):
            return False
        self._struck_at = "answer"
        return True

    async def _strike(self, blow: Blow, facts: Facts) -> None:
        if isinstance(blow.fault, Condition | LostEvent | Oversize):
            return  # these change an answer, and let the call be
        self._struck_at = blow.place.at
        match blow.fault:
            case Error():
                raise Injected(blow.fault, self._worded(blow.fault.message, facts))
            case Hang():
                await asyncio.Event().wait()  # until gRPC cancels the call
            case Reset():
                self._cut()
                await asyncio.sleep(RESET_SECONDS)

    def _worded(self, message: str, facts: Facts) -> str:
        about = self._subject
        known = {
            "rpc": about.rpc,
            "id": str(facts.get("id") or about.id),
            "pod": about.pod,
            "namespace": about.namespace,
            "container": about.container,
            "image": str(facts.get("image") or next(iter(about.images), "")),
        }
        for name, value in known.items():
            message = message.replace(f"{{{name}}}", value)
        return message

    @property
    def _wanted_seconds(self) -> float | None:
        """What the whole call is to take, or to take longer; None when pieces are changed one by one."""
        if self._delay is None:
            return None
        if self._delay.total_seconds is not None:
            return self._delay.total_seconds
        return None if self._delay.how.at else self._delay.add_seconds

    @property
    def _missing_seconds(self) -> float:
        if self._delay is None:
            return 0.0
        if self._delay.total_seconds is not None:
            return max(0.0, self._delay.total_seconds - self._spent_seconds)
        if self._delay.how.at or self._delay.add_seconds is None:
            return 0.0
        return max(0.0, self._delay.add_seconds - self._added_seconds)

    def _note(self, seconds: float, stretched: float) -> None:
        self._spent_seconds += stretched
        self._added_seconds += stretched - seconds

    def _unspread(self, name: str, seconds: float, facts: Facts) -> float:
        """Return how long a piece of work takes, before all of them are stretched together."""
        if self._delay is None:
            return seconds
        how = self._delay.how
        size = facts.get("size")
        if how.bytes_per_second is not None and name == self._transfer and isinstance(size, int):
            seconds = size / how.bytes_per_second
        if how.at in ("", name):
            seconds *= how.factor
        if how.at == name and self._delay.add_seconds is not None:
            seconds += self._delay.add_seconds
        return seconds

    def _course_seconds(self, plan: Plan, scene: Scene, draws: Draws) -> float:
        total = 0.0
        for node in plan:
            match node:
                case Spend(latency, times):
                    amount = scene.facts.get(times, 1.0) if times else 1.0
                    seconds = draws.draw(latency) * (float(amount) if isinstance(amount, int | float) else 1.0)
                    total += self._unspread(latency, seconds, scene.facts)
                case SpanOf(body=body) | Attempt(body):
                    total += self._course_seconds(body, scene, draws)
                case Beside(body, beside):  # what runs beside ends with a wait for the other
                    total += self._course_seconds((*body, *beside), scene, draws)
                case When(condition, body) if scene.conditions[condition]():
                    total += self._course_seconds(body, scene, draws)
                case Each(group, body):
                    for member in scene.groups[group]():
                        total += self._course_seconds(body, member, draws)
                case Overlap(group, first, then, at_once):
                    course = Course(at_once=1 if self.shares_link else at_once)
                    for member in scene.groups[group]():
                        ready = course.arrive(course.begin() + self._course_seconds(first, member, draws))
                        course.finish(ready + self._course_seconds(then, member, draws))
                    total += course.end
        return total


class Overlapping:
    """The account of work that overlaps, kept by what was drawn, as what the clock says differs from run to run."""

    def __init__(self, injection: Injection, *, at_once: int) -> None:
        self._injection = injection
        self._courses = (Course(at_once=at_once), Course(at_once=at_once))
        self._ready = (0.0, 0.0)
        self._began = self._mark = injection.account

    def arrive(self) -> None:
        """Note that a member's first stage is over."""
        spent, unruled = self._courses
        one, other = self._elapsed()
        self._ready = spent.arrive(spent.begin() + one), unruled.arrive(unruled.begin() + other)

    def finish(self) -> None:
        """Note that its second stage is over."""
        for course, ready, seconds in zip(self._courses, self._ready, self._elapsed(), strict=True):
            course.finish(ready + seconds)

    def settle(self) -> None:
        """Put what it took altogether on the injection's account, in the place of the sum."""
        sums = (now - began for now, began in zip(self._injection.account, self._began, strict=True))
        spent, unruled = (total - course.end for total, course in zip(sums, self._courses, strict=True))
        self._injection.save(spent=spent, unruled=unruled)

    def _elapsed(self) -> tuple[float, float]:
        before, self._mark = self._mark, self._injection.account
        return self._mark[0] - before[0], self._mark[1] - before[1]
