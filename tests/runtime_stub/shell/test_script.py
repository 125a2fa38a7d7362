"""`sh -c` runs statements in order and ends with the status of the last."""

import math

import pytest

from runtime_stub.shell.program import Exit, Output, Program, Wait, exit_code, written
from runtime_stub.shell.script import NeedsShell, compile_script

SERVER: Program = (Wait(math.inf, heeds_signals=True),)


def run(script: str, *, stop_at_failure: bool = False) -> Program:
    return compile_script(script, shell="sh", unknown=lambda name: SERVER, stop_at_failure=stop_at_failure)


def test_the_recorded_crash_sleeps_and_exits() -> None:
    assert run("sleep 1; exit 3") == (Wait(1.0), Exit(3))


@pytest.mark.parametrize(
    ("script", "status", "output"),
    [
        ("", 0, b""),
        ("true; false", 1, b""),
        ("false; true", 0, b""),
        ("false && echo a || echo b", 0, b"b\n"),
        ("true || echo a && echo b", 0, b"b\n"),
        ("exit", 0, b""),
        ("false; exit", 1, b""),
        ("exit 300", 44, b""),
        ("exit 2; echo never", 2, b""),
        ("echo a; exec echo b; echo never", 0, b"a\nb\n"),
    ],
)
def test_statements_run_in_order(script: str, status: int, output: bytes) -> None:
    program = run(script)

    assert (exit_code(program), written(program, "stdout")) == (status, output)


def test_errexit_stops_at_the_first_failure_that_nobody_asks_about() -> None:
    assert run("false; echo never", stop_at_failure=True) == (Exit(1),)
    assert exit_code(run("false || true; echo x", stop_at_failure=True)) == 0


def test_a_number_that_is_none_is_an_illegal_number() -> None:
    assert run("exit x") == (Output("stderr", b"sh: exit: Illegal number: x\n"), Exit(2))


def test_an_open_quote_is_a_syntax_error() -> None:
    assert exit_code(run("echo 'x")) == 2


def test_the_last_command_takes_the_shells_place_and_heeds_signals() -> None:
    assert run("echo x; nginx") == (Output("stdout", b"x\n"), *SERVER)


def test_a_command_that_the_shell_waits_for_leaves_pid_1_deaf() -> None:
    assert run("nginx; echo never") == (Wait(math.inf, heeds_signals=False),)


@pytest.mark.parametrize(
    "script", ["while true; do sleep 1; done", "echo $HOME", "a | b", "cat x", "/bin/echo x", "set -e; false", "x=1"]
)
def test_what_shows_only_as_it_goes_along_is_left_to_the_shell(script: str) -> None:
    with pytest.raises(NeedsShell):
        run(script)
