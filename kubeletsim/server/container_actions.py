"""The answers of /run and /checkpoint: what is done to a container and over by the time of the answer.

Upstream: getRun and checkpoint in pkg/kubelet/server/server.go, RunInContainer and CheckpointContainer in pkg/kubelet.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from aiohttp import web
from lightkube.models.core_v1 import Pod

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import CRIError, DeadlineExceeded, KubeletSimError, go_quote
from kubeletsim.model.pod import find_container
from kubeletsim.model.runtime import ContainerID, ExecResult
from kubeletsim.server.answers import json_bytes, text
from kubeletsim.server.running import Running, RunningRuntime
from kubeletsim.server.targets import Target, container_target, find_pod

DIRECTORY_MODE = 0o700


class CannotCheckpoint(KubeletSimError):
    """There is nothing of which a checkpoint could be written; the text goes to the client."""


class ActingRuntime(RunningRuntime, Protocol):
    """What these answers take of the runtime."""

    async def exec_sync(self, container_id: ContainerID, command: Sequence[str], *, timeout_seconds: int) -> ExecResult:
        """Run a command in a container to its end."""

    async def checkpoint_container(self, container_id: ContainerID, *, location: str, timeout_seconds: int = 0) -> None:
        """Write a checkpoint of a container to a file."""


class ContainerActions:
    """Answers requests to do something to a container.

    Args:
        pods: the pods of the node.
        runtime: what does it.
        checkpoints_dir: where archives of containers go.
        clock: gives archives their names.
    """

    def __init__(
        self, *, pods: Callable[[], Sequence[Pod]], runtime: ActingRuntime, checkpoints_dir: Path, clock: Clock
    ) -> None:
        self._pods = pods
        self._runtime = runtime
        self._checkpoints_dir = checkpoints_dir
        self._clock = clock

    async def run(self, request: web.BaseRequest) -> web.Response:
        """Run a command, its words parted by single spaces, and answer with what it wrote."""
        target = container_target(request.path)
        if find_pod(self._pods(), target) is None:
            return text("pod does not exist", status=404)
        command = request.query.get("cmd", "").split(" ")
        try:
            container = (await Running.of(self._runtime)).container(target)
            if container is None:
                return text(f"container not found ({go_quote(target.container)})", status=500)
            result = await self._runtime.exec_sync(container.id, command, timeout_seconds=0)
        except DeadlineExceeded:
            return text(f"command timed out: {go_quote(' '.join(command))} timed out after 0s", status=500)
        except CRIError as error:
            return text(str(error), status=500)
        if result.exit_code:
            said = result.stderr.decode(errors="replace")
            return text(f"command '{' '.join(command)}' exited with {result.exit_code}: {said}", status=500)
        return json_bytes(result.stdout + result.stderr)

    async def checkpoint(self, request: web.BaseRequest) -> web.Response:
        """Have a checkpoint of a container written, and answer with its path."""
        target = container_target(request.path)
        pod = find_pod(self._pods(), target)
        if pod is None:
            return text("pod does not exist", status=404)
        if find_container(pod, target.container) is None:
            return text(f"container {target.container} does not exist", status=404)
        timeout = next(reversed(request.query.getall("timeout", ["0"])))
        if not re.fullmatch(r"[+-]?\d{1,18}", timeout, re.ASCII):
            return text("cannot parse value of timeout parameter", status=404)
        try:
            location = await self._checkpoint(target, timeout_seconds=int(timeout))
        except (CRIError, OSError, CannotCheckpoint) as error:
            where = f"{target.namespace}/{target.pod}/{target.container}"
            return text(f"checkpointing of {where} failed ({error})", status=500)
        return json_bytes(f'{{"items":["{location}"]}}'.encode())

    async def _checkpoint(self, target: Target, *, timeout_seconds: int) -> Path:
        container = (await Running.of(self._runtime)).container(target)
        if container is None:
            raise CannotCheckpoint(f"container {target.container} not found")
        if timeout_seconds < 0:
            raise CannotCheckpoint("CheckpointContainer requires the timeout value to be > 0")
        time = datetime.fromtimestamp(int(self._clock.now())).astimezone().isoformat().replace("+00:00", "Z")
        self._checkpoints_dir.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        location = self._checkpoints_dir / f"checkpoint-{target.pod_full_name}-{target.container}-{time}.tar"
        await self._runtime.checkpoint_container(container.id, location=str(location), timeout_seconds=timeout_seconds)
        return location
