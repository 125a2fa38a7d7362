"""Validation of a whole Pod, as far as a node depends on it: all faults are listed, not only the first.

Fields that only an API server or a scheduler acts on (affinity, topology spread, owner references) are left alone.
Upstream: ValidatePodCreate in pkg/apis/core/validation/validation.go, called by pkg/kubelet/config/common.go.
"""

from collections.abc import Iterator, Sequence

from lightkube.models.core_v1 import Pod, PodSpec, Sysctl

from kubeletsim.model.errors import Fault, ManifestError
from kubeletsim.model.pod.identity import annotations, ephemeral_containers, labels, metadata, pod_uid, spec
from kubeletsim.model.pod.validation import formats
from kubeletsim.model.pod.validation.containers import (
    MAX_ID,
    RESTART_POLICIES,
    containers,
    resources,
    security_profile,
)
from kubeletsim.model.pod.validation.sources import api_references, volumes

DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
MAX_NAMESERVERS = 3
MAX_SEARCHES = 32
IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
MAX_ANNOTATIONS_BYTES = 256 * 1024


def validate(pod: Pod) -> list[Fault]:
    """Return every fault of a pod that has its defaults; an empty list means that a node can run it."""
    return [*_metadata(pod), *_spec(spec(pod)), *volumes(pod), *containers(pod)]


def validate_static(pod: Pod, *, may_reference_api: bool = False) -> None:
    """Refuse a static pod with any fault, with references to API objects or with ephemeral containers.

    `may_reference_api` lets such references through (gate PreventStaticPodAPIReferences off).

    Raises:
        ManifestError: one line with every fault, separated by semicolons.
    """
    faults = [*validate(pod), *(() if may_reference_api else api_references(pod))]
    if ephemeral_containers(pod):
        faults.append(Fault("spec.ephemeralContainers", None, "must not be given: they are added to running pods"))
    if faults:
        raise ManifestError("; ".join(map(str, faults)))


def _metadata(pod: Pod) -> Iterator[Fault]:
    meta = metadata(pod)
    yield from formats.required("metadata.name", meta.name)
    if meta.name:
        yield from formats.dns_subdomain("metadata.name", meta.name)
    yield from formats.required("metadata.namespace", meta.namespace)
    if meta.namespace:
        yield from formats.dns_label("metadata.namespace", meta.namespace)
    if meta.uid:
        yield from formats.uid("metadata.uid", pod_uid(pod))
    for key, value in labels(pod).items():
        yield from formats.qualified_name(f"metadata.labels[{key}]", key)
        yield from formats.label_value(f"metadata.labels[{key}]", value)
    for key in annotations(pod):
        yield from formats.qualified_name(f"metadata.annotations[{key}]", key.lower())
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations(pod).items())
    if size > MAX_ANNOTATIONS_BYTES:
        yield Fault("metadata.annotations", None, f"must hold at most {MAX_ANNOTATIONS_BYTES} bytes; has {size}")


def _spec(spec_: PodSpec) -> Iterator[Fault]:
    yield from formats.one_of("spec.restartPolicy", spec_.restartPolicy, RESTART_POLICIES)
    yield from formats.at_least("spec.terminationGracePeriodSeconds", spec_.terminationGracePeriodSeconds, 0)
    yield from formats.at_least("spec.activeDeadlineSeconds", spec_.activeDeadlineSeconds, 1)
    for field in ("hostname", "subdomain"):
        if getattr(spec_, field):
            yield from formats.dns_label(f"spec.{field}", getattr(spec_, field))
    if spec_.hostnameOverride is not None:
        yield from _hostname_override(spec_)
    yield from _dns(spec_)
    yield from _security(spec_)
    yield from resources(spec_.resources, "spec.resources")
    for index, gate in enumerate(spec_.readinessGates or []):
        yield from formats.qualified_name(f"spec.readinessGates[{index}].conditionType", gate.conditionType)
    for index, alias in enumerate(spec_.hostAliases or []):
        yield from formats.ip(f"spec.hostAliases[{index}].ip", alias.ip)
        for name in alias.hostnames or []:
            yield from formats.dns_subdomain(f"spec.hostAliases[{index}].hostnames", name)
    if spec_.os is not None:  # a node refuses pods of another system, but does not take them for mistakes
        yield from formats.one_of("spec.os.name", spec_.os.name, ("linux", "windows"))
    for name, value in (spec_.overhead or {}).items():
        yield from formats.quantity(f"spec.overhead[{name}]", value)


def _hostname_override(spec_: PodSpec) -> Iterator[Fault]:
    override = spec_.hostnameOverride or ""
    yield from formats.dns_subdomain("spec.hostnameOverride", override)
    if len(override) > 64:
        yield Fault("spec.hostnameOverride", override, "must have at most 64 characters")
    if spec_.hostNetwork:
        yield Fault("spec.hostnameOverride", override, "must not be given with hostNetwork")
    if spec_.setHostnameAsFQDN:
        yield Fault("spec.hostnameOverride", override, "must not be given with setHostnameAsFQDN")


def _dns(spec_: PodSpec) -> Iterator[Fault]:
    yield from formats.one_of("spec.dnsPolicy", spec_.dnsPolicy, DNS_POLICIES)
    config = spec_.dnsConfig
    servers = (config.nameservers or []) if config is not None else []
    searches = (config.searches or []) if config is not None else []
    if spec_.dnsPolicy == "None" and not servers:
        yield Fault("spec.dnsConfig.nameservers", None, "must have at least one server with dnsPolicy None")
    if len(servers) > MAX_NAMESERVERS:
        yield Fault("spec.dnsConfig.nameservers", None, f"must have at most {MAX_NAMESERVERS}; has {len(servers)}")
    if len(searches) > MAX_SEARCHES:
        yield Fault("spec.dnsConfig.searches", None, f"must have at most {MAX_SEARCHES}; has {len(searches)}")
    for index, server in enumerate(servers):
        yield from formats.ip(f"spec.dnsConfig.nameservers[{index}]", server)
    for index, option in enumerate((config.options or []) if config is not None else []):
        yield from formats.required(f"spec.dnsConfig.options[{index}].name", option.name)


def _security(spec_: PodSpec) -> Iterator[Fault]:
    if spec_.hostPID and spec_.shareProcessNamespace:
        yield Fault("spec.shareProcessNamespace", True, "must not be given with hostPID")
    if spec_.hostUsers is False:
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if getattr(spec_, field):
                yield Fault(f"spec.{field}", True, "must not be given with hostUsers: false")
    context = spec_.securityContext
    if context is None:
        return
    for field in ("runAsUser", "runAsGroup", "fsGroup"):
        number: int | None = getattr(context, field)
        if number is not None and not 0 <= number <= MAX_ID:
            yield Fault(f"spec.securityContext.{field}", number, f"must be between 0 and {MAX_ID}")
    yield from _sysctls(spec_, context.sysctls or [])
    for field in ("seccompProfile", "appArmorProfile"):
        profile = getattr(context, field)
        if profile is not None:
            path = f"spec.securityContext.{field}"
            yield from security_profile(profile.type, profile.localhostProfile, path)


def _sysctls(spec_: PodSpec, sysctls: Sequence[Sysctl]) -> Iterator[Fault]:
    """Refuse what is none or there twice, and what would be the host's: its name tells its namespace."""
    yield from formats.unique("spec.securityContext.sysctls", "name", (sysctl.name for sysctl in sysctls))
    for index, sysctl in enumerate(sysctls):
        path = f"spec.securityContext.sysctls[{index}].name"
        yield from formats.sysctl(path, sysctl.name)
        name = sysctl.name.replace("/", ".")
        if spec_.hostNetwork and name.startswith("net."):
            yield Fault(path, sysctl.name, "must not be given with hostNetwork")
        if spec_.hostIPC and name.startswith(IPC_SYSCTLS):
            yield Fault(path, sysctl.name, "must not be given with hostIPC")
