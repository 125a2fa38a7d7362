"""This module is the injector: the seam between calls and the rules about them.

It finds out what a call is about, asks the rulebook, and lets the call be served with what was decided. Without rules
nobody asks it anything.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.message import Message
from opentelemetry import trace

from kubeletsim.base.timing import Clock
from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.rules.rule import ANSWER, START, Condition, LostEvent
from runtime_stub.behaviour.rules.rulebook import Rulebook
from runtime_stub.services.injection import CURRENT, Injection
from runtime_stub.state.records import Event
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.state.subjects import event_subject, subject_of
from runtime_stub.state.world import World

log = logging.getLogger(__name__)

_MORE_THAN_A_CLIENT_TAKES = 16 * 1024 * 1024 + 1

Answer = Callable[[Any], Awaitable[object]]


class Injector:
    """What the rules do to the calls of one life of the runtime.

    Args:
        book: the rules; it outlives this.
        world: what calls are about.
        clock: what windows are measured by.
        transfer: the name of the profile's piece of work that fetches a layer.
        cut: cuts all connections.
        initializing_seconds: for so long every call is UNAVAILABLE.
    """

    def __init__(
        self,
        book: Rulebook,
        world: World,
        *,
        clock: Clock,
        transfer: str = "",
        cut: Callable[[], object] = lambda: None,
        initializing_seconds: float = 0.0,
    ) -> None:
        self._book = book
        self._world = world
        self._clock = clock
        self._transfer = transfer
        self._cut = cut
        self._ready_at = clock.monotonic() + initializing_seconds if initializing_seconds else None

    @property
    def armed(self) -> bool:
        """Whether a call must come here."""
        return bool(self._book.rules) or self._ready_at is not None

    async def serve(self, rpc: str, request: Message, answer: Answer, *, has_plan: bool) -> object:
        """Serve a call as the rules say.

        Raises:
            Refusal: a rule says so, or the handler does.
        """
        self._require_ready()
        injection = self._injection(rpc, request)
        if injection is None:
            return await answer(request)
        CURRENT.set(injection)  # never reset: gRPC gives each call a task, and the context goes with it
        try:
            await injection.strike(START)
            if not has_plan:
                await injection.wait(has_plan=False)
            answered = await answer(request)
            await injection.wait(has_plan=has_plan)
            await injection.strike(ANSWER)
            return _changed(answered, injection)
        finally:
            self._tell(injection)

    async def begin_stream(self, rpc: str, request: Message) -> None:
        """Do what the rules say about a stream before its first message.

        Raises:
            Refusal: a rule says so.
        """
        self._require_ready()
        if (injection := self._injection(rpc, request)) is None:
            return
        try:
            await injection.wait(has_plan=False)
            await injection.strike(START)
        finally:
            self._tell(injection)

    def loses(self, event: Event) -> str | None:
        """Return the name of the rule that loses a container event; None for an event that is told."""
        if not self._book.rules:
            return None
        subject = event_subject(event, self._world)
        decision = self._book.decide(subject, now=self._clock.monotonic())
        if decision is None or decision.blow is None or not isinstance(decision.blow.fault, LostEvent):
            return None
        log.info("%s: rule %s loses it", subject, decision.blow.rule)
        return decision.blow.rule

    def _injection(self, rpc: str, request: Message) -> Injection | None:
        subject = subject_of(rpc, request, self._world)
        decision = self._book.decide(subject, now=self._clock.monotonic())
        return Injection(decision, subject, transfer=self._transfer, cut=self._cut) if decision is not None else None

    def _require_ready(self) -> None:
        if self._ready_at is None:
            return
        if self._clock.monotonic() < self._ready_at:
            raise Refusal(Reason.INITIALIZING)
        self._ready_at = None

    def _tell(self, injection: Injection) -> None:
        injection.note_on(trace.get_current_span())
        log.info("%s", injection)


def _changed(answered: object, injection: Injection) -> object:
    """Return the answer that the rules want instead."""
    if injection.oversize:
        return bytes(_MORE_THAN_A_CLIENT_TAKES)
    condition = injection.condition
    if condition is not None and isinstance(answered, pb.StatusResponse):
        _deny(answered, condition)
    return answered


def _deny(status: pb.StatusResponse, denied: Condition) -> None:
    conditions = status.status.conditions
    found = next((one for one in conditions if one.type == denied.type), None) or conditions.add(type=denied.type)
    found.status, found.reason, found.message = False, denied.reason, denied.message
