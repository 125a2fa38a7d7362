"""A lab of real processes: a runtime-stub, a trace receiver and a kubelet on loopback, in one directory.

Everything is reached as a user reaches it: commands, sockets, files. Processes are ended by their own pid, and whatever
a process printed is part of the failure message.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc
import yaml

from kubeletsim.pb import cri_pb2
from kubeletsim.pb.cri_pb2_grpc import ImageServiceStub
from kubeletsim.traces.export import otlp_json_lines
from kubeletsim.traces.filters import TraceFilter
from kubeletsim.traces.store import TraceStore
from tests.ports import free_port

T = TypeVar("T")
MOST_LOGGED = 8000
"""Characters of each program's log in the report of a failure."""
PODS_DIR = "manifests"
PATIENCE_SECONDS = 120.0
"""How long anything may take: what is slower is broken, and a machine with much else to do is not."""


def wait_until(
    probe: Callable[[], T], *, what: str, seconds: float = PATIENCE_SECONDS, pause_seconds: float = 0.05
) -> T:
    """Poll until `probe` returns something true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := probe():
                return found
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause_seconds)


@dataclass
class Program:
    """One running process of the lab."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        """Return everything it has printed so far."""
        return self.log.read_text(errors="replace")

    def stop(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """Ask it to stop as a service manager would, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not stop within {seconds} s") from None

    def kill(self) -> None:
        """End it as a crash would (kill -9)."""
        self.process.kill()
        self.process.wait()


@dataclass
class Lab:
    """The directory, the ports and the processes of one experiment."""

    root: Path
    node: str = "vm"
    programs: list[Program] = field(default_factory=list)
    grpc_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    https_port: int = field(default_factory=free_port)
    read_only_port: int = field(default_factory=free_port)
    healthz_port: int = field(default_factory=free_port)
    ui: str = "off"
    """Where the receiver serves its web page."""
    certificate: bytes = b""
    """What the node's server shows, with its key, PEM; without one it makes its own, which takes a while."""

    def __post_init__(self) -> None:
        (self.root / PODS_DIR).mkdir(parents=True, exist_ok=True)

    @property
    def socket(self) -> Path:
        """The runtime's socket."""
        return self.root / "cri.sock"

    @property
    def database(self) -> Path:
        """The receiver's trace store."""
        return self.root / "traces.db"

    def logs(self) -> str:
        """Return the end of what each program has printed, under its name."""
        return "\n".join(
            f"--- {one.name}, exit code {one.process.poll()}\n{one.output()[-MOST_LOGGED:]}" for one in self.programs
        )

    def spawn(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> Program:
        """Start `python -m …` in the background."""
        log = self.root / f"{name}-{len(self.programs)}.log"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**inherited, "OTEL_BSP_SCHEDULE_DELAY": "100", **(env or {})},
            )
        program = Program(name, process, log)
        self.programs.append(program)
        return program

    def start_stub(self, *flags: str) -> Program:
        """Start a runtime-stub and wait for its socket."""
        command = ["runtime_stub", "--listen", f"unix://{self.socket}", "--root-dir", str(self.root / "runtime")]
        program = self.spawn("stub", *command, "--otlp-endpoint", f"127.0.0.1:{self.grpc_port}", "--seed", "1", *flags)
        self.wait(lambda: _answers(self.socket), what="the stub's socket", program=program)
        return program

    def start_collector(self) -> Program:
        """Start the trace receiver and wait for its ports."""
        addresses = ["--grpc", f"127.0.0.1:{self.grpc_port}", "--http", f"127.0.0.1:{self.http_port}", "--ui", self.ui]
        program = self.spawn("collector", "kubeletsim", "traces", "collect", *addresses, "--db", str(self.database))
        pages = [int(self.ui.rpartition(":")[2])] if self.ui != "off" else []
        for port in (self.grpc_port, self.http_port, *pages):
            self.wait(lambda port=port: _answers(("127.0.0.1", port)), what="the receiver's ports", program=program)
        return program

    def pull(self, image: str) -> None:
        """Have the runtime pull an image, as `crictl pull` does."""
        with grpc.insecure_channel(f"unix://{self.socket}") as channel:
            images = ImageServiceStub(channel)
            images.PullImage(cri_pb2.PullImageRequest(image=cri_pb2.ImageSpec(image=image)), timeout=30)

    def configuration(self, **overrides: Any) -> dict[str, Any]:
        """Return a KubeletConfiguration like the recordings': standalone, everything sampled, syncFrequency 10s."""
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "address": "127.0.0.1",
            "port": self.https_port,
            "readOnlyPort": self.read_only_port,
            "healthzPort": self.healthz_port,
            "staticPodPath": str(self.root / PODS_DIR),
            "podLogsDir": str(self.root / "logs"),
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "syncFrequency": "10s",
            "tracing": {"endpoint": f"127.0.0.1:{self.grpc_port}", "samplingRatePerMillion": 1_000_000},
            **self._tls_files(),
            **overrides,
        }

    def _tls_files(self) -> dict[str, str]:
        if not self.certificate:
            return {}
        both = self.root / "serving.pem"
        both.write_bytes(self.certificate)
        return {"tlsCertFile": str(both), "tlsPrivateKeyFile": str(both)}

    def kubelet_command(self, configuration: Mapping[str, Any]) -> list[str]:
        """Write the configuration down and return the command that runs with it."""
        path = self.root / "kubelet.yaml"
        path.write_text(yaml.safe_dump(dict(configuration)))
        directories = ["--root-dir", str(self.root / "kubelet"), "--cert-dir", str(self.root / "pki")]
        return ["kubeletsim", "run", "--config", str(path), *directories, "--hostname-override", self.node]

    def start_kubelet(self, *flags: str, env: Mapping[str, str] | None = None, **overrides: Any) -> Program:
        """Start the node agent and wait until it is healthy."""
        command = self.kubelet_command(self.configuration(**overrides))
        program = self.spawn("kubelet", *command, *flags, env=env)
        self.wait(lambda: self.get(self.healthz_port, "/healthz") == "ok", what="the kubelet", program=program)
        return program

    def wait(
        self,
        probe: Callable[[], T],
        *,
        what: str,
        program: Program | None = None,
        seconds: float = PATIENCE_SECONDS,
        pause_seconds: float = 0.05,
    ) -> T:
        """Poll `probe`; fail when it never comes true, or when the program of which it is expected has ended."""

        def alive_and_probe() -> T:
            if program and program.process.poll() is not None:
                raise AssertionError(f"{program.name} ended with {program.process.returncode}")
            return probe()

        return wait_until(alive_and_probe, seconds=seconds, what=what, pause_seconds=pause_seconds)

    def get(self, port: int, path: str) -> str:
        """GET over plain HTTP on loopback."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def pods(self) -> list[dict[str, Any]]:
        """Return /pods of the read-only server."""
        return list(json.loads(self.get(self.read_only_port, "/pods"))["items"] or [])

    def pod(self, name: str) -> dict[str, Any]:
        """Return one pod by its manifest's name; empty when it is not there."""
        return next((pod for pod in self.pods() if pod["metadata"]["name"] == f"{name}-{self.node}"), {})

    def phase(self, name: str) -> str:
        """Return a pod's phase; empty when the pod is not there."""
        return str(self.pod(name).get("status", {}).get("phase", ""))

    def apply(self, pod: Mapping[str, Any]) -> None:
        """Drop a manifest into the static pod directory, at once as an editor's rename does."""
        name = pod["metadata"]["name"]
        draft = self.root / f".{name}.yaml"
        draft.write_text(yaml.safe_dump(dict(pod)))
        draft.rename(self.root / PODS_DIR / f"{name}.yaml")

    def delete(self, name: str) -> None:
        """Take a manifest away."""
        (self.root / PODS_DIR / f"{name}.yaml").unlink()

    def spans(self) -> list["Span"]:
        """Return every span the receiver has stored, as its export shows them (in this process: tests ask often)."""
        with TraceStore.open(self.database) as store:
            return [span for line in otlp_json_lines(store, TraceFilter()) for span in _spans_of(json.loads(line))]


@dataclass
class Span:
    """One exported span, with what the comparisons need."""

    name: str
    service: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    attributes: dict[str, Any]
    error: str | None
    scope: str
    flags: int
    links: int
    resource: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]


KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}


def _spans_of(document: Mapping[str, Any]) -> Iterator[Span]:
    for resource_spans in document["resourceSpans"]:
        resource = _attributes(resource_spans.get("resource", {}).get("attributes", []))
        for scope_spans in resource_spans["scopeSpans"]:
            for span in scope_spans["spans"]:
                status = span.get("status", {})
                yield Span(
                    name=span["name"],
                    service=str(resource.get("service.name", "")),
                    kind=KINDS[span["kind"]],
                    trace_id=span["traceId"],
                    span_id=span["spanId"],
                    parent_id=span.get("parentSpanId", ""),
                    start=int(span["startTimeUnixNano"]),
                    end=int(span["endTimeUnixNano"]),
                    attributes=_attributes(span.get("attributes", [])),
                    error=status.get("message", "") if status.get("code") == 2 else None,
                    scope=scope_spans.get("scope", {}).get("name", ""),
                    flags=span.get("flags", 0),
                    links=len(span.get("links", [])),
                    resource=resource,
                    events=[
                        (event["name"], _attributes(event.get("attributes", []))) for event in span.get("events", [])
                    ],
                )


def _attributes(pairs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: next(iter(pair["value"].values()), None) for pair in pairs}


def _answers(address: Path | tuple[str, int]) -> bool:
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(1)
        return client.connect_ex(str(address) if isinstance(address, Path) else address) == 0


_ALIVE: list[Lab] = []


def living_labs() -> list[Lab]:
    """Return the laboratories whose blocks have not ended, for the report of a test that failed."""
    return list(_ALIVE)


@contextmanager
def running(lab: Lab) -> Iterator[Lab]:
    """Stop whatever of the lab still runs, the kubelet first; an error takes with it what the programs printed."""
    _ALIVE.append(lab)
    try:
        yield lab
    except BaseException as error:
        error.add_note(lab.logs())
        raise
    finally:
        _ALIVE.remove(lab)
        for program in reversed(lab.programs):
            if program.process.poll() is None:
                program.process.terminate()
        for program in lab.programs:
            try:
                program.process.wait(30)
            except subprocess.TimeoutExpired:
                program.kill()
