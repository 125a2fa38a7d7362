"""Claims about how a command's end is told to clients that do not speak SPDY."""

import json

import pytest

from kubeletsim.server.streams.outcome import translate


def failure(**more: object) -> bytes:
    return json.dumps({"status": "Failure", "message": "it broke", **more}).encode()


def exit_causes(*causes: dict[str, str]) -> bytes:
    return failure(reason="NonZeroExitCode", details={"causes": list(causes)})


@pytest.mark.parametrize("said", [b"", b'{"status":"Success"}', b'{"metadata":{},"status":"Success"}'])
def test_success_is_told_plainly(said: bytes) -> None:
    assert translate(said) == {"metadata": {}, "status": "Success"}


def test_an_exit_code_is_told_in_the_translators_words() -> None:
    assert translate(exit_causes({"reason": "Other"}, {"reason": "ExitCode", "message": "3"})) == {
        "metadata": {},
        "status": "Failure",
        "message": "command terminated with non-zero exit code: command terminated with exit code 3",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
    }


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (failure(reason="InternalError"), "it broke"),
        (exit_causes(), "error stream protocol error: no ExitCode cause given"),
        (
            exit_causes({"reason": "ExitCode", "message": "x"}),
            'error stream protocol error: invalid exit code value "x"',
        ),
        (
            exit_causes({"reason": "ExitCode", "message": "256"}),
            'error stream protocol error: invalid exit code value "256"',
        ),
        (b'{"status":"Maybe"}', "error stream protocol error: unknown error"),
    ],
)
def test_everything_else_is_an_internal_error(said: bytes, text: str) -> None:
    assert translate(said) == {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {text}",
        "reason": "InternalError",
        "details": {"causes": [{"message": text}]},
        "code": 500,
    }


@pytest.mark.parametrize("said", [b"oh no", b"[]", b"{}", b'"Success"'])
def test_what_is_no_status_is_quoted(said: bytes) -> None:
    assert translate(said)["message"].startswith("Internal error occurred: error stream protocol error: ")
