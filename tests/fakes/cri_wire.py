"""A second reading of CRI, by reflection over the messages' descriptors: slow, table-driven, and not the client's code.

`strategy` makes model values that fit on the wire, `encode` puts one into a message, `decode` takes it out again. The
client's converters are right when they agree with it.
"""

import dataclasses
import functools
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from kubeletsim.model import requests as rq
from kubeletsim.model import runtime as rt
from kubeletsim.model import stats as us
from kubeletsim.pb import cri_pb2 as pb

METADATA = {name: f"metadata.{name}" for name in ("name", "namespace", "uid", "attempt")}
ATTRIBUTES = {
    "id": "attributes.id",
    **{name: f"attributes.{path}" for name, path in METADATA.items()},
    "labels": "attributes.labels",
    "annotations": "attributes.annotations",
}
SECURITY = {"selinux": "selinux_options", "supplemental_groups_strict": "supplemental_groups_policy"}
CAPABILITIES = ("add_capabilities", "drop_capabilities", "add_ambient_capabilities")
WRAPPERS = ("Int64Value", "UInt64Value")

TABLE: dict[type, tuple[type[Message], dict[str, str | None]]] = {
    rq.SecurityProfile: (pb.SecurityProfile, {"type": "profile_type"}),
    rq.SELinuxOption: (pb.SELinuxOption, {}),
    rq.IDMapping: (pb.IDMapping, {}),
    rq.NamespaceOptions: (
        pb.NamespaceOption,
        {
            "userns": "userns_options.mode",
            "userns_uids": "userns_options.uids",
            "userns_gids": "userns_options.gids",
        },
    ),
    rq.LinuxResources: (pb.LinuxContainerResources, {}),
    rq.SandboxSecurityContext: (pb.LinuxSandboxSecurityContext, SECURITY),
    rq.LinuxSandboxConfig: (pb.LinuxPodSandboxConfig, {}),
    rq.DNSConfig: (pb.DNSConfig, {}),
    rq.PortMapping: (pb.PortMapping, {}),
    rq.SandboxConfig: (pb.PodSandboxConfig, METADATA),
    rq.ImageSpec: (pb.ImageSpec, {}),
    rq.AuthConfig: (pb.AuthConfig, {}),
    rq.Mount: (pb.Mount, {"uid_mappings": "uidMappings", "gid_mappings": "gidMappings"}),
    rq.Device: (pb.Device, {}),
    rq.ContainerSecurityContext: (
        pb.LinuxContainerSecurityContext,
        {**SECURITY, **{name: f"capabilities.{name}" for name in CAPABILITIES}},
    ),
    rq.ContainerConfig: (
        pb.ContainerConfig,
        {
            **METADATA,
            "image_id": None,
            "resources": "linux.resources",
            "security_context": "linux.security_context",
            "cdi_devices": "CDI_devices",
        },
    ),
    rt.RuntimeVersion: (pb.VersionResponse, {}),
    rt.RuntimeCondition: (pb.RuntimeCondition, {}),
    rt.RuntimeHandler: (
        pb.RuntimeHandler,
        {
            "recursive_read_only_mounts": "features.recursive_read_only_mounts",
            "user_namespaces": "features.user_namespaces",
        },
    ),
    rt.RuntimeStatus: (
        pb.StatusResponse,
        {
            "conditions": "status.conditions",
            "handlers": "runtime_handlers",
            "supplemental_groups_policy": "features.supplemental_groups_policy",
            "user_namespaces_host_network": "features.user_namespaces_host_network",
        },
    ),
    rt.Sandbox: (pb.PodSandbox, METADATA),
    rt.SandboxStatus: (
        pb.PodSandboxStatus,
        {**METADATA, "ips": None, "has_network": None, "host_network": None, "info": None},
    ),
    rt.Container: (
        pb.Container,
        {**METADATA, "sandbox_id": "pod_sandbox_id", "image": "image.image"},
    ),
    rt.ContainerUser: (pb.LinuxContainerUser, {}),
    rt.ContainerStatus: (
        pb.ContainerStatus,
        {
            **METADATA,
            "image": "image.image",
            "info": None,
            "resources": "resources.linux",
            "user": "user.linux",
        },
    ),
    rt.Image: (pb.Image, {"size_bytes": "size"}),
    rt.FilesystemUsage: (pb.FilesystemUsage, {"mountpoint": "fs_id.mountpoint"}),
    rt.ImageFsInfo: (pb.ImageFsInfoResponse, {}),
    rt.ExecResult: (pb.ExecSyncResponse, {}),
    rt.ContainerEvent: (
        pb.ContainerEventResponse,
        {"type": "container_event_type", "sandbox": "pod_sandbox_status", "containers": "containers_statuses"},
    ),
    us.PressureData: (pb.PsiData, {"total": "Total", "avg10": "Avg10", "avg60": "Avg60", "avg300": "Avg300"}),
    us.Pressure: (pb.PsiStats, {"full": "Full", "some": "Some"}),
    us.CPUUsage: (pb.CpuUsage, {}),
    us.MemoryUsage: (pb.MemoryUsage, {}),
    us.SwapUsage: (pb.SwapUsage, {}),
    us.IOUsage: (pb.IoUsage, {}),
    us.NetworkInterfaceUsage: (pb.NetworkInterfaceUsage, {}),
    us.NetworkUsage: (pb.NetworkUsage, {}),
    us.ProcessUsage: (pb.ProcessUsage, {}),
    us.ContainerStats: (pb.ContainerStats, ATTRIBUTES),
    us.SandboxStats: (
        pb.PodSandboxStats,
        {
            **ATTRIBUTES,
            **{part: f"linux.{part}" for part in ("cpu", "memory", "network", "process", "io", "containers")},
        },
    ),
    us.MetricDescriptor: (pb.MetricDescriptor, {}),
    us.Metric: (pb.Metric, {"type": "metric_type"}),
    us.ContainerMetrics: (pb.ContainerMetrics, {}),
    us.SandboxMetrics: (
        pb.PodSandboxMetrics,
        {"sandbox_id": "pod_sandbox_id", "containers": "container_metrics"},
    ),
}
"""Model type to message type, with the fields that do not simply share a name; None: not in this message."""

INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
}
TEXTS = st.text(max_size=8)
LABELS = st.dictionaries(TEXTS, TEXTS, max_size=3)


@functools.cache
def strategy(model: type) -> st.SearchStrategy[Any]:
    """Return values of a model type that fit into its message."""
    message, paths = TABLE[model]
    hints = typing.get_type_hints(model)
    fields = {}
    for each in dataclasses.fields(model):
        path = paths.get(each.name, each.name)
        if path is not None:
            fields[each.name] = _values(hints[each.name], _field(message.DESCRIPTOR, path))
    if model is rt.SandboxStatus:
        addresses = st.lists(st.ip_addresses(v=4).map(str), max_size=3).map(tuple)
        fields |= {"ips": addresses, "host_network": st.booleans(), "info": LABELS}
        return st.builds(model, **fields)  # has_network stays true: addresses need a place
    if model is rt.ContainerStatus:
        fields["info"] = LABELS
    return st.builds(model, **fields)


def encode(value: Any, *, into: Message | None = None) -> Any:
    """Put a model value into a new message of its type (or the one given)."""
    message_type, paths = TABLE[type(value)]
    message = into if into is not None else message_type()
    for each in dataclasses.fields(value):
        path = paths.get(each.name, each.name)
        content = getattr(value, each.name)
        if path is None or content is None:
            continue
        *parents, name = path.split(".")
        owner = message
        for parent in parents:
            owner = getattr(owner, parent)
        _put(owner, name, content)
    if isinstance(value, rt.SandboxStatus):
        _put_network(value, message)
    return message


def decode(model: type, message: Message) -> Any:
    """Take a model value out of a message."""
    _, paths = TABLE[model]
    hints = typing.get_type_hints(model)
    found = {}
    for each in dataclasses.fields(model):
        path = paths.get(each.name, each.name)
        if path is not None:
            *parents, name = path.split(".")
            owner = message
            for parent in parents:
                owner = getattr(owner, parent)
            found[each.name] = _take(hints[each.name], owner, owner.DESCRIPTOR.fields_by_name[name])
    return model(**found)


def fields_without_a_model(model: type) -> set[str]:
    """Return the message's fields that no field of the model stands for."""
    message, paths = TABLE[model]
    used = {paths.get(each.name, each.name) for each in dataclasses.fields(model)}
    return {field.name for field in message.DESCRIPTOR.fields} - {path.split(".")[0] for path in used if path}


def _field(descriptor: Descriptor, path: str) -> FieldDescriptor:
    *parents, name = path.split(".")
    for parent in parents:
        descriptor = descriptor.fields_by_name[parent].message_type
    return descriptor.fields_by_name[name]


def _values(hint: Any, field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if type(None) in typing.get_args(hint):
        (inner,) = (arm for arm in typing.get_args(hint) if arm is not type(None))
        return st.none() | _values(inner, field)
    if typing.get_origin(hint) is tuple:
        item, more = typing.get_args(hint)
        if more is not Ellipsis:  # a pair: key and value, or page size and limit
            return st.tuples(TEXTS, TEXTS if more is str else INTEGERS[FieldDescriptor.CPPTYPE_UINT64])
        return st.lists(_values(item, field), max_size=2).map(tuple)
    if typing.get_origin(hint) is Mapping:
        return LABELS
    return _scalars(hint, field)


def _scalars(hint: Any, field: FieldDescriptor) -> st.SearchStrategy[Any]:
    hint = getattr(hint, "__supertype__", hint)
    if dataclasses.is_dataclass(hint):
        return strategy(typing.cast(type, hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    if field.enum_type is not None and hint is str:
        return st.sampled_from(field.enum_type.values_by_name.keys())
    if field.enum_type is not None and hint is int:
        return st.sampled_from(sorted(field.enum_type.values_by_number))
    if hint is int:
        inner = field.message_type.fields_by_name["value"] if field.message_type else field
        return INTEGERS[inner.cpp_type]
    return {
        str: TEXTS,
        bool: st.booleans(),
        bytes: st.binary(max_size=8),
        float: st.floats(allow_nan=False),
    }[hint]


def _put(owner: Any, name: str, content: Any) -> None:
    field = owner.DESCRIPTOR.fields_by_name[name]
    if isinstance(content, Mapping):
        getattr(owner, name).update(content)
    elif isinstance(content, tuple):
        for item in content:
            _append(getattr(owner, name), field, item)
    elif dataclasses.is_dataclass(content):
        getattr(owner, name).SetInParent()
        encode(content, into=getattr(owner, name))
    elif field.message_type is not None and field.message_type.name in WRAPPERS:
        getattr(owner, name).SetInParent()
        getattr(owner, name).value = content
    else:
        setattr(owner, name, _plain(field, content))


def _append(container: Any, field: FieldDescriptor, item: Any) -> None:
    if dataclasses.is_dataclass(item):
        encode(item, into=container.add())
    elif field.message_type is None:
        container.append(item)
    else:
        first, *rest = field.message_type.fields
        entry = container.add()
        pair = item if isinstance(item, tuple) else (item,)
        for part, content in zip((first, *rest), pair, strict=False):
            setattr(entry, part.name, content.encode() if part.type == part.TYPE_BYTES else content)


def _plain(field: FieldDescriptor, content: Any) -> Any:
    if isinstance(content, Enum):
        return content.value
    if field.enum_type is not None and isinstance(content, str):
        return field.enum_type.values_by_name[content].number
    return int(content) if field.enum_type is not None else content


def _put_network(value: rt.SandboxStatus, message: Any) -> None:
    first, *others = value.ips or ("",)
    message.network.SetInParent()
    message.network.ip = first
    for other in others:
        message.network.additional_ips.add(ip=other)
    if value.host_network:
        message.linux.namespaces.options.network = pb.NODE


def _take(hint: Any, owner: Any, field: FieldDescriptor) -> Any:
    arms = typing.get_args(hint)
    if type(None) in arms:
        if not owner.HasField(field.name):
            return None
        (hint,) = (arm for arm in arms if arm is not type(None))
    content = getattr(owner, field.name)
    if typing.get_origin(hint) is Mapping:
        return dict(content)
    if typing.get_origin(hint) is tuple:
        return tuple(_item(arms[0], entry) for entry in content)
    return _item(hint, content, field)


def _item(hint: Any, content: Any, field: FieldDescriptor | None = None) -> Any:
    hint = getattr(hint, "__supertype__", hint)
    if dataclasses.is_dataclass(hint):
        return decode(typing.cast(type, hint), content)
    if isinstance(content, Message):
        parts = [getattr(content, each.name) for each in content.DESCRIPTOR.fields]
        texts = [part.decode() if isinstance(part, bytes) else part for part in parts]
        return texts[0] if len(texts) == 1 else tuple(texts)
    if field is not None and field.enum_type is not None and hint is str:
        return field.enum_type.values_by_number[content].name
    return hint(content)
