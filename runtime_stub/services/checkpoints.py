"""This module is CheckpointContainer: an archive that says what a container is, at a place of the caller's choice.

The archive has the files of a real one as far as they make sense: `config.dump` and `spec.dump` describe the container,
`status.dump` its state. Memory images are left out, as there is no memory. Upstream:
internal/cri/server/container_checkpoint_linux.go.
"""

import asyncio
import io
import json
import os
import tarfile
from pathlib import Path

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.machine import Machine
from runtime_stub.services.answers import message_json, rfc3339
from runtime_stub.state.records import Container, ContainerState
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.state.views import container_status

FILE_MODE = 0o600


class Checkpoints:
    """Handler of CheckpointContainer."""

    def __init__(self, machine: Machine, *, runtime_name: str) -> None:
        self._machine = machine
        self._runtime_name = runtime_name

    async def checkpoint_container(self, request: pb.CheckpointContainerRequest) -> pb.CheckpointContainerResponse:
        """Write the archive; it is there whole or not at all."""
        container = self._machine.world.find_container(request.container_id)
        if container.state is not ContainerState.RUNNING:
            raise Refusal(Reason.CHECKPOINT_NOT_RUNNING, id=container.id, state=f"CONTAINER_{container.state.name}")
        if not os.path.isabs(request.location):  # noqa: PTH117  # an empty text is no Path
            cause = f'location: "{request.location}" is not an absolute path'
            raise Refusal(Reason.CHECKPOINT_FAILED, id=container.id, cause=cause)
        try:
            await asyncio.to_thread(_write, Path(request.location), self._archive(container))
        except OSError as error:
            cause = f"{error.filename or request.location}: {(error.strerror or str(error)).lower()}"
            raise Refusal(Reason.CHECKPOINT_FAILED, id=container.id, cause=cause) from error
        return pb.CheckpointContainerResponse()

    def _archive(self, container: Container) -> bytes:
        config = {
            "id": container.id,
            "name": container.config.metadata.name,
            "rootfsImage": container.image_name,
            "rootfsImageRef": container.image_id,
            "rootfsImageName": container.image_digest,
            "runtime": self._runtime_name,
            "createdTime": rfc3339(container.created_at),
            "checkpointedTime": rfc3339(self._machine.now()),
        }
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, data in (
                ("config.dump", config),
                ("spec.dump", message_json(container.config)),
                ("status.dump", message_json(container_status(container))),
            ):
                text = json.dumps(data, indent=2, sort_keys=True).encode()
                member = tarfile.TarInfo(name)
                member.size, member.mode, member.mtime = len(text), FILE_MODE, self._machine.now() // 1_000_000_000
                archive.addfile(member, io.BytesIO(text))
        return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f"{path.name}.partial")
    try:
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(file, "wb") as opened:
            opened.write(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
