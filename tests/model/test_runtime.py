"""What the kubelet makes of the runtime's lists: which instance is the newest, whatever the clock says."""

from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.model.runtime import Sandbox, SandboxID, newest_first
from tests.strategies import node_sandboxes


@given(node_sandboxes())
def test_the_newest_instance_is_the_last_attempt_and_nothing_gets_lost(sandboxes: list[Sandbox]) -> None:
    ordered = newest_first(sandboxes)

    assert sorted(one.id for one in ordered) == sorted(one.id for one in sandboxes)
    assert [one.attempt for one in ordered] == sorted((one.attempt for one in sandboxes), reverse=True)


@given(st.permutations(range(5)))
def test_of_the_same_attempt_the_youngest_is_the_newest(ages: list[int]) -> None:
    made = [
        Sandbox(id=SandboxID(str(age)), name="", namespace="", uid=None, state=None, created_at=age) for age in ages
    ]  # type: ignore[arg-type]

    assert [one.created_at for one in newest_first(made)] == [4, 3, 2, 1, 0]
