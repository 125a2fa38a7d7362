"""Repeated events become a count, similar ones become one, and nobody writes without end."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.agent.events.correlator import COMBINED_PREFIX, REMEMBERED, CountedEvent, EventCorrelator
from kubeletsim.model.events import Event, ObjectReference

NOW = 1_700_000_000.0


def event(message: str = "it failed", *, name: str = "web", reason: str = "Failed", field_path: str = "") -> Event:
    about = ObjectReference(kind="Pod", name=name, namespace="default", uid=f"uid-{name}", field_path=field_path)
    return Event(regarding=about, reason=reason, message=message)


def warning() -> Event:
    return replace(event(), type="Warning")


def written(correlator: EventCorrelator, made: Event, *, now: float = NOW) -> CountedEvent:
    counted = correlator.correlate(made, now=now)
    assert counted is not None
    return counted


def test_the_same_event_again_counts_up_under_its_first_name_and_time() -> None:
    correlator = EventCorrelator()
    first = written(correlator, event())

    again = written(correlator, event(), now=NOW + 5)

    assert again == CountedEvent(event=event(), name=first.name, first_at=NOW, last_at=NOW + 5, count=2)
    assert first.name == f"web.{int(NOW * 1e9):x}"


def test_events_that_differ_in_anything_are_counted_apart() -> None:
    correlator = EventCorrelator()
    others = [
        event(),
        event("other"),
        event(name="db"),
        event(reason="Killing"),
        event(field_path="spec.containers{a}"),
    ]

    assert [written(correlator, other).count for other in others] == [1] * 5


def test_from_the_tenth_different_message_on_similar_events_become_one() -> None:
    correlator = EventCorrelator()

    made = [written(correlator, event(f"message {number}"), now=NOW + number) for number in range(12)]

    assert [one.event.message for one in made[:9]] == [f"message {number}" for number in range(9)]
    assert [one.event.message for one in made[9:]] == [f"{COMBINED_PREFIX}message {number}" for number in (9, 10, 11)]
    assert [one.count for one in made] == [1] * 9 + [1, 2, 3]
    assert len({one.name for one in made[9:]}) == 1


def test_after_ten_quiet_minutes_similar_events_are_told_apart_again() -> None:
    correlator = EventCorrelator()
    for number in range(11):
        correlator.correlate(event(f"message {number}"), now=NOW)

    late = written(correlator, event("message 99"), now=NOW + 601)

    assert late.event.message == "message 99"


def test_an_object_gets_25_events_at_once_and_then_one_in_five_minutes() -> None:
    correlator = EventCorrelator()

    passed = [correlator.correlate(event(), now=NOW) is not None for _ in range(30)]

    assert passed == [True] * 25 + [False] * 5
    assert correlator.correlate(event(), now=NOW + 299) is None
    late = written(correlator, event(), now=NOW + 300)
    assert late.count == 32  # what was held back counts
    assert correlator.correlate(event(), now=NOW + 301) is None
    assert written(correlator, event(name="db"), now=NOW).count == 1


def test_an_objects_warnings_do_not_use_up_the_budget_of_its_other_events() -> None:
    correlator = EventCorrelator()

    passed = [correlator.correlate(warning(), now=NOW) is not None for _ in range(26)]

    assert passed == [True] * 25 + [False]
    assert written(correlator, event()).count == 1


def test_memory_stays_bounded_and_what_was_used_last_stays() -> None:
    correlator = EventCorrelator()
    for number in range(REMEMBERED + 10):
        correlator.correlate(event(name=f"pod-{number}"), now=NOW)
        if number % 300 == 0:
            correlator.correlate(event(name="web"), now=NOW)

    assert written(correlator, event(name="pod-0"), now=NOW).count == 1
    assert written(correlator, event(name="web"), now=NOW).count > 1


@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from("ab"), st.floats(-10, 700)), max_size=80))
def test_whatever_comes_no_object_writes_more_than_its_budget(
    happenings: list[tuple[int, str, float]],
) -> None:
    correlator = EventCorrelator()
    now, written_of = NOW, {"a": 0, "b": 0}
    latest = NOW
    for number, name, later in happenings:
        now += later
        latest = max(latest, now)
        counted = correlator.correlate(event(f"message {number}", name=name), now=now)
        if counted is not None:
            written_of[name] += 1
            assert counted.count >= 1
            assert counted.event.regarding.name == name
            assert counted.last_at == now
    passed = sum(max(0.0, later) for _, _, later in happenings)
    assert all(count <= 25 + passed / 300 for count in written_of.values())
