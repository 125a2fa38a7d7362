"""Emulated commands behave like busybox's."""

import math

import pytest

from runtime_stub.shell.applets import echo, false, sleep, true
from runtime_stub.shell.program import Exit, Output, Wait, duration_seconds, exit_code, written


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["hello", "World"], b"hello World\n"),
        (["-n", "hello"], b"hello"),
        (["-e", "a\\tb\\n\\x41\\0101"], b"a\tb\nAA\n"),
        (["-e", "a\\cb"], b"a"),
        (["-ne", "\\\\"], b"\\"),
        (["a\\nb"], b"a\\nb\n"),
        (["-x"], b"-x\n"),
        ([], b"\n"),
        (["-n"], b""),
    ],
)
def test_echo_writes_its_arguments(arguments: list[str], output: bytes) -> None:
    program = echo(arguments)

    assert written(program, "stdout") == output
    assert exit_code(program) == 0


@pytest.mark.parametrize(
    ("arguments", "seconds"), [(["1"], 1), (["1m"], 60), (["0.5"], 0.5), ([".5"], 0.5), (["1h", "2d"], 176_400)]
)
def test_sleep_takes_the_sum_of_its_operands_and_is_deaf(arguments: list[str], seconds: float) -> None:
    assert sleep(arguments) == (Wait(seconds, heeds_signals=False), Exit(0))


@pytest.mark.parametrize("word", ["inf", "infinity"])
def test_sleep_infinity_never_ends(word: str) -> None:
    assert duration_seconds(sleep([word])) == math.inf


@pytest.mark.parametrize(
    ("arguments", "text"), [(["x"], b"sleep: invalid number 'x'\n"), (["-1"], b"sleep: invalid number '-1'\n")]
)
def test_sleep_complains_about_what_is_no_number(arguments: list[str], text: bytes) -> None:
    assert sleep(arguments) == (Output("stderr", text), Exit(1))


def test_sleep_without_an_operand_fails() -> None:
    assert exit_code(sleep([])) == 1


def test_true_and_false_do_not_look_at_their_arguments() -> None:
    assert (exit_code(true(["x"])), exit_code(false(["x"]))) == (0, 1)
