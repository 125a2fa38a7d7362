"""The defaults that the API machinery gives a Pod while decoding it; a static pod gets them from the kubelet itself.

Only what a node looks at or shows. Applying them twice is the same as applying them once.
Upstream: pkg/apis/core/v1/defaults.go.
"""

from collections.abc import Callable

import msgspec
from lightkube.models.core_v1 import (
    ContainerPort,
    EmptyDirVolumeSource,
    EnvVar,
    HTTPGetAction,
    LifecycleHandler,
    Pod,
    PodSecurityContext,
    PodSpec,
    Probe,
    ProjectedVolumeSource,
    ResourceRequirements,
    Volume,
)

from kubeletsim.model.pod.identity import AnyContainer, all_containers, spec
from kubeletsim.model.pod.resources import is_pod_level_resource, pod_level_request

TERMINATION_GRACE_SECONDS = 30
TERMINATION_MESSAGE_PATH = "/dev/termination-log"
FILE_MODE = 0o644
TOKEN_LIFETIME_SECONDS = 3600


def set_defaults(pod: Pod) -> Pod:
    """Return a copy of the pod in which every field that has a default is filled; the given pod stays as it is."""
    filled: Pod = msgspec.convert(msgspec.to_builtins(pod), Pod)
    _default_spec(spec(filled))
    for volume in spec(filled).volumes or []:
        _default_volume(volume)
    for container in all_containers(filled):
        _default_container(container)
    if spec(filled).hostNetwork:
        _publish_ports_on_host(filled)
    _default_pod_level_requests(filled)
    return filled


def default_pull_policy(image: str) -> str:
    """Return a reference's pull policy: Always for `latest` or neither tag nor digest, else IfNotPresent."""
    name, _, digest = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    return "Always" if tag == "latest" or not (colon or digest) else "IfNotPresent"


def _default_spec(spec_: PodSpec) -> None:
    _fill(spec_, "restartPolicy", "Always")
    _fill(spec_, "dnsPolicy", "ClusterFirst")
    _fill(spec_, "schedulerName", "default-scheduler")
    if spec_.terminationGracePeriodSeconds is None:
        spec_.terminationGracePeriodSeconds = TERMINATION_GRACE_SECONDS
    if spec_.enableServiceLinks is None:
        spec_.enableServiceLinks = True
    if spec_.securityContext is None:
        spec_.securityContext = PodSecurityContext()


def _default_container(container: AnyContainer) -> None:
    _fill(container, "imagePullPolicy", default_pull_policy(container.image or ""))
    _fill(container, "terminationMessagePath", TERMINATION_MESSAGE_PATH)
    _fill(container, "terminationMessagePolicy", "File")
    if container.resources is None:
        container.resources = ResourceRequirements()
    if container.resources.limits:
        container.resources.requests = container.resources.limits | (container.resources.requests or {})
    for port in container.ports or []:
        _fill(port, "protocol", "TCP")
    for variable in container.env or []:
        _default_variable(variable)
    for probe in (container.livenessProbe, container.readinessProbe, container.startupProbe):
        if probe is not None:
            _default_probe(probe)
    if container.lifecycle is not None:
        for hook in (container.lifecycle.postStart, container.lifecycle.preStop):
            _default_http_get(hook)


def _default_variable(variable: EnvVar) -> None:
    if variable.valueFrom is not None and variable.valueFrom.fieldRef is not None:
        _fill(variable.valueFrom.fieldRef, "apiVersion", "v1")
    if variable.valueFrom is not None and variable.valueFrom.resourceFieldRef is not None:
        _fill(variable.valueFrom.resourceFieldRef, "divisor", "0")


def _default_probe(probe: Probe) -> None:
    _fill(probe, "timeoutSeconds", 1)
    _fill(probe, "periodSeconds", 10)
    _fill(probe, "successThreshold", 1)
    _fill(probe, "failureThreshold", 3)
    if probe.grpc is not None and probe.grpc.service is None:
        probe.grpc.service = ""
    _default_http_get(probe)


def _default_http_get(handler: Probe | LifecycleHandler | None) -> None:
    request: HTTPGetAction | None = handler.httpGet if handler is not None else None
    if request is not None:
        _fill(request, "path", "/")
        _fill(request, "scheme", "HTTP")


def _default_volume(volume: Volume) -> None:
    # A volume that names no source is an empty directory, from before sources were a union.
    if all(getattr(volume, name) is None for name in volume.__struct_fields__ if name != "name"):
        volume.emptyDir = EmptyDirVolumeSource()
    for source in (volume.configMap, volume.secret, volume.downwardAPI, volume.projected):
        if source is not None and source.defaultMode is None:
            source.defaultMode = FILE_MODE
    if volume.hostPath is not None and volume.hostPath.type is None:
        volume.hostPath.type = ""
    if volume.image is not None:
        _fill(volume.image, "pullPolicy", default_pull_policy(volume.image.reference or ""))
    for item in volume.downwardAPI.items or [] if volume.downwardAPI is not None else []:
        _fill(item.fieldRef, "apiVersion", "v1")
    if volume.projected is not None:
        _default_projection(volume.projected)


def _default_projection(projected: ProjectedVolumeSource) -> None:
    for source in projected.sources or []:
        _fill(source.serviceAccountToken, "expirationSeconds", TOKEN_LIFETIME_SECONDS)
        for item in source.downwardAPI.items or [] if source.downwardAPI is not None else []:
            _fill(item.fieldRef, "apiVersion", "v1")


def _publish_ports_on_host(pod: Pod) -> None:
    """Give each port the host port of the same number: with the host's network there is no other."""
    wanted: Callable[[ContainerPort], bool] = lambda port: not port.hostPort  # noqa: E731 (reads as the rule)
    for container in all_containers(pod):
        for port in filter(wanted, container.ports or []):
            port.hostPort = port.containerPort


def _default_pod_level_requests(pod: Pod) -> None:
    """Fill the pod's own requests: the sum of its containers' where they have any, else the pod's limit."""
    resources = spec(pod).resources
    if resources is None or not resources.limits:
        return
    missing = {name for name in resources.limits if is_pod_level_resource(name)} - set(resources.requests or {})
    try:
        filled = {name: pod_level_request(pod, name) or resources.limits[name] for name in sorted(missing)}
    except ValueError:
        return  # a container's quantity is none; validation comes next and names it
    if filled:
        resources.requests = (resources.requests or {}) | filled


def _fill(target: object, field: str, value: object) -> None:
    """Set a field that is missing or zero, as Go's defaulting sees it; nothing where there is no target."""
    if target is not None and not getattr(target, field):
        setattr(target, field, value)
