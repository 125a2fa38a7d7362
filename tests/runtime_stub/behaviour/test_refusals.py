"""Errors read as the imitated runtime words them."""

import pytest

from runtime_stub.behaviour.profiles import PROFILES
from runtime_stub.behaviour.refusals import go_duration, word
from runtime_stub.state.refusals import Reason, Refusal, lookup_refusal

CONTAINERD = PROFILES["containerd"].wordings


def test_a_reserved_name_is_a_failed_precondition() -> None:
    refusal = Refusal(Reason.SANDBOX_NAME_RESERVED, name="p_n_u_0", holder="abc")

    assert word(refusal, CONTAINERD) == (
        "FAILED_PRECONDITION",
        'failed to reserve sandbox name "p_n_u_0": name "p_n_u_0" is reserved for "abc"',
    )


def test_a_missing_container_reads_as_recorded() -> None:
    refusal = lookup_refusal(Reason.CONTAINER_NOT_FOUND, id_="36dc", cause="not found")

    assert word(refusal, CONTAINERD) == (
        "NOT_FOUND",
        'an error occurred when try to find container "36dc": not found',
    )


def test_an_unusable_id_is_unknown() -> None:
    refusal = lookup_refusal(Reason.CONTAINER_NOT_FOUND, id_="", cause="prefix can't be empty")

    assert word(refusal, CONTAINERD) == (
        "UNKNOWN",
        'an error occurred when try to find container "": prefix can\'t be empty',
    )


def test_texts_are_quoted_as_go_quotes_them() -> None:
    refusal = lookup_refusal(Reason.CONTAINER_NOT_FOUND, id_='a"\n{x}\\', cause="not found")

    assert '"a\\"\\n{x}\\\\"' in word(refusal, CONTAINERD)[1]


@pytest.mark.parametrize(("seconds", "text"), [(1, "1s"), (60, "1m0s"), (90, "1m30s"), (7200, "2h0m0s")])
def test_durations_read_as_gos(seconds: int, text: str) -> None:
    assert go_duration(seconds) == text
