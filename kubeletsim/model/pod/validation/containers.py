"""What a container's spec may say.

Upstream: validateContainers and its kin in pkg/apis/core/validation/validation.go.
"""

from collections.abc import Iterator

from lightkube.models.core_v1 import (
    ContainerPort,
    EnvVar,
    LifecycleHandler,
    Pod,
    Probe,
    ResourceRequirements,
    SecurityContext,
    VolumeMount,
)

from kubeletsim.model.errors import Fault
from kubeletsim.model.pod.identity import (
    AnyContainer,
    init_containers,
    is_sidecar,
    regular_containers,
    uses_host_network,
)
from kubeletsim.model.pod.validation import formats
from kubeletsim.model.pod.validation.sources import env_source
from kubeletsim.model.quantity import Quantity

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
RESTART_POLICIES = ("Always", "OnFailure", "Never")
PROPAGATIONS = ("None", "HostToContainer", "Bidirectional")
PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
MAX_ID = 2**31 - 1


def containers(pod: Pod) -> Iterator[Fault]:
    """Yield every fault of the pod's init and regular containers."""
    if not regular_containers(pod):
        yield Fault("spec.containers", None, "must have at least one container")
    names: set[str] = set()
    groups = {"spec.initContainers": init_containers(pod), "spec.containers": regular_containers(pod)}
    for field, group in groups.items():
        for index, container in enumerate(group):
            path = f"{field}[{index}]"
            if container.name in names:
                yield Fault(f"{path}.name", container.name, "must be unique: another container has it already")
            names.add(container.name)
            yield from _container(pod, container, path)
            yield from _restart_policy(container, path)
    yield from _host_ports(pod)


def _container(pod: Pod, container: AnyContainer, path: str) -> Iterator[Fault]:
    yield from formats.required(f"{path}.name", container.name)
    if container.name:
        yield from formats.dns_label(f"{path}.name", container.name)
    yield from formats.required(f"{path}.image", container.image)
    if container.image and container.image != container.image.strip():
        yield Fault(f"{path}.image", container.image, "must not begin or end with white space")
    yield from formats.one_of(f"{path}.imagePullPolicy", container.imagePullPolicy, PULL_POLICIES)
    policies = ("File", "FallbackToLogsOnError")
    yield from formats.one_of(f"{path}.terminationMessagePolicy", container.terminationMessagePolicy, policies)
    yield from _ports(pod, container.ports or [], f"{path}.ports")
    for index, variable in enumerate(container.env or []):
        yield from _variable(variable, f"{path}.env[{index}]")
    for index, source in enumerate(container.envFrom or []):
        given = [name for name in ("configMapRef", "secretRef") if getattr(source, name) is not None]
        yield from formats.exactly_one(f"{path}.envFrom[{index}]", given, ("configMapRef", "secretRef"))
    yield from resources(container.resources, f"{path}.resources")
    yield from _mounts(pod, container, path)
    yield from _security(container.securityContext, f"{path}.securityContext")
    yield from _probes(container, path)
    if container.lifecycle is not None:
        for name in ("postStart", "preStop"):
            hook: LifecycleHandler | None = getattr(container.lifecycle, name)
            if hook is not None:
                yield from _handler(hook, f"{path}.lifecycle.{name}", HOOK_HANDLERS)


def _restart_policy(container: AnyContainer, path: str) -> Iterator[Fault]:
    yield from formats.one_of(f"{path}.restartPolicy", container.restartPolicy, RESTART_POLICIES)
    rules = container.restartPolicyRules or []
    if rules and container.restartPolicy is None:
        yield Fault(f"{path}.restartPolicy", None, "must be given where there are restartPolicyRules")
    for index, rule in enumerate(rules):
        where = f"{path}.restartPolicyRules[{index}]"
        yield from formats.one_of(f"{where}.action", rule.action, ("Restart", "RestartAllContainers"))
        if rule.exitCodes is None:
            yield Fault(f"{where}.exitCodes", None, "must be given")
            continue
        yield from formats.one_of(f"{where}.exitCodes.operator", rule.exitCodes.operator, ("In", "NotIn"))
        if not 1 <= len(rule.exitCodes.values or []) <= 255:
            yield Fault(f"{where}.exitCodes.values", None, "must have 1 to 255 exit codes")


def _ports(pod: Pod, ports: list[ContainerPort], path: str) -> Iterator[Fault]:
    yield from formats.unique(path, "name", (port.name or object() for port in ports))
    for index, port in enumerate(ports):
        where = f"{path}[{index}]"
        yield from formats.port_number(f"{where}.containerPort", port.containerPort)
        yield from formats.one_of(f"{where}.protocol", port.protocol, ("TCP", "UDP", "SCTP"))
        if port.name:
            yield from formats.port_name(f"{where}.name", port.name)
        if port.hostIP:
            yield from formats.ip(f"{where}.hostIP", port.hostIP)
        if port.hostPort:
            yield from formats.port_number(f"{where}.hostPort", port.hostPort)
            if uses_host_network(pod) and port.hostPort != port.containerPort:
                yield Fault(f"{where}.hostPort", port.hostPort, "must equal containerPort with hostNetwork")


def _host_ports(pod: Pod) -> Iterator[Fault]:
    """Refuse two regular containers that want the same port of the host; init containers run one after another."""
    taken = set()
    for number, container in enumerate(regular_containers(pod)):
        for index, port in enumerate(container.ports or []):
            wanted = (port.hostPort, port.protocol or "TCP", port.hostIP or "0.0.0.0")
            if port.hostPort and wanted in taken:
                path = f"spec.containers[{number}].ports[{index}].hostPort"
                yield Fault(path, port.hostPort, "must be unique: another port of the pod has it already")
            taken.add(wanted)


def _variable(variable: EnvVar, path: str) -> Iterator[Fault]:
    yield from formats.required(f"{path}.name", variable.name)
    if variable.name:
        yield from formats.env_name(f"{path}.name", variable.name)
    if variable.valueFrom is not None:
        if variable.value:
            yield Fault(f"{path}.valueFrom", None, "must not be given beside value")
        yield from env_source(variable.valueFrom, f"{path}.valueFrom")


def resources(wanted: ResourceRequirements | None, path: str) -> Iterator[Fault]:
    """Yield the faults of a resource requirement: bad quantities, and requests above their limits."""
    if wanted is None:
        return
    broken: set[str] = set()
    for field in ("limits", "requests"):
        for name, text in (getattr(wanted, field) or {}).items():
            where = f"{path}.{field}[{name}]"
            faults = [*formats.qualified_name(where, name), *formats.quantity(where, text)]
            if faults:
                broken.add(name)
                yield from faults
    for name, request in (wanted.requests or {}).items():
        limit = (wanted.limits or {}).get(name)
        if limit is None or name in broken:
            continue
        asked, allowed = Quantity.parse(request), Quantity.parse(limit)
        if asked > allowed:
            yield Fault(f"{path}.requests[{name}]", request, f"must be at most the limit {limit}")
        elif asked != allowed and name not in ("cpu", "memory", "ephemeral-storage"):
            yield Fault(
                f"{path}.requests[{name}]", request, f"must equal the limit {limit}: {name} is not overcommitted"
            )


def _mounts(pod: Pod, container: AnyContainer, path: str) -> Iterator[Fault]:
    mounts = container.volumeMounts or []
    volumes = {volume.name for volume in (pod.spec.volumes if pod.spec is not None else None) or []}
    yield from formats.unique(f"{path}.volumeMounts", "mountPath", (mount.mountPath for mount in mounts))
    for index, mount in enumerate(mounts):
        where = f"{path}.volumeMounts[{index}]"
        if mount.name not in volumes:
            yield Fault(f"{where}.name", mount.name, "must be the name of one of spec.volumes")
        privileged = container.securityContext is not None and bool(container.securityContext.privileged)
        yield from _mount(mount, where, privileged=privileged)
    for index, device in enumerate(container.volumeDevices or []):
        if device.name not in volumes:
            yield Fault(f"{path}.volumeDevices[{index}].name", device.name, "must be the name of one of spec.volumes")


def _mount(mount: VolumeMount, path: str, *, privileged: bool) -> Iterator[Fault]:
    yield from formats.required(f"{path}.mountPath", mount.mountPath)
    if mount.subPath and mount.subPathExpr:
        yield Fault(f"{path}.subPathExpr", mount.subPathExpr, "must not be given beside subPath")
    for field in ("subPath", "subPathExpr"):
        yield from formats.local_path(f"{path}.{field}", getattr(mount, field) or "")
    yield from formats.one_of(f"{path}.mountPropagation", mount.mountPropagation, PROPAGATIONS)
    if mount.mountPropagation == "Bidirectional" and not privileged:
        yield Fault(
            f"{path}.mountPropagation", "Bidirectional", "must not be given to a container that is not privileged"
        )
    yield from formats.one_of(
        f"{path}.recursiveReadOnly", mount.recursiveReadOnly, ("Disabled", "IfPossible", "Enabled")
    )
    if mount.recursiveReadOnly in ("IfPossible", "Enabled") and not mount.readOnly:
        yield Fault(f"{path}.recursiveReadOnly", mount.recursiveReadOnly, "must not be given without readOnly: true")


def _security(context: SecurityContext | None, path: str) -> Iterator[Fault]:
    if context is None:
        return
    for field in ("runAsUser", "runAsGroup"):
        number: int | None = getattr(context, field)
        if number is not None and not 0 <= number <= MAX_ID:
            yield Fault(f"{path}.{field}", number, f"must be between 0 and {MAX_ID}")
    yield from formats.one_of(f"{path}.procMount", context.procMount, ("Default", "Unmasked"))
    if context.privileged and context.allowPrivilegeEscalation is False:
        yield Fault(f"{path}.allowPrivilegeEscalation", False, "must not be false for a privileged container")
    for field in ("seccompProfile", "appArmorProfile"):
        profile = getattr(context, field)
        if profile is not None:
            yield from security_profile(profile.type, profile.localhostProfile, f"{path}.{field}")


def security_profile(type_: str, localhost_profile: str | None, path: str) -> Iterator[Fault]:
    """Yield the faults of a seccomp or AppArmor profile: its kind, and a file name just where it needs one."""
    yield from formats.one_of(f"{path}.type", type_, ("RuntimeDefault", "Unconfined", "Localhost"))
    if (type_ == "Localhost") != bool(localhost_profile):
        rule = "must be given with type Localhost, and only with it"
        yield Fault(f"{path}.localhostProfile", localhost_profile or None, rule)
    yield from formats.local_path(f"{path}.localhostProfile", localhost_profile or "")


def _probes(container: AnyContainer, path: str) -> Iterator[Fault]:
    init = path.startswith("spec.initContainers")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe: Probe | None = getattr(container, name)
        if probe is None:
            continue
        if init and not is_sidecar(container):
            yield Fault(f"{path}.{name}", None, "must not be given for an init container that is not a sidecar")
        yield from _probe(probe, f"{path}.{name}", readiness=name == "readinessProbe")
    if init and not is_sidecar(container) and container.lifecycle is not None:
        yield Fault(f"{path}.lifecycle", None, "must not be given for an init container that is not a sidecar")


def _probe(probe: Probe, path: str, *, readiness: bool) -> Iterator[Fault]:
    yield from _handler(probe, path, PROBE_HANDLERS)
    for field in ("timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        yield from formats.at_least(f"{path}.{field}", getattr(probe, field), 1)
    yield from formats.at_least(f"{path}.initialDelaySeconds", probe.initialDelaySeconds, 0)
    yield from formats.at_least(f"{path}.terminationGracePeriodSeconds", probe.terminationGracePeriodSeconds, 1)
    if readiness and probe.terminationGracePeriodSeconds is not None:
        yield Fault(f"{path}.terminationGracePeriodSeconds", None, "must not be given: a readiness probe kills nothing")
    if not readiness and probe.successThreshold not in (None, 1):
        yield Fault(f"{path}.successThreshold", probe.successThreshold, "must be 1")


def _handler(handler: Probe | LifecycleHandler, path: str, allowed: tuple[str, ...]) -> Iterator[Fault]:
    yield from formats.exactly_one(path, [name for name in allowed if getattr(handler, name) is not None], allowed)
    if handler.exec is not None and not handler.exec.command:
        yield Fault(f"{path}.exec.command", None, "must be given")
    if handler.httpGet is not None:
        yield from formats.port(f"{path}.httpGet.port", handler.httpGet.port)
        yield from formats.one_of(f"{path}.httpGet.scheme", handler.httpGet.scheme, ("HTTP", "HTTPS"))
    if handler.tcpSocket is not None:
        yield from formats.port(f"{path}.tcpSocket.port", handler.tcpSocket.port)
    if isinstance(handler, Probe) and handler.grpc is not None:
        yield from formats.port_number(f"{path}.grpc.port", handler.grpc.port)
    if isinstance(handler, LifecycleHandler) and handler.sleep is not None:
        yield from formats.at_least(f"{path}.sleep.seconds", handler.sleep.seconds, 0)
