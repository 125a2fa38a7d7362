"""The rules inside the nested structs: taints, reserved memory, logging, tracing, user namespaces.

Upstream: `validation_reserved_memory.go` beside the kubelet's validation, `pkg/util/taints`, and the `api/v1` packages
of component-base for logging and tracing.
"""

import re
from collections.abc import Iterator

from kubeletsim.config.schema.gates import FeatureGates
from kubeletsim.config.schema.kubelet import KubeletConfiguration
from kubeletsim.config.schema.structs import LoggingConfiguration
from kubeletsim.config.schema.types import join_path
from kubeletsim.model.errors import Fault

IDS_PER_POD_STEP = 65536
_TARGET_SCHEMES = ("dns", "unix", "unix-abstract")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_HOST_WITH_BAD_PORT = re.compile(r"(\[[^\]]*\]|.*):(?!\d*$)[^:]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def nested_faults(config: KubeletConfiguration, gates: FeatureGates) -> Iterator[Fault]:
    """Name every broken rule inside a nested struct."""
    yield from _taint_faults(config)
    yield from _reserved_memory_faults(config)
    yield from _logging_faults(config.logging, gates)
    yield from _tracing_faults(config)
    ids = config.userNamespaces.idsPerPod if config.userNamespaces else None
    if ids is not None and ids % IDS_PER_POD_STEP:
        yield Fault("userNamespaces.idsPerPod", ids, f"must be a multiple of {IDS_PER_POD_STEP}")


def _taint_faults(config: KubeletConfiguration) -> Iterator[Fault]:
    for number, taint in enumerate(config.registerWithTaints):
        path = f"registerWithTaints[{number}]"
        if not _is_qualified_name(taint.key):
            yield Fault(f"{path}.key", taint.key, "must be a qualified name such as example.com/dedicated")
        if taint.value and not _NAME.fullmatch(taint.value):
            rule = "must be empty or up to 63 letters, digits, -, _ and ., a letter or digit at both ends"
            yield Fault(f"{path}.value", taint.value, rule)
        if taint.timeAdded is not None:
            yield Fault(f"{path}.timeAdded", taint.timeAdded, "must be absent")


def _is_qualified_name(text: str) -> bool:
    prefix, slash, name = text.rpartition("/")
    return bool(_NAME.fullmatch(name)) and (not slash or (len(prefix) <= 253 and bool(_SUBDOMAIN.fullmatch(prefix))))


def _reserved_memory_faults(config: KubeletConfiguration) -> Iterator[Fault]:
    seen: set[tuple[int, str]] = set()
    for number, reservation in enumerate(config.reservedMemory):
        for kind, amount in reservation.limits.items():
            path = join_path("reservedMemory", number, "limits", kind)
            if kind != "memory" and not kind.startswith("hugepages-"):
                yield Fault(path, str(amount), "must be memory or hugepages-<size>")
            if not amount:
                yield Fault(path, str(amount), "must not be zero")
            if (reservation.numaNode, kind) in seen:
                yield Fault(path, str(amount), f"must be given once for NUMA node {reservation.numaNode}")
            seen.add((reservation.numaNode, kind))


def _logging_faults(logging: LoggingConfiguration, gates: FeatureGates) -> Iterator[Fault]:
    if logging.vmodule and logging.format != "text":
        yield Fault(
            "logging.vmodule", f"{len(logging.vmodule)} entries", "must be absent unless logging.format is text"
        )
    for number, item in enumerate(logging.vmodule):
        if not item.filePattern or set(item.filePattern) & set("=,"):
            rule = "must be a file name or glob without equals sign and comma"
            yield Fault(f"logging.vmodule[{number}].filePattern", item.filePattern, rule)
    if gates.enabled("LoggingAlphaOptions"):
        return
    for name, options in (("text", logging.options.text), ("json", logging.options.json_)):
        if options.splitStream:
            yield Fault(f"logging.options.{name}.splitStream", True, "needs the feature gate LoggingAlphaOptions")
        if options.infoBufferSize:
            rule = "must be 0 without the feature gate LoggingAlphaOptions"
            yield Fault(f"logging.options.{name}.infoBufferSize", str(options.infoBufferSize), rule)


def _tracing_faults(config: KubeletConfiguration) -> Iterator[Fault]:
    endpoint = config.tracing.endpoint if config.tracing else None
    if endpoint is None:
        return
    # A bare host:port gets a scheme for the check alone; the exporter sees what was written.
    scheme, authority, rest = _split_url(endpoint if "//" in endpoint else f"dns://{endpoint}")
    if scheme.lower() not in _TARGET_SCHEMES:
        rule = f"must have one of the schemes {', '.join(_TARGET_SCHEMES)}, or none"
        yield Fault("tracing.endpoint", endpoint, rule)
    elif (
        any(char.isspace() or not char.isprintable() for char in endpoint)
        or _HOST_WITH_BAD_PORT.fullmatch(authority)
        or _BAD_ESCAPE.search(authority + rest)
        or authority.startswith("[") is not ("]" in authority)
    ):
        rule = "must be a gRPC target such as 127.0.0.1:4317, dns:///host:4317 or unix:///run/otel.sock"
        yield Fault("tracing.endpoint", endpoint, rule)


def _split_url(text: str) -> tuple[str, str, str]:
    """Split into scheme, authority without user, and the rest, as Go's net/url does."""
    found = _SCHEME.fullmatch(text)
    scheme, rest = (found[1], found[2]) if found else ("", text)
    if not rest.startswith("//"):
        return scheme, "", rest
    authority, slash, path = rest[2:].partition("/")
    return scheme, authority.rpartition("@")[2], slash + path
