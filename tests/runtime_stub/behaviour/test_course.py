"""Work in two stages overlaps as far as it can, and no further."""

from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.behaviour.course import Course

seconds = st.floats(0, 100)


def walked(members: list[tuple[float, float]], *, at_once: int) -> float:
    course = Course(at_once=at_once)
    for first, then in members:
        course.finish(course.arrive(course.begin() + first) + then)
    return course.end


@given(st.lists(st.tuples(seconds, seconds), max_size=8), st.integers(1, 4))
def test_it_takes_no_longer_than_all_and_no_less_than_any_part(
    members: list[tuple[float, float]], at_once: int
) -> None:
    end = walked(members, at_once=at_once)
    firsts, thens = (sum(one) for one in zip(*members, strict=True)) if members else (0.0, 0.0)

    assert end <= (firsts + thens) * 1.000001
    assert end >= max([0.0, thens, firsts / at_once, *(first + then for first, then in members)]) * 0.999999


def test_members_come_together_and_go_on_one_by_one() -> None:
    assert walked([(2, 1), (2, 1), (2, 1), (2, 1)], at_once=3) == 5 + 1
    assert walked([(2, 1), (2, 1)], at_once=1) == 2 + 2 + 1
