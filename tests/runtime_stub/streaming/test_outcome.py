"""Clients learn how a command ended in the form of their protocol's version."""

import json

import pytest

from runtime_stub.streaming.outcome import ExitedNonZero, Failed, Outcome, Success, status_bytes

SEVEN = ExitedNonZero(("sh", "-c", "exit 7"), 7)


def test_version_4_knows_the_exit_code() -> None:
    status = json.loads(status_bytes(SEVEN, version=4))

    assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
    assert status["message"].startswith("command terminated with non-zero exit code: ")


def test_version_4_says_success_and_failure_in_json() -> None:
    assert json.loads(status_bytes(Success(), version=4)) == {"metadata": {}, "status": "Success"}

    failure = json.loads(status_bytes(Failed("no such thing"), version=5))
    assert (failure["reason"], failure["code"]) == ("InternalError", 500)
    assert failure["message"] == "Internal error occurred: no such thing"


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Success(), b""),
        (Failed("broken"), b"Internal error occurred: broken"),
        (SEVEN, b"command terminated with non-zero exit code: error executing command [sh -c exit 7], exit code 7"),
    ],
)
def test_earlier_versions_know_a_text_and_silence(outcome: Outcome, text: bytes) -> None:
    assert status_bytes(outcome, version=1) == text
