"""What the tests of doors into containers share: a kubelet's server in front of a stub with a pod in it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
from lightkube.models.core_v1 import Pod, PodStatus
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import ReadableSpan

from kubeletsim.base.rpc_spans import SCOPE_NAME, SCOPE_VERSION
from kubeletsim.clients.cri import CRIClient
from kubeletsim.clients.endpoint import parse_endpoint
from kubeletsim.model.labels import POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL
from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.settings import Settings
from tests.fakes.pods import container, make_pod
from tests.runtime_stub.conftest import IMAGE, Client, connected
from tests.runtime_stub.streaming.conftest import NGINX
from tests.server.lab import Client as Caller
from tests.server.lab import Host, Pair, Telemetry, trusting

LABELS = {POD_NAME_LABEL: "web", POD_NAMESPACE_LABEL: "default", POD_UID_LABEL: "uid-web"}


@dataclass
class Lab:
    """A node that runs the pod `web` with a web server and a shell, and somebody who asks it."""

    host: Host
    caller: Caller
    stub: Client
    sandbox_id: str
    shell_id: str

    @property
    def url(self) -> str:
        """Where the node's server is."""
        assert self.caller.server.https is not None
        return self.caller.server.https.url

    async def spans(self) -> list[ReadableSpan]:
        """Return the server's spans, once there is one: it ends after its answer has come."""
        async with asyncio.timeout(60):
            while not (spans := self.host.telemetry.spans()):  # noqa: ASYNC110  nothing tells of a span's end
                await asyncio.sleep(0.01)
        return spans


async def _run_pod(stub: Client) -> tuple[str, str]:
    """Run the pod's sandbox and containers; return the ids of the sandbox and of the shell."""
    config = stub.pod("web")
    config.labels.update(LABELS)
    sandbox_id = await stub.run_sandbox(config)
    await stub.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image=NGINX)))
    web = stub.container(name="web", image=NGINX)
    shell = stub.container("sh", name="shell", image=IMAGE)
    shell.stdin, shell.stdin_once = True, True
    ids = []
    for one in (web, shell):
        one.labels.update(LABELS)
        ids.append(await stub.create(sandbox_id, one))
        await stub.start(ids[-1])
    return sandbox_id, ids[1]


@asynccontextmanager
async def stub_lab(settings: Settings, *, telemetry: Telemetry, serving: Pair, directory: Path) -> AsyncIterator[Lab]:
    """Serve the stub and the node before it."""
    propagator: TextMapPropagator = telemetry.propagator
    client = CRIClient.connect(
        parse_endpoint(settings.listen), tracer=telemetry.tracer(SCOPE_NAME, SCOPE_VERSION), propagator=propagator
    )
    async with connected(settings) as stub, client as cri:
        sandbox_id, shell_id = await _run_pod(stub)
        host = Host(telemetry=telemetry, cri=cri, serving=serving, directory=directory)
        host.pods = [_pod(shell_id)]
        async with host.serve() as caller:
            yield Lab(host, caller, stub, sandbox_id, shell_id)


def _pod(shell_id: str) -> Pod:
    """Return the pod as the node knows it, its shell's status with it."""
    pod = make_pod(container("web"), container("shell", stdin=True), name="web", uid="uid-web")
    shown = {
        "name": "shell",
        "containerID": f"containerd://{shell_id}",
        "image": IMAGE,
        "imageID": "",
        "ready": True,
        "restartCount": 0,
        "state": {"running": {}},
    }
    return msgspec.structs.replace(pod, status=PodStatus.from_dict({"containerStatuses": [shown]}))


@asynccontextmanager
async def web_socket(url: str, protocol: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Connect over TLS and offer a sub-protocol."""
    async with aiohttp.ClientSession() as session:
        connection = session.ws_connect(url, protocols=[protocol], ssl=trusting())
        async with connection as socket:
            yield socket
