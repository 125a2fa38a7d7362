"""Usage is plausible and only moves forward."""

from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.behaviour.usage import Load, usage_of

ids = st.binary(min_size=32, max_size=32).map(bytes.hex)
ages = st.floats(0, 1e7)


@given(ids, ages, ages, st.sampled_from(Load))
def test_counters_never_fall(id_: str, age: float, later: float, load: Load) -> None:
    earlier = usage_of(id_, age_seconds=age, load=load)
    after = usage_of(id_, age_seconds=age + later, load=load)

    assert after.cpu_core_nanoseconds >= earlier.cpu_core_nanoseconds
    assert after.written_bytes >= earlier.written_bytes
    assert after.received_bytes >= earlier.received_bytes


@given(ids, ages)
def test_a_sleeper_uses_less_than_a_server(id_: str, age: float) -> None:
    sleeper, server = usage_of(id_, age_seconds=age, load=Load.SLEEP), usage_of(id_, age_seconds=age, load=Load.SERVER)

    assert 0 < sleeper.working_set_bytes < server.working_set_bytes
    assert sleeper.cpu_core_nanoseconds <= server.cpu_core_nanoseconds


@given(ids, ages, st.sampled_from(Load), st.integers(4 << 20, 1 << 30))
def test_no_container_uses_more_memory_than_it_may(id_: str, age: float, load: Load, limit: int) -> None:
    assert usage_of(id_, age_seconds=age, load=load, limit_bytes=limit).usage_bytes <= limit


@given(ids, ages)
def test_memory_is_counted_consistently(id_: str, age: float) -> None:
    usage = usage_of(id_, age_seconds=age, load=Load.SERVER)

    assert usage.rss_bytes <= usage.working_set_bytes <= usage.usage_bytes
