"""The laboratory of `kubeletsim demo`: a runtime, a kubelet and a trace receiver on loopback, and what they show.

Nothing here is special to the demo: three programs are started with the commands a user would type, in a temporary
directory, on free ports; manifests are copied into the static pod directory; what is shown comes from the kubelet's
/pods and from the trace store.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table

from kubeletsim.cli.child import Child, answers, child
from kubeletsim.model.errors import StartupError
from kubeletsim.traces.filters import AttributeFilter, TraceFilter
from kubeletsim.traces.render import trace_tree
from kubeletsim.traces.store import TraceStore

NODE = "demo"
SHOWN_POD = "web"
POLL_SECONDS = 0.1
SETTLE_SECONDS = 60.0
QUICK_EXPORT = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
"""A person is waiting: spans leave every tenth of a second instead of every five."""


def demonstrate(*, keep: bool, stub_config: Path | None = None) -> None:
    """Run the demo in a temporary directory that is gone afterwards.

    Raises:
        StartupError: a program ended or dawdled, and the text has its last lines; or a signal came before the pods ran.
    """
    # Piped output has no width of its own; a tree wants some.
    console = Console() if sys.stdout.isatty() else Console(width=140)
    with tempfile.TemporaryDirectory(prefix="kubeletsim-") as directory:
        try:
            asyncio.run(_demo(Laboratory(Path(directory), stub_config), console, keep=keep))
        except asyncio.CancelledError:
            raise StartupError("interrupted before there was anything to show") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The loopback ports of one demo."""

    otlp_grpc: int = field(default_factory=_free_port)
    otlp_http: int = field(default_factory=_free_port)
    kubelet: int = field(default_factory=_free_port)
    read_only: int = field(default_factory=_free_port)
    healthz: int = field(default_factory=_free_port)
    page: int = field(default_factory=_free_port)


@dataclass(frozen=True)
class Laboratory:
    """The directory everything lives in, and where its parts listen."""

    root: Path
    stub_config: Path | None = None
    """The runtime's configuration file; without one it has its defaults."""
    ports: Ports = field(default_factory=Ports)

    @property
    def socket(self) -> Path:
        """The runtime's socket."""
        return self.root / "cri.sock"

    @property
    def manifests(self) -> Path:
        """The static pod directory."""
        return self.root / "manifests"

    @property
    def database(self) -> Path:
        """The trace store."""
        return self.root / "traces.db"

    def configuration(self) -> dict[str, Any]:
        """Return the KubeletConfiguration: standalone, on loopback, every trace sampled."""
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "address": "127.0.0.1",
            "port": self.ports.kubelet,
            "readOnlyPort": self.ports.read_only,
            "healthzPort": self.ports.healthz,
            "staticPodPath": str(self.manifests),
            "podLogsDir": str(self.root / "pod-logs"),
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "tracing": {"endpoint": f"127.0.0.1:{self.ports.otlp_grpc}", "samplingRatePerMillion": 1_000_000},
        }


async def _demo(lab: Laboratory, console: Console, *, keep: bool) -> None:
    _interrupt_at_signals()
    async with _programs(lab, console) as programs:
        pods = await _started_pods(lab, console, programs)
        _show_trace(lab, console)
        console.print(_pod_table(pods))
        if keep:
            stopped = asyncio.Event()
            _call_at_signals(stopped.set)
            _explain(lab, console)
            await stopped.wait()


def _interrupt_at_signals() -> None:
    """Let the first signal cancel this task; further ones must not keep it from stopping what it has started."""
    task = asyncio.current_task()

    def interrupt() -> None:
        if task and not task.cancelling():
            task.cancel()

    _call_at_signals(interrupt)


def _call_at_signals(action: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, action)


@asynccontextmanager
async def _programs(lab: Laboratory, console: Console) -> AsyncIterator[list[Child]]:
    """Run the receiver, the runtime and the kubelet, each ready before the next; stop them in reverse."""
    ports, root = lab.ports, lab.root
    lab.manifests.mkdir()
    config = root / "kubelet.yaml"
    config.write_text(json.dumps(lab.configuration(), indent=2))
    otlp = f"127.0.0.1:{ports.otlp_grpc}"
    collect = ["--grpc", otlp, "--http", f"127.0.0.1:{ports.otlp_http}", "--db", str(lab.database)]
    collect += ["--ui", f"127.0.0.1:{ports.page}"]
    stub = ["--listen", f"unix://{lab.socket}", "--root-dir", str(root / "runtime"), "--otlp-endpoint", otlp]
    if lab.stub_config is not None:
        stub += ["--config", str(lab.stub_config)]
    agent = ["--config", str(config), "--root-dir", str(root / "kubelet"), "--cert-dir", str(root / "pki")]
    with console.status("starting the trace receiver") as status:
        async with (
            child(
                "traces", "kubeletsim", "traces", "collect", *collect, log=root / "traces.log", environ={}
            ) as receiver,
            child("runtime-stub", "runtime_stub", *stub, log=root / "stub.log", environ=QUICK_EXPORT) as runtime,
        ):
            await receiver.until(lambda: answers(("127.0.0.1", ports.otlp_grpc)), what="OTLP on its port")
            status.update("starting runtime-stub")
            await runtime.until(lambda: answers(lab.socket), what="CRI on its socket")
            status.update("starting kubeletsim")
            arguments = ["kubeletsim", "run", *agent, "--hostname-override", NODE]
            async with child("kubelet", *arguments, log=root / "kubelet.log", environ=QUICK_EXPORT) as kubelet:
                await kubelet.until(lambda: answers(("127.0.0.1", ports.read_only)), what="HTTP on its port")
                status.stop()
                yield [receiver, runtime, kubelet]


async def _started_pods(lab: Laboratory, console: Console, programs: Sequence[Child]) -> list[dict[str, Any]]:
    """Drop the manifests in and wait until every pod runs, is done, or says why it cannot."""
    wanted = [shutil.copy(path, lab.manifests) for path in sorted(_sample_manifests().glob("*.yaml"))]
    pods: list[dict[str, Any]] = []
    with console.status("starting pods") as status:

        async def settled() -> bool:
            pods[:] = await asyncio.to_thread(_get_pods, lab)
            status.update("starting pods: " + (", ".join(f"{_name(pod)} {_phase(pod)}" for pod in pods) or "…"))
            return len(pods) == len(wanted) and all(_is_settled(pod) for pod in pods)

        await programs[-1].until(settled, what="pods settle", seconds=SETTLE_SECONDS)
        status.update("collecting the last spans")
        await programs[0].until(lambda: asyncio.to_thread(_is_stored, lab), what="the spans of a pod start arrive")
    return pods


def _sample_manifests() -> Path:
    """Return the manifests: beside this module in an installed package, in config/ of a checkout."""
    installed = Path(__file__).parent / "manifests"
    found = installed if installed.is_dir() else Path(__file__).parents[2] / "config" / "manifests"
    if not found.is_dir():
        raise StartupError(f"{found}: the demo's manifests are not there")
    return found


def _get_pods(lab: Laboratory) -> list[dict[str, Any]]:
    with urlopen(f"http://127.0.0.1:{lab.ports.read_only}/pods", timeout=30) as answer:
        return list(json.load(answer)["items"] or [])


def _is_settled(pod: Mapping[str, Any]) -> bool:
    """Tell whether nothing more is to be expected soon: all containers run or have ended, or one says what is wrong."""
    if _phase(pod) == "Failed":  # then containers may wait for good
        return True
    states = [container.get("state", {}) for container in pod.get("status", {}).get("containerStatuses", [])]
    on_the_way = ("ContainerCreating", "PodInitializing")
    return bool(states) and all(
        "running" in state or "terminated" in state or state.get("waiting", {}).get("reason") not in on_the_way
        for state in states
    )


def _is_stored(lab: Laboratory) -> bool:
    return _trace_of_start(lab) is not None


def _trace_of_start(lab: Laboratory) -> str | None:
    pod = AttributeFilter("k8s.pod.name", f"{SHOWN_POD}-{NODE}")
    start = TraceFilter(root_name="syncPod", attributes=[pod, AttributeFilter("k8s.pod.update_type", "create")])
    with TraceStore.open(lab.database) as store:
        return next(iter(store.trace_ids(start)), None)


def _show_trace(lab: Laboratory, console: Console) -> None:
    trace_id = _trace_of_start(lab)
    if trace_id is None:
        raise StartupError(f"{lab.database}: no trace of the start of pod {SHOWN_POD}")
    with TraceStore.open(lab.database) as store:
        console.print(trace_tree(store.spans(trace_id)))


def _name(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"]["name"])


def _phase(pod: Mapping[str, Any]) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))


def _pod_table(pods: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Pods, from the kubelet's /pods", title_justify="left")
    for heading in ("pod", "phase", "ready", "restarts", "containers"):
        table.add_column(heading)
    for pod in pods:
        statuses = pod.get("status", {}).get("containerStatuses", [])
        ready = sum(bool(status.get("ready")) for status in statuses)
        restarts = sum(status.get("restartCount", 0) for status in statuses)
        table.add_row(
            _name(pod),
            _phase(pod),
            f"{ready}/{len(statuses)}",
            str(restarts),
            ", ".join(f"{status['name']}: {_state(status)}" for status in statuses),
        )
    return table


def _state(status: Mapping[str, Any]) -> str:
    """Return a container's state in words: running, or the reason it waits or has ended, in colour."""
    states: dict[str, dict[str, Any]] = status.get("state") or {"unknown": {}}
    kind, detail = next(iter(states.items()))
    if kind == "running":
        return "[green]running[/]"
    return f"[{'yellow' if detail.get('exitCode') == 0 else 'red'}]{detail.get('reason', kind)}[/]"


def _explain(lab: Laboratory, console: Console) -> None:
    ports, command = lab.ports, _own_command()
    console.print(
        f"""
The pod's start in a browser: [bold]http://127.0.0.1:{ports.page}/trace/{_trace_of_start(lab)}[/]

Everything goes on until Ctrl-C. In another terminal:
  [bold]{command} traces ls --db {lab.database}[/]
  [bold]{command} traces show latest --db {lab.database}[/]
  [bold]curl -k https://127.0.0.1:{ports.kubelet}/runningpods/[/]
  [bold]rm {lab.manifests}/{SHOWN_POD}.yaml[/]      stops that pod
OTLP gRPC on 127.0.0.1:{ports.otlp_grpc}, HTTP on 127.0.0.1:{ports.otlp_http}; CRI on unix://{lab.socket}
Logs in {lab.root}"""
    )


def _own_command() -> str:
    """Return how to call us again from here: inside a virtual environment that is not active, by path."""
    called = Path(sys.argv[0])
    return os.path.relpath(called) if called.name == "kubeletsim" else "kubeletsim"
