"""A shell that is typed into is one shell from the first line to the last."""

from collections.abc import Sequence

import pytest

from runtime_stub.shell.commands import find_command
from runtime_stub.shell.context import Call, Console
from runtime_stub.shell.program import Interrupted, Output, Read, Wait
from tests.runtime_stub.shell.test_interpreter import context

INTERRUPT = None


class Conversation:
    """A shell and what was said: its outputs, and the waits it began."""

    def __init__(self, *, is_terminal: bool = True) -> None:
        self.said = ""
        self.waits: list[float] = []
        around = context()
        call = Call(["sh"], around, Console(is_terminal=is_terminal), around.environment, "/", around.begin(["sh"]))
        self._process = find_command(call, shell="sh")

    def run(self, typed: Sequence[bytes | None]) -> int | None:
        """Type something whenever the shell reads, or ^C; return the exit code, or None when it goes on reading."""
        lines = iter(typed)
        try:
            step = next(self._process)
            while True:
                sent: bytes | None = None
                match step:
                    case Output(_, data):
                        self.said += data.decode()
                    case Wait(seconds):
                        self.waits.append(seconds)
                        if seconds > 100:
                            step = self._process.throw(Interrupted())
                            continue
                    case Read():
                        if (sent := next(lines, b"nothing")) == b"nothing":
                            return None
                        if sent is INTERRUPT:
                            step = self._process.throw(Interrupted())
                            continue
                step = self._process.send(sent)
        except StopIteration as end:
            return int(end.value)


def test_variables_functions_and_the_directory_stay() -> None:
    talk = Conversation(is_terminal=False)

    assert talk.run([b"x=5; f() { echo f$1; }\n", b"cd /tmp\n", b"f $x; pwd\n", b"false\n", b""]) == 1
    assert talk.said == "f5\n/tmp\n"


def test_a_terminal_is_prompted_with_the_directory_and_shown_that_a_construct_goes_on() -> None:
    talk = Conversation()

    assert talk.run([b"cd /root/\n", b"cd /tmp\n", b"for i in 1 2\n", b"do echo $i\n", b"done\n", b"exit 3\n"]) == 3
    assert talk.said == "/ $ ~ $ /tmp $ > > 1\n2\n/tmp $ "


def test_prompts_are_variables() -> None:
    talk = Conversation()
    talk.run([b"PS1='\\h:\\W\\n'\n", b"echo 'a\n", b"b'\n"])

    assert talk.said == "/ $ box:/\n> a\nb\nbox:/\n"


@pytest.mark.parametrize(
    "lines",
    [
        [b"echo one \\\n", b"two\n"],
        [b"cat <<END\n", b"one two\n", b"END\n"],
        [b"echo one |\n", b"sed 's/$/ two/'\n"],
        [b"true &&\n", b"echo 'one two'\n"],
        [b"if true\n", b"then echo one two; fi\n"],
        [b"echo `echo one\n", b"` two\n"],
        [b"f() {\n", b"echo one two\n", b"}\n", b"f\n"],
    ],
)
def test_what_is_unfinished_goes_on_in_the_next_line(lines: list[bytes]) -> None:
    talk = Conversation(is_terminal=False)

    assert talk.run([*lines, b""]) == 0
    assert talk.said == "one two\n"


def test_commands_read_what_is_typed_after_them() -> None:
    talk = Conversation(is_terminal=False)
    talk.run([b"read a; echo got $a\n", b"word\n", b"cat\n", b"to cat\n", b""])

    assert talk.said == "got word\nto cat\n"


def test_the_end_of_input_typed_at_a_terminal_is_one_commands_only() -> None:
    talk = Conversation()

    assert talk.run([b"cat\n", b"a\n", b"", b"echo b\n", b""]) == 0
    assert talk.said == "/ $ a\n/ $ b\n/ $ "


@pytest.mark.parametrize("command", [b"sleep 1000\n", b"sleep 1000 | cat\n", b"(sleep 1000; echo no)\n", b"sh\n"])
def test_an_interrupt_ends_the_command_and_not_the_shell(command: bytes) -> None:
    talk = Conversation()
    inner = [INTERRUPT, b"exit 9\n"] if command == b"sh\n" else []

    assert talk.run([command, *inner, b"echo $?\n", b"exit 4\n"]) == 4
    assert ("9\n" if inner else "130\n") in talk.said
    assert "no" not in talk.said


def test_an_interrupt_forgets_the_lines_that_are_being_typed() -> None:
    talk = Conversation()
    talk.run([b"for i in 1 2\n", INTERRUPT, b"echo $?\n"])

    assert talk.said == "/ $ > / $ 130\n/ $ "


def test_without_a_terminal_an_interrupt_ends_the_shell() -> None:
    with pytest.raises(Interrupted):
        Conversation(is_terminal=False).run([b"echo a\n", INTERRUPT])


def test_complaints_do_not_end_the_conversation() -> None:
    talk = Conversation(is_terminal=False)

    assert talk.run([b"fi\n", b"break; echo a\n", b"echo ${x?unset}\n", b"echo b\n", b""]) == 0
    assert 'syntax error: unexpected "fi"' in talk.said
    assert talk.said.endswith("b\n")


def test_an_unfinished_script_is_complained_about_at_the_end() -> None:
    talk = Conversation(is_terminal=False)

    assert talk.run([b"if true\n", b""]) == 2
    assert "unexpected end of file" in talk.said
