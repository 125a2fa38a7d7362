"""What the rules decide happens to a call while it is carried out: in time, in spans, at the place that was named."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kubeletsim.base.timing import LoopClock
from runtime_stub.behaviour.distributions import Constant
from runtime_stub.behaviour.latency import Latency, LatencyModel
from runtime_stub.behaviour.plan import Do, Each, Kind, Node, Overlap, Plan, Scope, SpanOf, Spend, When
from runtime_stub.behaviour.rules.rule import Error, Fault, Hang, Place, Reset, Rule, Slowness
from runtime_stub.behaviour.rules.rulebook import Rulebook
from runtime_stub.behaviour.rules.subject import Subject
from runtime_stub.services.injection import CURRENT, Injected, Injection
from runtime_stub.services.performer import Performer
from runtime_stub.services.scene import Scene
from runtime_stub.state.refusals import Refusal

LATENCIES = {name: Latency(ms, spread=0) for name, ms in {"one": 10, "two": 30, "fetch": 100}.items()}
ERROR = Error(code="UNKNOWN", message="{rpc} of {pod} broke: {id}")

pytestmark = pytest.mark.looptime


class Stage:
    """A performer with one rule, the spans it made, and what its steps did."""

    def __init__(self) -> None:
        self.exporter, self.provider = InMemorySpanExporter(), TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.did: list[str] = []
        self.cuts = 0

    async def perform(
        self,
        plan: Plan,
        *,
        latency: Slowness | None = None,
        fault: Fault | None = None,
        place: Place = Place(),  # noqa: B008  # a value
        scene: Scene | None = None,
        timed: bool = True,
    ) -> None:
        performer = Performer(
            {"Call": plan},
            latency=LatencyModel(LATENCIES if timed else {}, seed=0),
            tracer=lambda scope: self.provider.get_tracer(scope.name, scope.version),
            clock=LoopClock(),
            facts={},
        )
        rule = Rule(name="r", latency=latency, fault=fault, place=place)
        subject = Subject(rpc="Call", pod="web")
        decision = Rulebook([rule], seed=1).decide(subject, now=0)
        assert decision is not None
        injection = Injection(decision, subject, transfer="fetch", cut=self.cut)
        CURRENT.set(injection)
        span = self.provider.get_tracer("test").start_span("Call", start_time=0)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                await performer.perform("Call", scene or self.scene())
            finally:
                injection.note_on(span)

    def cut(self) -> None:
        self.cuts += 1

    def scene(self) -> Scene:
        steps = {key: (lambda key=key: self.did.append(key)) for key in ("a", "b")}
        return Scene(facts={"id": "c0ffee"}, steps=steps, leave=lambda: self.did.append("left"))

    def span(self, name: str) -> ReadableSpan:
        return next(one for one in self.exporter.get_finished_spans() if one.name == name)

    def milliseconds(self, name: str) -> float:
        span = self.span(name)
        return ((span.end_time or 0) - (span.start_time or 0)) / 1e6

    @property
    def noted(self) -> dict[str, object]:
        return dict(self.span("Call").attributes or {})


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.provider.shutdown()


def inner(name: str, *body: Node) -> SpanOf:
    return SpanOf(name, Scope("test"), Kind.CLIENT, (), body, fails=True)


PLAN: Plan = (inner("x", Spend("one"), Do("a")), inner("y", Spend("two"), Do("b")))


async def test_what_is_added_is_spread_over_the_pieces_of_work(stage: Stage, looptime: float) -> None:
    await stage.perform(PLAN, latency=Slowness(add=Constant(0.4)))

    assert [stage.milliseconds(name) for name in ("x", "y")] == pytest.approx([110, 330], abs=0.01)
    assert float(looptime) == pytest.approx(0.44, abs=1e-5)
    assert stage.noted == {"stub.latency": 0.4, "stub.latency.planned": 0.44, "stub.latency.rule": "r"}


async def test_what_is_added_at_a_piece_stays_there(stage: Stage) -> None:
    await stage.perform(PLAN, latency=Slowness(add=Constant(0.4), at="two"))

    assert [stage.milliseconds(name) for name in ("x", "y")] == pytest.approx([10, 430], abs=0.01)


async def test_a_total_is_kept_by_pieces_that_shrink_or_grow(stage: Stage, looptime: float) -> None:
    await stage.perform(PLAN, latency=Slowness(total=Constant(0.02)))

    assert [stage.milliseconds(name) for name in ("x", "y")] == pytest.approx([5, 15], abs=0.01)
    assert float(looptime) == pytest.approx(0.02, abs=1e-5)
    assert stage.noted["stub.latency"] == pytest.approx(-0.02)


async def test_a_factor_stretches_all_or_one(stage: Stage) -> None:
    await stage.perform(PLAN, latency=Slowness(factor=10))
    assert [stage.milliseconds(name) for name in ("x", "y")] == pytest.approx([100, 300], abs=0.01)

    stage.exporter.clear()
    await stage.perform(PLAN, latency=Slowness(factor=10, at="one"))
    assert [stage.milliseconds(name) for name in ("x", "y")] == pytest.approx([100, 30], abs=0.01)


async def test_without_the_profiles_latencies_what_is_added_comes_at_the_end(stage: Stage, looptime: float) -> None:
    await stage.perform(PLAN, latency=Slowness(add=Constant(0.4)), timed=False)

    assert stage.did == ["a", "b"]
    assert float(looptime) == pytest.approx(0.4, abs=1e-5)


async def test_a_course_that_turns_out_shorter_is_made_up_for(stage: Stage, looptime: float) -> None:
    scene = stage.scene()
    scene.conditions = {"nothing done": lambda: not stage.did}
    plan = (Do("a"), When("nothing done", (Spend("two"),)), Spend("one"))

    await stage.perform(plan, latency=Slowness(total=Constant(0.4)), scene=scene)

    assert float(looptime) == pytest.approx(0.4, abs=1e-5)


async def test_layers_arrive_at_the_bandwidth(stage: Stage, looptime: float) -> None:
    scene = Scene(groups={"layers": lambda: [Scene(facts={"size": size}) for size in (1_000_000, 500_000)]})

    await stage.perform(
        (Each("layers", (Spend("fetch"), Spend("one"))),), latency=Slowness(bytes_per_second=1e6), scene=scene
    )

    assert float(looptime) == pytest.approx(1.52, abs=1e-5)


LAYERS: Plan = (Overlap("layers", (Spend("two"),), (Spend("one"),), at_once=3),)


@pytest.mark.parametrize(
    ("latency", "seconds"),
    [
        (Slowness(factor=1), 0.03 + 3 * 0.01 + 0.01),
        (Slowness(factor=2), 0.06 + 3 * 0.02 + 0.02),
        (Slowness(total=Constant(0.4)), 0.4),
        (Slowness(add=Constant(0.4)), 0.47),
    ],
)
async def test_layers_come_side_by_side(stage: Stage, looptime: float, latency: Slowness, seconds: float) -> None:
    scene = Scene(groups={"layers": lambda: [Scene() for _ in range(4)]})

    await stage.perform(LAYERS, latency=latency, scene=scene)

    assert float(looptime) == pytest.approx(seconds, abs=1e-5)
    assert stage.noted["stub.latency.planned"] == pytest.approx(seconds, abs=1e-5)
    assert stage.noted["stub.latency"] == pytest.approx(seconds - 0.07, abs=1e-5)


async def test_a_fault_strikes_after_the_piece_of_work_it_names(stage: Stage, looptime: float) -> None:
    with pytest.raises(Injected) as failed:
        await stage.perform(PLAN, fault=ERROR, place=Place(at="two"))

    assert stage.did == ["a"]
    assert float(looptime) == pytest.approx(0.04, abs=1e-5)
    assert failed.value.facts["message"] == "Call of web broke: c0ffee"
    assert stage.span("y").status.description == "Call of web broke: c0ffee"
    assert stage.span("x").status.is_unset
    assert stage.noted == {"stub.fault": "error", "stub.fault.at": "two", "stub.fault.rule": "r"}


async def test_a_fault_may_wait_for_a_later_time_at_its_place(stage: Stage, looptime: float) -> None:
    scene = Scene(groups={"layers": lambda: [Scene(), Scene(), Scene()]})

    with pytest.raises(Injected):
        await stage.perform(
            (Each("layers", (Spend("one"),)),), fault=ERROR, place=Place(at="one", occurrence=2), scene=scene
        )

    assert float(looptime) == pytest.approx(0.02, abs=1e-5)


@pytest.mark.parametrize(("keep", "did"), [(False, ["a"]), (True, ["a", "left"])])
async def test_what_was_made_stays_behind_if_the_rule_says_so(stage: Stage, keep: bool, did: list[str]) -> None:
    fault = Error(code="UNKNOWN", message="", keep=keep)

    with pytest.raises(Refusal):
        await stage.perform(PLAN, fault=fault, place=Place(at="two"))

    assert stage.did == did


async def test_a_call_that_hangs_holds_its_spans_open_until_its_caller_leaves(stage: Stage) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(7):
            await stage.perform(PLAN, fault=Hang(), place=Place(at="one"))

    assert stage.milliseconds("x") == pytest.approx(7000, abs=0.01)
    assert stage.span("x").status.description == "context canceled"
    assert stage.did == []
    assert stage.noted["stub.fault"] == "hang"


async def test_a_reset_cuts_the_connections(stage: Stage) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await stage.perform(PLAN, fault=Reset(), place=Place(at="one"))

    assert stage.cuts == 1


async def test_a_fault_at_a_place_the_call_never_comes_to_leaves_no_mark(stage: Stage) -> None:
    await stage.perform(PLAN, fault=ERROR, place=Place(at="fetch"))

    assert stage.did == ["a", "b"]
    assert stage.noted == {}


BODIES = st.recursive(
    st.lists(st.builds(Spend, st.sampled_from(["one", "two", "fetch"])), max_size=4).map(tuple),
    lambda inner_: st.lists(
        st.one_of(
            inner_.map(lambda body: inner("x", *body)),
            inner_.map(lambda body: When("yes", body)),
            inner_.map(lambda body: When("no", body)),
            inner_.map(lambda body: Each("both", body)),
        ),
        max_size=3,
    ).map(tuple),
    max_leaves=6,
)


def willing() -> Scene:
    yes_no = {"yes": lambda: True, "no": lambda: False}
    return Scene(conditions=yes_no, groups={"both": lambda: [willing(), willing()]})


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(plan=BODIES, total=st.floats(0, 100))
def test_a_call_takes_as_long_as_its_rule_says_whatever_it_does(plan: Plan, total: float) -> None:
    class Counted:
        spent = 0.0

        async def spend(self, seconds: float) -> None:
            self.spent += seconds

        def catch_up(self) -> None:
            pass

    decision = Rulebook([Rule(name="r", latency=Slowness(total=Constant(total)))], seed=1).decide(
        Subject(rpc="Call"), now=0
    )
    assert decision is not None
    pace, draws = Counted(), LatencyModel(LATENCIES, seed=0).draws("Call")
    injection = Injection(decision, Subject(rpc="Call"), transfer="", cut=lambda: None)

    async def play(body: Plan, scene: Scene) -> None:
        for node in body:
            match node:
                case Spend(latency):
                    await injection.work(latency, draws.draw(latency), scene.facts, pace)
                case SpanOf(body=inside):
                    await play(inside, scene)
                case When(condition, inside) if scene.conditions[condition]():
                    await play(inside, scene)
                case Each(group, inside):
                    for member in scene.groups[group]():
                        await play(inside, member)

    async def call() -> None:
        injection.begin(plan, willing(), draws.again())
        await play(plan, willing())
        await injection.make_up(pace)

    with asyncio.Runner() as runner:
        runner.run(call())

    assert pace.spent == pytest.approx(total, abs=1e-6)
