"""Claims about /containerLogs, on a stub and over real sockets."""

from pathlib import Path

import pytest
from lightkube.models.core_v1 import PodStatus

from kubeletsim.pb import cri_pb2 as pb
from kubeletsim.server.container_logs.endpoint import SPLIT_STREAMS_OFF
from tests.server.lab import trusting
from tests.server.stub_lab import Lab


async def write_log(lab: Lab, text: str) -> None:
    """Put lines into the shell's log file."""
    status = await lab.stub.status(lab.shell_id)
    Path(status.log_path).write_text(  # noqa: ASYNC240  a file of the test
        "".join(f"2020-01-01T00:00:0{n}Z stdout F {line}\n" for n, line in enumerate(text.split()))
    )


async def test_what_a_container_wrote_comes_in_chunks_without_a_type(lab: Lab) -> None:
    await write_log(lab, "one two three")

    answer = await lab.caller.ask("/containerLogs/default/web/shell?tailLines=2&timestamps=true")

    assert (answer.status, answer.headers["Transfer-Encoding"]) == (200, "chunked")
    assert "Content-Type" not in answer.headers
    assert answer.text == "2020-01-01T00:00:01.000000000Z two\n2020-01-01T00:00:02.000000000Z three\n"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("web/shell?tailLines=x", 400, '{"message": "Unable to decode query."}'),
        ("web/shell?tailLines=-1", 422, '{"message": "Invalid request."}'),
        ("none/shell", 404, 'pod "none" does not exist'),
        ("web/none", 404, 'container "none" not found in pod "web"'),
        ("web/web", 400, 'container "web" in pod "web" is not available'),
        ("web/shell?previous=true", 400, 'previous terminated container "shell" in pod "web" not found'),
        (
            "web/shell?stream=Stdout",
            400,
            SPLIT_STREAMS_OFF.format(stream='"Stdout"'),
        ),
    ],
)
async def test_who_asks_for_the_impossible_learns_why(lab: Lab, path: str, status: int, text: str) -> None:
    answer = await lab.caller.ask(f"/containerLogs/default/{path}")

    assert (answer.status, answer.text) == (status, text)


async def test_what_is_followed_comes_as_it_is_written_and_ends_with_the_container(lab: Lab) -> None:
    await write_log(lab, "one")
    url = f"{lab.url}/containerLogs/default/web/shell?follow=true"
    async with lab.caller.session.get(url, ssl=trusting()) as answer:
        assert await answer.content.readline() == b"one\n"
        await write_log(lab, "one two")
        assert await answer.content.readline() == b"two\n"
        await lab.stub.runtime.StopContainer(pb.StopContainerRequest(container_id=lab.shell_id))
        assert await answer.content.read() == b""


async def test_an_answer_that_has_begun_ends_with_what_went_wrong(lab: Lab) -> None:
    status = await lab.stub.status(lab.shell_id)
    Path(status.log_path).unlink(missing_ok=True)  # noqa: ASYNC240  a file of the test

    answer = await lab.caller.ask("/containerLogs/default/web/shell")

    assert answer.status == 200
    assert answer.text.startswith(f'failed to try resolving symlinks in path "{status.log_path}": lstat ')


async def test_a_container_that_the_runtime_has_forgotten_has_no_logs(lab: Lab) -> None:
    pod_status = lab.host.pods[0].status or PodStatus()
    (pod_status.containerStatuses or [])[0].containerID = "containerd://gone"

    answer = await lab.caller.ask("/containerLogs/default/web/shell")

    assert (answer.status, answer.text) == (200, "unable to retrieve container logs for containerd://gone")
