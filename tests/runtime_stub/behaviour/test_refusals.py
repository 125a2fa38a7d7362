"""Errors read as the imitated runtime words them."""

import pytest

from runtime_stub.behaviour.profiles import PROFILES, Profile
from runtime_stub.behaviour.profiles.bad_requests import BAD_REQUESTS
from runtime_stub.behaviour.profiles.containerd_wordings import RECORDED
from runtime_stub.behaviour.refusals import go_duration, word
from runtime_stub.state.refusals import Reason, Refusal, lookup_refusal

CONTAINERD = PROFILES["containerd"].wordings


def container_not_found(id_: str, *, cause: str = "not found") -> Refusal:
    unusable = Reason.CONTAINER_ID_UNUSABLE
    return lookup_refusal(Reason.CONTAINER_NOT_FOUND, unusable=unusable, id_=id_, cause=cause)


def test_a_reserved_name_is_a_failed_precondition() -> None:
    refusal = Refusal(Reason.SANDBOX_NAME_RESERVED, name="p_n_u_0", holder="abc")

    assert word(refusal, CONTAINERD) == (
        "FAILED_PRECONDITION",
        'failed to reserve sandbox name "p_n_u_0": name "p_n_u_0" is reserved for "abc"',
    )


def test_a_missing_container_reads_as_recorded() -> None:
    refusal = container_not_found("36dc")

    assert word(refusal, CONTAINERD) == (
        "NOT_FOUND",
        'an error occurred when try to find container "36dc": not found',
    )


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda one: one.name)
def test_an_unusable_id_is_the_callers_mistake(profile: Profile) -> None:
    refusal = container_not_found("", cause="prefix can't be empty")

    code, text = word(refusal, profile.wordings)
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("container_id: ")
    assert text.endswith("prefix can't be empty")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda one: one.name)
@pytest.mark.parametrize("reason", BAD_REQUESTS)
def test_a_bad_request_gets_a_code_that_says_so_and_a_text_that_names_the_field(
    profile: Profile, reason: Reason
) -> None:
    if profile.name == "containerd" and reason in RECORDED:
        assert profile.wordings[reason] == RECORDED[reason]
        return

    code, text = profile.wordings[reason]
    assert code in {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}
    assert text.startswith(BAD_REQUESTS[reason][1] + ": ")


def test_only_what_the_recordings_show_of_bad_requests_is_unknown() -> None:
    unknown = {one for one in BAD_REQUESTS if CONTAINERD[one][0] == "UNKNOWN"}

    assert unknown == {Reason.EXEC_NOT_RUNNING}


def test_texts_are_quoted_as_go_quotes_them() -> None:
    refusal = container_not_found('a"\n{x}\\')

    assert '"a\\"\\n{x}\\\\"' in word(refusal, CONTAINERD)[1]


@pytest.mark.parametrize(("seconds", "text"), [(1, "1s"), (60, "1m0s"), (90, "1m30s"), (7200, "2h0m0s")])
def test_durations_read_as_gos(seconds: int, text: str) -> None:
    assert go_duration(seconds) == text
