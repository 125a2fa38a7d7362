"""What a container or an exec runs follows from four rules."""

import math

import pytest

from runtime_stub.shell.applets import APPLETS
from runtime_stub.shell.busybox import EMULATED
from runtime_stub.shell.commands import COMMANDS
from runtime_stub.shell.entrypoint import NotExecutable, container_program, exec_program, is_busybox
from runtime_stub.shell.program import LIVE, Exit, Program, Wait, exit_code, written

BUSYBOX = "library/busybox"
NGINX = "library/nginx"
SERVER: Program = (Wait(math.inf, heeds_signals=True),)


@pytest.mark.parametrize("image", [BUSYBOX, NGINX])
@pytest.mark.parametrize("command", ["sleep", "/bin/sleep", "/usr/local/bin/sleep"])
def test_a_command_is_known_by_its_basename(command: str, image: str) -> None:
    assert container_program([command, "10000"], [], image_path=image) == (Wait(10_000.0), Exit(0))


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("/nosuch", 'exec: "/nosuch": stat /nosuch: no such file or directory'),
        ("nosuch", 'exec: "nosuch": executable file not found in $PATH'),
        ("", 'exec: "": executable file not found in $PATH'),
    ],
)
def test_a_busybox_contains_nothing_but_busybox(command: str, text: str) -> None:
    with pytest.raises(NotExecutable, match="exec: ") as failure:
        container_program([command], [], image_path=BUSYBOX)
    assert str(failure.value) == text


def test_any_other_image_may_contain_anything() -> None:
    assert container_program(["/nosuch"], [], image_path=NGINX) == SERVER


@pytest.mark.parametrize(("command", "image"), [(["vi"], BUSYBOX), (["nginx", "-g"], NGINX), ([], NGINX)])
def test_a_command_that_is_not_emulated_is_a_server(command: list[str], image: str) -> None:
    assert container_program(command, [], image_path=image) == SERVER


def test_arguments_alone_leave_the_images_entry_point() -> None:
    assert container_program([], ["sleep", "1"], image_path=NGINX) == SERVER
    assert container_program([], ["sleep", "1"], image_path=BUSYBOX) == (Wait(1.0), Exit(0))


def test_a_shell_without_input_ends_at_once_and_with_input_stays() -> None:
    assert container_program([], [], image_path=BUSYBOX) == (Exit(0),)
    assert container_program(["sh"], [], image_path=BUSYBOX, has_stdin=True) == LIVE


def test_an_exec_that_is_not_emulated_succeeds_at_once() -> None:
    assert exec_program(["pg_isready"], image_path="library/postgres") == (Exit(0),)


@pytest.mark.parametrize("command", [["cat", "/tmp/healthy"], ["sh", "-c", "ls | wc -l"], ["sh", "/script"]])
def test_what_needs_the_emulated_shell_is_live(command: list[str]) -> None:
    assert exec_program(command, image_path=NGINX) == LIVE


def test_the_list_of_emulated_commands_is_right() -> None:
    assert set(COMMANDS) - set(APPLETS) == EMULATED


@pytest.mark.parametrize("command", [[], [""], ["/bin/nosuch"]])
def test_an_exec_of_something_that_cannot_exist_fails(command: list[str]) -> None:
    with pytest.raises(NotExecutable):
        exec_program(command, image_path=BUSYBOX)


def test_a_script_in_a_busybox_notices_what_is_not_there() -> None:
    program = exec_program(["/bin/sh", "-c", "nosuch"], image_path=BUSYBOX)

    assert (exit_code(program), written(program, "stderr")) == (127, b"/bin/sh: nosuch: not found\n")


@pytest.mark.parametrize("options", [["-ec"], ["-e", "-c"], ["-xec"]])
def test_shell_options_may_be_joined(options: list[str]) -> None:
    assert container_program(["sh", *options, "false; true"], [], image_path=BUSYBOX) == (Exit(1),)


def test_a_shell_without_a_script_complains() -> None:
    assert exit_code(container_program(["sh", "-c"], [], image_path=BUSYBOX)) == 2


@pytest.mark.parametrize(
    ("path", "expected"),
    [("library/busybox", True), ("e2e-test-images/busybox", True), ("busybox-musl", True), ("busyboxes/nginx", False)],
)
def test_a_busybox_is_known_by_its_name(path: str, expected: bool) -> None:
    assert is_busybox(path) is expected
