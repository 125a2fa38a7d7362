"""What the tests of streams share: a stub on a socket with a web server and a shell in it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.settings import Settings
from tests.runtime_stub.conftest import Client, connected

NGINX = "docker.io/library/nginx:1.27"


@dataclass
class Pod:
    """A stub's one pod."""

    client: Client
    sandbox_id: str
    web_id: str
    """A web server."""
    shell_id: str
    """`sh` that reads its stdin once."""

    async def exec_url(self, *command: str, tty: bool = False, stdin: bool = False, id_: str = "") -> str:
        """Have a command prepared in the shell's container."""
        request = pb.ExecRequest(
            container_id=id_ or self.shell_id, cmd=command, tty=tty, stdin=stdin, stdout=True, stderr=not tty
        )
        return str((await self.client.runtime.Exec(request)).url)

    async def attach_url(self, *, stdin: bool = True, id_: str = "") -> str:
        """Have an attachment to the shell prepared."""
        request = pb.AttachRequest(container_id=id_ or self.shell_id, stdin=stdin, stdout=True, stderr=True)
        return str((await self.client.runtime.Attach(request)).url)

    async def forward_url(self, *ports: int) -> str:
        """Have connections to the pod prepared."""
        request = pb.PortForwardRequest(pod_sandbox_id=self.sandbox_id, port=ports)
        return str((await self.client.runtime.PortForward(request)).url)

    async def create_shell(self, name: str, *, stdin_once: bool = True, tty: bool = False) -> str:
        """Start a container that waits for what is typed."""
        config = self.client.container("sh", name=name)
        config.stdin, config.stdin_once, config.tty = True, stdin_once, tty
        id_ = await self.client.create(self.sandbox_id, config)
        await self.client.start(id_)
        return id_


async def make_pod(client: Client) -> Pod:
    """Start the pod."""
    sandbox_id = await client.run_sandbox()
    await client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image=NGINX)))
    web_id = await client.create(sandbox_id, client.container(name="web", image=NGINX))
    await client.start(web_id)
    pod = Pod(client, sandbox_id, web_id, "")
    pod.shell_id = await pod.create_shell("shell")
    return pod


@pytest.fixture
async def pod(settings: Settings) -> AsyncIterator[Pod]:
    """A stub without delays, with a pod."""
    async with connected(settings) as client:
        yield await make_pod(client)
