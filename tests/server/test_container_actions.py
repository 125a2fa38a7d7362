"""Claims about /run and /checkpoint, on a stub and over real sockets."""

import json
from pathlib import Path

import pytest

from tests.server.stub_lab import Lab


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("web/shell?cmd=echo+hi", 200, "hi\n"),
        ("web/any-uid/shell?cmd=echo+hi", 200, "hi\n"),
        ("web/shell?cmd=true", 200, ""),
        ("web/shell?cmd=false", 500, "command 'false' exited with 1: "),
        ("web/none?cmd=ls", 500, 'container not found ("none")'),
        ("none/shell?cmd=ls", 404, "pod does not exist"),
    ],
)
async def test_a_command_is_run_to_its_end(lab: Lab, path: str, status: int, text: str) -> None:
    answer = await lab.caller.ask(f"/run/default/{path}", method="POST")

    assert (answer.status, answer.text) == (status, text)
    is_json = answer.headers.get("Content-Type") == "application/json"
    assert is_json is bool(status == 200 and text)  # whatever a command writes is called JSON, as upstream


async def test_a_command_that_cannot_be_run_fails_in_the_runtimes_words(lab: Lab) -> None:
    answer = await lab.caller.ask("/run/default/web/shell?cmd=nothere", method="POST")

    assert answer.status == 500
    assert answer.text.startswith("rpc error: code = Unknown desc = failed to exec in container")


async def test_a_checkpoint_is_written_to_a_file_that_tells_what_it_is_of(lab: Lab, tmp_path: Path) -> None:
    answer = await lab.caller.ask("/checkpoint/default/web/shell", method="POST")

    assert answer.status == 200
    (location,) = json.loads(answer.text)["items"]
    assert location.startswith(f"{tmp_path}/checkpoints/checkpoint-web_default-shell-20")
    assert location.endswith(".tar")
    assert Path(location).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("none/shell", 404, "pod does not exist"),
        ("web/none", 404, "container none does not exist"),
        ("web/shell?timeout=x", 404, "cannot parse value of timeout parameter"),
        (
            "web/shell?timeout=1&timeout=-1",
            500,
            "checkpointing of default/web/shell failed (CheckpointContainer requires the timeout value to be > 0)",
        ),
    ],
)
async def test_what_cannot_be_checkpointed_is_told_why(lab: Lab, path: str, status: int, text: str) -> None:
    answer = await lab.caller.ask(f"/checkpoint/default/{path}", method="POST")

    assert (answer.status, answer.text) == (status, text)
