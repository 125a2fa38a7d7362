"""A plan is carried out in order, in time, and in spans that add up."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kubeletsim.base.timing import LoopClock
from runtime_stub.behaviour.latency import Latency, LatencyModel
from runtime_stub.behaviour.plan import (
    Attempt,
    Beside,
    Do,
    Each,
    Fact,
    Kind,
    Mark,
    Node,
    Note,
    Plan,
    Scope,
    SpanOf,
    Spend,
    Text,
    When,
)
from runtime_stub.services.performer import Performer, go_duration
from runtime_stub.services.scene import Scene
from runtime_stub.state.refusals import Reason, Refusal

LATENCIES = {"tiny": Latency(0.1, spread=0), "short": Latency(0.4, spread=0), "long": Latency(50, spread=0)}

pytestmark = pytest.mark.looptime


class Stage:
    """A performer, the spans it made, and what its steps did."""

    def __init__(self) -> None:
        self.exporter, self.provider = InMemorySpanExporter(), TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.did: list[str] = []

    async def perform(
        self, plan: Plan, scene: Scene | None = None, *, sampled: bool = True, timed: bool = True
    ) -> None:
        performer = Performer(
            {"Call": plan},
            latency=LatencyModel(LATENCIES if timed else {}, seed=0),
            tracer=lambda scope: self.provider.get_tracer(scope.name, scope.version),
            clock=LoopClock(),
            facts={"always": "there"},
        )
        span = self.provider.get_tracer("test").start_span("Call", start_time=0) if sampled else trace.INVALID_SPAN
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            await performer.perform("Call", scene or self.scene())

    def scene(self, name: str = "", **facts: str) -> Scene:
        steps = {key: (lambda key=key: self.did.append(key + name)) for key in ("a", "b", "c")}
        return Scene(facts=dict(facts), steps=steps, clean_up=lambda: self.did.append(f"clean{name}"))

    def span(self, name: str) -> ReadableSpan:
        return next(one for one in self.exporter.get_finished_spans() if one.name == name)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.provider.shutdown()


def inner(name: str, *body: Node, **attributes: str) -> SpanOf:
    return SpanOf(
        name, Scope("test"), Kind.INTERNAL, tuple((key, Fact(fact)) for key, fact in attributes.items()), body
    )


def milliseconds(span: ReadableSpan) -> float:
    return ((span.end_time or 0) - (span.start_time or 0)) / 1e6


async def test_steps_are_taken_in_order_and_the_scene_is_cleaned_up(stage: Stage) -> None:
    await stage.perform((Do("a"), inner("x", Do("b")), Do("c")))

    assert stage.did == ["a", "b", "c", "clean"]


async def test_a_condition_is_asked_when_the_plan_comes_to_it(stage: Stage) -> None:
    scene = stage.scene()
    scene.conditions = {"a is done": lambda: "a" in stage.did}
    await stage.perform((When("a is done", (Do("c"),)), Do("a"), When("a is done", (Do("b"),))), scene)

    assert stage.did == ["a", "b", "clean"]


async def test_a_group_is_gone_through_member_by_member(stage: Stage) -> None:
    scene = stage.scene()
    scene.groups = {"all": lambda: [stage.scene("1"), stage.scene("2")]}
    await stage.perform((Each("all", (Do("a"), Do("b"))),), scene)

    assert stage.did == ["a1", "b1", "clean1", "a2", "b2", "clean2", "clean"]


async def test_short_spans_last_as_long_as_they_should(stage: Stage) -> None:
    await stage.perform((inner("x", Spend("tiny"), inner("y", Spend("short"))), inner("z", Spend("long"))))

    assert milliseconds(stage.span("y")) == pytest.approx(0.4, abs=0.001)
    assert milliseconds(stage.span("x")) == pytest.approx(0.5, abs=0.001)
    assert milliseconds(stage.span("z")) == pytest.approx(50, abs=0.001)


async def test_time_is_really_spent(stage: Stage, looptime: float) -> None:
    await stage.perform(tuple(Spend("short") for _ in range(10)))

    assert float(looptime) == pytest.approx(0.004, abs=1e-5)


async def test_a_latency_may_be_spent_many_times_at_once(stage: Stage, looptime: float) -> None:
    await stage.perform((Spend("long", times="megabytes"),), Scene(facts={"megabytes": 2.5}))

    assert float(looptime) == pytest.approx(0.125, abs=1e-5)


async def test_a_step_that_waits_counts_into_its_span(stage: Stage) -> None:
    scene = Scene(steps={"wait": lambda: asyncio.sleep(2)})
    await stage.perform((inner("x", Spend("long"), Do("wait")),), scene)

    assert milliseconds(stage.span("x")) == pytest.approx(2050, abs=0.01)


async def test_without_latency_nothing_waits(stage: Stage, looptime: float) -> None:
    await stage.perform((inner("x", Spend("long")),), timed=False)

    assert looptime == 0


async def test_what_nobody_sampled_leaves_no_spans_and_takes_as_long(stage: Stage, looptime: float) -> None:
    await stage.perform((inner("x", Spend("long"), Do("a")), Mark("event"), Note((("k", "v"),))), sampled=False)

    assert stage.did == ["a", "clean"]
    assert not stage.exporter.get_finished_spans()
    assert float(looptime) == pytest.approx(0.05, abs=1e-5)


async def test_facts_become_attributes_even_when_they_are_found_late(stage: Stage) -> None:
    scene = stage.scene(known="yes")
    scene.steps = {"find": lambda: scene.facts.update(late="too")}
    await stage.perform((inner("x", Do("find"), a="known", b="late", c="never", d="always"),), scene)

    assert dict(stage.span("x").attributes or {}) == {"a": "yes", "b": "too", "d": "there"}


async def test_notes_go_to_the_calls_span_and_marks_to_the_open_one(stage: Stage) -> None:
    await stage.perform((inner("x", Note((("k", "v"),)), Spend("long"), Mark("done", (), "took")),))

    assert dict(stage.span("Call").attributes or {}) == {"k": "v"}
    (event,) = stage.span("x").events
    assert (event.name, dict(event.attributes or {})) == ("done", {"took": "50ms"})


def refusing(stage: Stage) -> Scene:
    def refuse() -> None:
        raise Refusal(Reason.START_FAILED, cause="no such file")

    scene = stage.scene()
    scene.steps = {**scene.steps, "refuse": refuse}
    return scene


async def test_a_refusal_fails_the_open_spans_that_show_such_things_and_cleans_up(stage: Stage) -> None:
    showing = replace(inner("y", Do("refuse")), fails=True)
    with pytest.raises(Refusal):
        await stage.perform((inner("before"), inner("x", showing)), refusing(stage))

    errors = {one.name: one.status.description for one in stage.exporter.get_finished_spans()}
    assert errors == {"before": None, "y": "no such file", "x": None, "Call": None}
    assert stage.did == ["clean"]


async def test_a_span_may_show_an_error_that_is_none_of_the_calls(stage: Stage) -> None:
    await stage.perform((replace(inner("x"), error="ttrpc: closed"), Do("a")))

    assert stage.span("x").status.description == "ttrpc: closed"
    assert stage.did == ["a", "clean"]


async def test_what_was_begun_in_vain_is_cleaned_up_before_the_refusal_goes_on(stage: Stage) -> None:
    with pytest.raises(Refusal):
        await stage.perform((Attempt((Do("a"), Do("refuse")), (Do("b"),)), Do("c")), refusing(stage))
    await stage.perform((Attempt((Do("a"),), (Do("b"),)), Do("c")))

    assert stage.did == ["a", "b", "clean", "a", "c", "clean"]


async def test_what_is_done_beside_something_begins_with_it(stage: Stage, looptime: float) -> None:
    scene = Scene(steps={"wait": lambda: asyncio.sleep(1)})
    await stage.perform((Beside((inner("x", Spend("long")),), (inner("y", Spend("short"), Do("wait")),)),), scene)

    x, y = stage.span("x"), stage.span("y")
    assert 0 < (y.start_time or 0) - (x.start_time or 0) < 100_000
    assert (milliseconds(x), milliseconds(y)) == (pytest.approx(50, abs=0.1), pytest.approx(1050, abs=0.1))
    assert float(looptime) == pytest.approx(1.05, abs=0.001)


async def test_what_ends_early_beside_something_holds_nothing_up(stage: Stage, looptime: float) -> None:
    await stage.perform((Beside((Spend("long"),), (inner("y", Spend("short")),)),))

    assert milliseconds(stage.span("y")) == pytest.approx(0.4, abs=0.001)
    assert float(looptime) == pytest.approx(0.05, abs=1e-4)


async def test_a_refusal_ends_what_is_done_beside_it(stage: Stage) -> None:
    with pytest.raises(Refusal):
        await stage.perform((Beside((Spend("long"), Do("refuse")), (inner("y", Do("a")),)),), refusing(stage))

    assert stage.span("y")
    assert stage.did == ["a", "clean"]


async def test_texts_have_the_facts_in_them(stage: Stage) -> None:
    line = Mark(Text('made "{known}", {always}'), (("address", Text("unix://{known}")),))
    await stage.perform((inner("x", line),), stage.scene(known="it"))

    (event,) = stage.span("x").events
    assert (event.name, dict(event.attributes or {})) == ('made "it", there', {"address": "unix://it"})


@pytest.mark.parametrize(("kind", "status"), [(Kind.CLIENT, "context canceled"), (Kind.INTERNAL, None)])
async def test_a_call_whose_caller_leaves_ends_its_spans_and_cleans_up(
    stage: Stage, kind: Kind, status: str | None
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await stage.perform((replace(inner("x", Spend("long"), Do("a")), kind=kind),))

    assert stage.span("x").status.description == status
    assert stage.did == ["clean"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (5e-7, "500ns"), (0.000012, "12µs"), (0.06198, "61.98ms"), (2.064, "2.064s")]
)
def test_durations_read_as_gos(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
