"""Usage is plausible and only moves forward."""

from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.behaviour.usage import usage_of

ids = st.binary(min_size=32, max_size=32).map(bytes.hex)
ages = st.floats(0, 1e7)


@given(ids, ages, ages, st.booleans())
def test_counters_never_fall(id_: str, age: float, later: float, idle: bool) -> None:
    earlier = usage_of(id_, age_seconds=age, idle=idle)
    after = usage_of(id_, age_seconds=age + later, idle=idle)

    assert after.cpu_core_nanoseconds >= earlier.cpu_core_nanoseconds
    assert after.written_bytes >= earlier.written_bytes
    assert after.received_bytes >= earlier.received_bytes


@given(ids, ages)
def test_a_sleeper_uses_less_than_a_server(id_: str, age: float) -> None:
    sleeper, server = usage_of(id_, age_seconds=age, idle=True), usage_of(id_, age_seconds=age, idle=False)

    assert 0 < sleeper.working_set_bytes < server.working_set_bytes
    assert sleeper.cpu_core_nanoseconds <= server.cpu_core_nanoseconds


@given(ids, ages)
def test_memory_is_counted_consistently(id_: str, age: float) -> None:
    usage = usage_of(id_, age_seconds=age, idle=False)

    assert usage.rss_bytes <= usage.working_set_bytes <= usage.usage_bytes
