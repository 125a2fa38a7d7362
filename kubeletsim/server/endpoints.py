"""What the servers answer: pods, running pods, metrics, the configuration, health, and what leads into containers.

Each endpoint is a coroutine from request to response, and `read_write_routes` and `read_only_routes` say which path
leads to which. Upstream: pkg/kubelet/server/server.go.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import CRIError
from kubeletsim.model.labels import POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL
from kubeletsim.model.runtime import (
    Container,
    PodUID,
    Sandbox,
)
from kubeletsim.model.stats import NodeUsage
from kubeletsim.pods.node_object import VersionService
from kubeletsim.server.answers import NOSNIFF, json_answer, text
from kubeletsim.server.container_actions import ActingRuntime, ContainerActions
from kubeletsim.server.container_logs import ContainerLogs
from kubeletsim.server.container_logs.endpoint import LogRuntime
from kubeletsim.server.exposition import Exposition
from kubeletsim.server.healthz import HealthCheck, NoteCheck, run_checks
from kubeletsim.server.healthz_metrics import HealthMetrics
from kubeletsim.server.resource_metrics import ResourceMetrics, StatsRuntime
from kubeletsim.server.routes import GET, GET_OR_POST, POST, Handler, Route, service
from kubeletsim.server.running import Running
from kubeletsim.server.settings import HandlerSettings
from kubeletsim.server.streams import Streams
from kubeletsim.server.streams.endpoint import StreamingRuntime
from kubeletsim.server.targets import CONTAINER_PATHS, POD_PATHS


class ServedRuntime(ActingRuntime, LogRuntime, StreamingRuntime, VersionService, Protocol):
    """What the endpoints take of the runtime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """The node as the servers see it."""

    pods: Callable[[], Sequence[Pod]]
    """The pods the node was told to run, each with its newest status."""
    runtime: ServedRuntime
    configz: Callable[[], Mapping[str, Any]]
    """The effective KubeletConfiguration as JSON types, kind and apiVersion included."""
    last_sync_loop: Callable[[], float | None]
    """When the sync loop last began a turn, in the clock's monotonic seconds; None before the first."""
    registry: CollectorRegistry
    """Every metric of the node but those of probes."""
    probe_registry: CollectorRegistry
    """The metrics of probes, which are many and have an endpoint of their own."""
    checkpoints_dir: Path
    """Where checkpoints of containers go."""
    stats: StatsRuntime
    """The runtime again, without counts of what it is asked."""
    node_usage: Callable[[], NodeUsage | None]
    """What the machine uses now; None where that cannot be measured."""


class Endpoints:
    """The answers to requests, in terms of one node."""

    def __init__(self, node: NodeView, *, checks: Sequence[HealthCheck], clock: Clock) -> None:
        self._node = node
        self.streams = Streams(pods=node.pods, runtime=node.runtime, registry=node.registry)
        self.logs = ContainerLogs(pods=node.pods, runtime=node.runtime, clock=clock)
        self.actions = ContainerActions(
            pods=node.pods, runtime=node.runtime, checkpoints_dir=node.checkpoints_dir, clock=clock
        )
        self.checks = tuple(checks)
        self._metrics = Exposition(node.registry)
        self._probe_metrics = Exposition(node.probe_registry)
        self.health_metrics = HealthMetrics()
        self.resources = ResourceMetrics(runtime=node.runtime, stats=node.stats, node_usage=node.node_usage)

    async def pods(self, request: web.BaseRequest) -> web.Response:  # noqa: ARG002  a handler's signature
        """Answer with the pods as the kubelet knows them."""
        return json_answer(pod_list([_list_item(pod) for pod in self._node.pods()]))

    async def running_pods(self, request: web.BaseRequest) -> web.Response:  # noqa: ARG002  a handler's signature
        """Answer with what the runtime says is running; the calls are children of this request's span."""
        try:
            running = await Running.of(self._node.runtime)
        except CRIError as error:
            return text(str(error), status=500)
        return json_answer(pod_list(running_pods(running.sandboxes, running.containers)))

    async def metrics(self, request: web.BaseRequest) -> web.Response:
        """Answer with the node's metrics."""
        return self._metrics.answer(request)

    async def probe_metrics(self, request: web.BaseRequest) -> web.Response:
        """Answer with the metrics of the node's probes."""
        return self._probe_metrics.answer(request)

    async def health_metrics_answer(self, request: web.BaseRequest) -> web.Response:
        """Answer with the metrics of health checks, or forget them."""
        if request.method == "DELETE":
            self.health_metrics.reset()
            return text("metrics reset\n")
        return self.health_metrics.exposition.answer(request)

    async def configz(self, request: web.BaseRequest) -> web.Response:  # noqa: ARG002  a handler's signature
        """Answer with the effective configuration."""
        return json_answer({"kubeletconfig": dict(self._node.configz())}, headers=NOSNIFF)

    async def healthz(self, request: web.BaseRequest) -> web.Response:
        """Answer with the outcome of all health checks."""
        return health_answer(self.checks, request, note=self.health_metrics.note)


def health_answer(checks: Sequence[HealthCheck], request: web.BaseRequest, *, note: NoteCheck) -> web.Response:
    """Run the checks as a request wants it: `verbose`, and `exclude` once for each check to leave out.

    Each check's name goes to `note`, with whether it has passed.
    """
    health = run_checks(
        checks, verbose="verbose" in request.query, exclude=request.query.getall("exclude", []), note=note
    )
    return text(health.text, status=200 if health.passed else 500, headers=NOSNIFF)


def check_handler(check: HealthCheck) -> Handler:
    """Return the handler of one health check alone."""

    async def handle(request: web.BaseRequest) -> web.Response:  # noqa: ARG001  a handler's signature
        problem = check.run()
        if problem is not None:
            return text(f"internal server error: {problem}\n", status=500, headers=NOSNIFF)
        return text("ok")

    return handle


def health_routes(root: Handler, checks: Sequence[HealthCheck]) -> list[Route]:
    """Return /healthz and a path below it for each check."""
    routes = [Route(prefix="/healthz", handler=root)]
    for check in checks:
        path = f"/healthz/{check.name}"
        routes.append(Route(prefix=path, handler=check_handler(check)))
    return routes


def read_write_routes(endpoints: Endpoints, *, handlers: HandlerSettings) -> list[Route]:
    """Return the routes of the authenticated server."""
    if not handlers.debugging:
        return read_only_routes(endpoints)
    off = [
        (handlers.system_log, "/logs/", "logs endpoint is disabled."),
        (handlers.profiling, "/debug/pprof/", "profiling endpoint is disabled."),
        (handlers.debug_flags, "/debug/flags/v", "flags endpoint is disabled."),
    ]
    disabled = [_disabled(prefix, message) for enabled, prefix, message in off if not enabled]
    return [*_always_on(endpoints), *_debugging(endpoints), *disabled]


def _debugging(endpoints: Endpoints) -> list[Route]:
    streams = endpoints.streams
    return [
        Route(prefix="/configz", handler=endpoints.configz),
        *service("/runningpods/", methods=GET, handler=endpoints.running_pods),
        *service("/run", *CONTAINER_PATHS, methods=POST, handler=endpoints.actions.run),
        *service("/exec", *CONTAINER_PATHS, methods=GET_OR_POST, handler=streams.exec),
        *service("/attach", *CONTAINER_PATHS, methods=GET_OR_POST, handler=streams.attach),
        *service("/portForward", *POD_PATHS, methods=GET_OR_POST, handler=streams.port_forward),
        *service("/containerLogs", CONTAINER_PATHS[0], methods=GET, handler=endpoints.logs.handle),
        *service("/checkpoint", CONTAINER_PATHS[0], methods=POST, handler=endpoints.actions.checkpoint),
    ]


def read_only_routes(endpoints: Endpoints) -> list[Route]:
    """Return the routes of the read-only server, which are also those of one without debugging handlers."""
    return [*_always_on(endpoints), *(_disabled(prefix, "Debug endpoints are disabled.") for prefix in DEBUG_PREFIXES)]


DEBUG_PREFIXES = (
    "/run/",
    "/exec/",
    "/attach/",
    "/portForward/",
    "/containerLogs/",
    "/runningpods/",
    "/debug/pprof/",
    "/logs/",
)
"""What says that it is disabled, rather than that it does not exist."""


def _always_on(endpoints: Endpoints) -> list[Route]:
    return [
        *health_routes(endpoints.healthz, endpoints.checks),
        *service("/pods", methods=GET, handler=endpoints.pods),
        Route(prefix="/metrics", handler=endpoints.metrics),
        Route(prefix="/metrics/probes", handler=endpoints.probe_metrics),
        Route(prefix="/metrics/resource", handler=endpoints.resources.handle),
        Route(prefix="/metrics/slis", handler=endpoints.health_metrics_answer),
    ]


def _disabled(prefix: str, message: str) -> Route:
    async def handle(request: web.BaseRequest) -> web.Response:  # noqa: ARG001  a handler's signature
        return text(f"{message}\n", status=405, headers=NOSNIFF)

    return Route(prefix=prefix, handler=handle)


def pod_list(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a PodList; upstream says null, not an empty list, where there is no pod."""
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": list(items) or None}


def running_pods(sandboxes: Sequence[Sandbox], containers: Sequence[Container]) -> list[dict[str, Any]]:
    """Return what is running as pods: name, namespace and uid, and of each container name and image."""
    identities: dict[PodUID, tuple[str, str]] = {}
    running: defaultdict[PodUID, list[dict[str, Any]]] = defaultdict(list)
    for container in containers:
        uid = PodUID(container.labels.get(POD_UID_LABEL, ""))
        identities[uid] = container.labels.get(POD_NAME_LABEL, ""), container.labels.get(POD_NAMESPACE_LABEL, "")
        running[uid].append({"name": container.name, "image": container.image, "resources": {}})
    for sandbox in sandboxes:
        identities[sandbox.uid] = sandbox.name, sandbox.namespace
    return [
        {
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
            "spec": {"containers": running.get(uid)},
            "status": {},
        }
        for uid, (name, namespace) in identities.items()
    ]


def _list_item(pod: Pod) -> dict[str, Any]:
    """Return a pod as a list carries it: kind and version stand once, on the list."""
    item: dict[str, Any] = pod.to_dict()
    for condition in item.get("status", {}).get("conditions", ()):
        condition.setdefault("lastProbeTime", None)  # never known, and never left out
    return {key: value for key, value in item.items() if key not in ("kind", "apiVersion")}
