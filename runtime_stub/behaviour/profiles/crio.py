"""This module is CRI-O 1.36: a wrapper span a call, then spans named after its Go functions.

Read from CRI-O's source, never seen running: the trees are what its code says, the times are containerd's medians put
where CRI-O does the same work. Spans that its functions open and close within microseconds are there without a latency.
"""

from collections.abc import Mapping

from runtime_stub.behaviour.latency import Latency
from runtime_stub.behaviour.plan import Do, Each, Kind, Node, Overlap, Plan, Plans, Scope, SpanOf, Spend, When
from runtime_stub.behaviour.profiles.crio_wordings import WORDINGS
from runtime_stub.behaviour.profiles.profile import Profile

_WRAPPER = Scope("crio")
_FUNCTIONS = Scope("")
_ROOT = "github.com/cri-o/cri-o/"
_IMAGE_RPCS = frozenset({"ListImages", "ImageStatus", "PullImage", "RemoveImage", "ImageFsInfo"})


def _function(receiver: str, name: str, *body: Node) -> SpanOf:
    return SpanOf(f"{_ROOT}{receiver}.{name}", _FUNCTIONS, Kind.INTERNAL, (), body)


def _server(name: str, *body: Node) -> SpanOf:
    return _function("server.(*Server)", name, *body)


def _runtime(name: str, *body: Node) -> SpanOf:
    """Return a call of the OCI runtime: the dispatching method with the implementing one below."""
    return _function("internal/oci.(*Runtime)", name, _function("internal/oci.(*runtimeOCI)", name, *body))


def _library(name: str, *body: Node) -> SpanOf:
    return _function("internal/lib.(*ContainerServer)", name, *body)


def _sandbox(name: str, *body: Node) -> SpanOf:
    return _function("internal/lib/sandbox.(*Sandbox)", name, *body)


def _storage(name: str, *body: Node) -> SpanOf:
    return _function("internal/storage.(*runtimeService)", name, *body)


def _call(rpc: str, *body: Node) -> Plan:
    service = "ImageService" if rpc in _IMAGE_RPCS else "RuntimeService"
    return (SpanOf(f"/runtime.v1.{service}/{rpc}", _WRAPPER, Kind.INTERNAL, (), body),)


_STOP_CONTAINER = _server(
    "stopContainer",
    _server("getSandbox"),
    _runtime(
        "StopContainer",
        When(
            "running",
            (
                When("graceful", (When("unsignalled", (Spend("stop.signal"), Do("terminate"))), Do("await grace"))),
                When("running", (Spend("stop.signal"), Do("kill"), Do("await exit"))),
            ),
        ),
    ),
    _storage("StopContainer"),
    _library("ContainerStateToDisk"),
)

_STOP_SANDBOX = _server(
    "stopPodSandbox",
    When(
        "networked",
        (_server("networkStop", _server("newPodNetwork"), Spend("network.stop"), Do("release network")),),
    ),
    Each("containers", (When("running", (_STOP_CONTAINER,)),)),
    When("sandbox running", (Spend("stop.signal"), Do("kill sandbox"), Spend("sandbox.exit"), Do("sandbox stopped"))),
    _sandbox("UnmountShm"),
    _sandbox("SetStopped"),
)

_REMOVE_CONTAINER = _server(
    "removeContainerInPod",
    When("running", (_STOP_CONTAINER,)),
    Do("claim"),
    _runtime("DeleteContainer", Spend("container.delete")),
    _function("internal/oci.(*Container)", "CleanupConmonCgroup"),
    _storage("DeleteContainer", Spend("container.delete_storage")),
    _library("ReleaseContainerName"),
    Do("commit"),
    _server("removeContainer", _library("RemoveContainer"), _sandbox("RemoveContainer")),
)


def _read(rpc: str, *more: Node) -> Plan:
    """Return a call that only looks something up."""
    return _call(rpc, _server(rpc, Do("answer"), *more))


_LAYERS = Overlap("layers", (Spend("pull.megabyte", times="megabytes"),), (Do("keep"),), at_once=6)
"""The image library fetches six at a time."""

PLANS: Plans = {
    "RunPodSandbox": _call(
        "RunPodSandbox",
        _server(
            "runPodSandbox",
            Spend("sandbox.storage"),
            _server("setPodSandboxMountLabel"),
            _server("addSandbox", _library("AddSandbox")),
            _server("configureGeneratorForSysctls"),
            _server("configureGeneratorForSandboxNamespaces", Spend("sandbox.namespaces")),
            _server("getSandboxIDMappings"),
            When(
                "pod network",
                (_server("networkStart", _server("newPodNetwork"), Spend("network.start"), Do("address")),),
            ),
            _sandbox("SetContainerEnvFile"),
            _server("addInfraContainer"),
            _server("createContainerPlatform", _runtime("CreateContainer")),
            _runtime("StartContainer"),
            _library("ContainerStateToDisk", Spend("state.write")),
            Do("commit"),
        ),
    ),
    "CreateContainer": _call(
        "CreateContainer",
        _server("getPodSandboxFromRequest", _server("getSandbox")),
        _server(
            "createSandboxContainer",
            Spend("container.storage"),
            _server("addOCIBindMounts"),
            _function("server", "setupContainerUser"),
        ),
        _server("addContainer", _library("AddContainer", _sandbox("AddContainer"))),
        _server("getSandboxIDMappings"),
        _server("createContainerPlatform", _runtime("CreateContainer", Spend("container.create"))),
        _library("ContainerStateToDisk", Spend("state.write")),
        Do("commit"),
    ),
    "StartContainer": _call(
        "StartContainer",
        _server(
            "StartContainer",
            _server("getSandbox"),
            _runtime("StartContainer", Spend("container.start"), Do("execute")),
            Do("commit"),
            _library("ContainerStateToDisk", Spend("state.write")),
        ),
    ),
    "StopContainer": _call("StopContainer", _server("StopContainer", _STOP_CONTAINER)),
    "StopPodSandbox": _call("StopPodSandbox", _server("StopPodSandbox", _STOP_SANDBOX)),
    "RemoveContainer": _call("RemoveContainer", _server("RemoveContainer", _server("getSandbox"), _REMOVE_CONTAINER)),
    "RemovePodSandbox": _call(
        "RemovePodSandbox",
        _server(
            "RemovePodSandbox",
            _server(
                "removePodSandbox",
                _STOP_SANDBOX,
                Each("containers", (_REMOVE_CONTAINER,)),
                _sandbox("UnmountShm"),
                _server("removeInfraContainer", Spend("container.delete")),
                _server("removeSandbox", _library("RemoveSandbox")),
                Do("commit"),
            ),
        ),
    ),
    "ExecSync": _call(
        "ExecSync",
        _server(
            "ExecSync",
            _runtime(
                "ExecSyncContainer",
                Spend("exec.start"),
                Do("start"),
                Do("wait"),
                When("timed out", (Do("time out"),)),
                When(
                    "in time",
                    (_function("internal/oci", "TruncateAndReadFile"), _function("internal/oci", "parseLog")),
                ),
            ),
        ),
    ),
    "UpdateContainerResources": _call(
        "UpdateContainerResources",
        _server("UpdateContainerResources", _runtime("UpdateContainer", Spend("container.update")), Do("commit")),
    ),
    "PullImage": _call(
        "PullImage",
        _server(
            "PullImage",
            _server(
                "pullImage",
                Spend("pull.resolve"),
                Do("resolve"),
                When("absent", (_LAYERS,)),
                Do("commit"),
            ),
        ),
    ),
    "RemoveImage": _call(
        "RemoveImage", _server("RemoveImage", _server("removeImage", Spend("image.remove"), Do("commit")))
    ),
    "ContainerStats": _call("ContainerStats", _server("ContainerStats", Spend("stats"))),
    "ListContainerStats": _call("ListContainerStats", Each("containers", (Spend("stats"),))),
    "ListContainers": _read("ListContainers", _server("filterContainerList")),
    "ListPodSandbox": _read("ListPodSandbox", _server("filterSandboxList")),
    "PodSandboxStatus": _read("PodSandboxStatus", _server("getPodSandboxFromRequest", _server("getSandbox"))),
    **{
        rpc: _read(rpc)
        for rpc in ("ContainerStatus", "PodSandboxStats", "ImageStatus", "ListImages", "ReopenContainerLog")
    },
    **{rpc: _call(rpc, Do("answer")) for rpc in ("Version", "Status", "RuntimeConfig", "ImageFsInfo")},
}

LATENCIES: Mapping[str, Latency] = {
    name: Latency(median_ms)
    for name, median_ms in {
        "sandbox.storage": 20.0,
        "sandbox.namespaces": 15.0,
        "sandbox.exit": 36.0,
        "network.start": 27.0,
        "network.stop": 70.0,
        "container.storage": 12.0,
        "container.create": 45.0,
        "container.start": 15.0,
        "container.delete": 10.0,
        "container.delete_storage": 5.0,
        "container.update": 7.0,
        "state.write": 1.0,
        "stop.signal": 10.0,
        "task.exit": 36.0,
        "exec.start": 40.0,
        "pull.resolve": 5.0,
        "pull.megabyte": 18.0,
        "image.remove": 3.3,
        "stats": 1.2,
    }.items()
}
"""Medians in milliseconds."""

CRIO = Profile(
    name="crio",
    runtime_handlers=("crun",),
    runtime_name="cri-o",
    runtime_version="1.36.0",
    plans=PLANS,
    latencies=LATENCIES,
    wordings=WORDINGS,
    returns_existing=True,
    exec_timeout_text="command timed out",
    status_info=("config",),
    lists_container_filesystem=True,
    image_id_prefix="",
    transfer="pull.megabyte",
    snapshotter="overlay",
    runtime_type="oci",
)
