"""This module is the vocabulary of containerd's traces: its scopes, and the spans that several calls have in common."""

from runtime_stub.behaviour.plan import Attempt, Attributes, Do, Fact, Kind, Mark, Node, Scope, SpanOf, Spend, Text

SDK = Scope("go.opentelemetry.io/otel/sdk/tracer")
TTRPC = Scope("github.com/containerd/otelttrpc", "0.0.0")
HTTP = Scope("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "0.67.0")
NAMESPACE = "k8s.io"
UNKNOWN = 2
"""The gRPC code of errors without a class, as a number."""

SANDBOX: Attributes = (("namespace", NAMESPACE), ("sandbox.id", Fact("sandbox_id")))
SANDBOX_TIMES: Attributes = (("sandbox.CreatedAt", Fact("created_at")),)
CONTAINER: Attributes = (("container.id", Fact("id")),)
CONTAINER_ID: Attributes = (("id", Fact("id")),)
CONTAINER_TIMES: Attributes = (
    ("container.createdAt", Fact("created_at")),
    ("container.updatedAt", Fact("created_at")),
)
LAYER: Attributes = (
    ("layer.media.type", Fact("media_type")),
    ("layer.media.digest", Fact("digest")),
    ("layer.media.size", Fact("size")),
)


def inner(name: str, *body: Node, attributes: Attributes = ()) -> SpanOf:
    """Return a span of containerd's own."""
    return SpanOf(name, SDK, Kind.INTERNAL, attributes, body)


def log(template: str, **attributes: str) -> Mark:
    """Return a line of containerd's log, which is an event of the open span as well; without a level, of level info."""
    return Mark(Text(template), tuple({"level": "info", **attributes}.items()))


def task(method: str, latency: str, *body: Node, error: str = "") -> SpanOf:
    """Return the call of a shim: a ttrpc CLIENT span. What runc refuses is no error of the call's."""
    service = "containerd.task.v3.Task"
    attributes: Attributes = (
        ("rpc.system", "ttrpc"),
        ("rpc.service", service),
        ("rpc.method", method),
        ("rpc.ttrpc.status_code", UNKNOWN if error else 0),
    )
    spent = (Spend(latency),) if latency else ()
    return SpanOf(f"{service}/{method}", TTRPC, Kind.CLIENT, attributes, (*spent, *body), error=error)


def http(method: str, url: str, *body: Node) -> SpanOf:
    """Return a request to a registry; `url` is the name of a fact."""
    attributes: Attributes = (
        ("http.request.method", method),
        ("url.full", Fact(url)),
        ("server.address", Fact("registry")),
        ("server.port", 443),
        ("network.protocol.version", "2"),
        ("http.response.status_code", Fact("http_status")),
    )
    return SpanOf("remotes.docker.resolver.HTTPRequest", HTTP, Kind.CLIENT, attributes, body, fails=True)


def kill(step: str) -> SpanOf:
    """Return the sending of a signal to a task's main process, which the handler's step delivers."""
    attributes: Attributes = (
        ("task.id", Fact("id")),
        ("namespace", NAMESPACE),
        ("task.pid", Fact("pid")),
        ("task.exec.id", ""),
        ("task.exec.killall", False),
    )
    return inner("client.task.Kill", task("Kill", "task.kill", Do(step)), attributes=attributes)


def store(kind: str, verb: str, latency: str, *times: Attributes) -> SpanOf:
    """Return a write to the metadata store."""
    more = tuple(pair for one in times for pair in one)
    about: Attributes = SANDBOX if kind == "sandbox" else (("namespace", NAMESPACE), *CONTAINER)
    return inner(f"metadata.{kind}.{verb}", Spend(latency), attributes=(*about, *more))


def new_container(latency: str) -> SpanOf:
    """Return the making of a container's metadata and snapshot."""
    attributes: Attributes = (
        *CONTAINER,
        ("container.image.ref", Fact("image")),
        ("container.runtime.name", Fact("runtime_type")),
        ("container.snapshotter.name", Fact("snapshotter")),
    )
    return inner(
        "client.NewContainer",
        Spend(latency),
        store("containers", "Create", "store.container", CONTAINER_TIMES),
        attributes=attributes,
    )


def new_task(prepare: str, create: str, connect: str, *steps: Node, shim: Attributes = ()) -> SpanOf:
    """Return the making of a task: its shim connected to, runc's create run; what runc refuses is cleaned up after.

    `shim` is what the log says of a shim that was started just now.
    """
    attributes: Attributes = (
        ("task.container.id", Fact("id")),
        ("task.runtime.name", Fact("runtime_type")),
        ("task.request.options", "<nil>"),
    )
    address = Text("unix:///run/containerd/s/{sandbox_id}")
    connected: Attributes = (("address", address), ("protocol", "ttrpc"), ("version", "3"), ("level", "info"), *shim)
    cleanup = (
        task("Delete", "task.delete"),
        task("Shutdown", "task.shutdown"),
        Mark("failed to delete task", (*CONTAINER_ID, ("error", "{}"), ("level", "error"))),
        task("Shutdown", "task.shutdown", error="ttrpc: closed"),
    )
    return inner(
        "container.NewTask",
        Spend(prepare),
        Mark(Text("connecting to shim {id}"), connected),
        Attempt((task("Create", create, *steps),), cleanup),
        task("Connect", connect),
        Mark("task created", (("task.process.id", Fact("pid")),)),
        attributes=attributes,
    )


def start_task(start: str) -> SpanOf:
    """Return the start of a task: runc's start run."""
    attributes: Attributes = (("task.id", Fact("id")), ("namespace", NAMESPACE), ("task.pid", Fact("pid_text")))
    return inner("client.task.Start", task("Start", start), task("State", "task.state"), attributes=attributes)


def delete_container() -> SpanOf:
    """Return the removal of a container's metadata and snapshot."""
    return inner(
        "container.Delete",
        Spend("container.delete"),
        store("containers", "Delete", "store.container_delete"),
        attributes=CONTAINER,
    )


def handler(name: str) -> SpanOf:
    """Return the fetching of a descriptor: the manifest or the configuration."""
    attributes: Attributes = (
        ("descriptor.media.type", f"application/vnd.oci.image.{name}.v1+json"),
        ("descriptor.digest", Fact(f"{name}_digest")),
    )
    fetch = http("GET", f"{name}_url", Spend("pull.fetch_descriptor"))
    return inner("pkg.unpack.unpacker.UnpackHandler", fetch, attributes=attributes)
