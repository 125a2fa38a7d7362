"""What a volume or an environment variable may be filled from, and which of it a static pod may not use.

Upstream: validateVolumeSource and validateEnvVarValueFrom in pkg/apis/core/validation/validation.go;
HasAPIObjectReference in pkg/api/v1/pod/util.go.
"""

import re
from collections.abc import Iterator

from lightkube.models.core_v1 import DownwardAPIVolumeFile, EnvVarSource, ObjectFieldSelector, Pod, Volume

from kubeletsim.model.errors import Fault
from kubeletsim.model.pod.identity import all_containers, spec
from kubeletsim.model.pod.validation import formats

ENV_SOURCES = ("configMapKeyRef", "fieldRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef")
HOST_PATH_TYPES = ("", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice")
RESOURCE_FIELDS = tuple(
    f"{kind}.{resource}" for kind in ("limits", "requests") for resource in ("cpu", "memory", "ephemeral-storage")
)
VOLUME_FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations")
ENV_FIELDS = (
    *VOLUME_FIELDS[:3],
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_SUBSCRIPTED = re.compile(r"(metadata\.(?:labels|annotations))\['(.+)'\]")


def volumes(pod: Pod) -> Iterator[Fault]:
    """Yield every fault of the pod's volumes."""
    listed = spec(pod).volumes or []
    yield from formats.unique("spec.volumes", "name", (volume.name for volume in listed))
    for index, volume in enumerate(listed):
        yield from _volume(volume, f"spec.volumes[{index}]")


def env_source(source: EnvVarSource, path: str) -> Iterator[Fault]:
    """Yield the faults of an environment variable's source; that a container is not there turns out later."""
    given = [name for name in ENV_SOURCES if getattr(source, name) is not None]
    yield from formats.exactly_one(path, given, ENV_SOURCES)
    if source.fieldRef is not None:
        yield from _field(source.fieldRef, f"{path}.fieldRef", ENV_FIELDS)
    if source.resourceFieldRef is not None:
        selector = source.resourceFieldRef
        yield from _resource_field(selector.resource, selector.divisor, f"{path}.resourceFieldRef")


def api_references(pod: Pod) -> Iterator[Fault]:
    """Yield what a pod refers to that only an API server could deliver: static pods may not."""
    spec_ = spec(pod)
    for field in ("serviceAccountName", "serviceAccount"):
        if getattr(spec_, field):
            yield _forbidden(f"spec.{field}", "ServiceAccounts")
    if spec_.imagePullSecrets:
        yield _forbidden("spec.imagePullSecrets", "Secrets")
    if spec_.resourceClaims:
        yield _forbidden("spec.resourceClaims", "ResourceClaims")
    for index, volume in enumerate(spec_.volumes or []):
        yield from _volume_references(volume, f"spec.volumes[{index}]")
    for container in all_containers(pod):
        path = f"container {container.name}"
        for index, source in enumerate(container.envFrom or []):
            kind = "ConfigMaps" if source.configMapRef is not None else "Secrets"
            yield _forbidden(f"{path}: envFrom[{index}]", kind)
        for variable in container.env or []:
            if variable.valueFrom is not None and variable.valueFrom.configMapKeyRef is not None:
                yield _forbidden(f"{path}: env {variable.name}", "ConfigMaps")
            if variable.valueFrom is not None and variable.valueFrom.secretKeyRef is not None:
                yield _forbidden(f"{path}: env {variable.name}", "Secrets")


def _forbidden(path: str, kind: str) -> Fault:
    return Fault(path, None, f"must not be given: static pods may not reference {kind}")


def _volume_references(volume: Volume, path: str) -> Iterator[Fault]:
    kinds = {
        "secret": "Secrets",
        "configMap": "ConfigMaps",
        "persistentVolumeClaim": "PersistentVolumeClaims",
        "ephemeral": "PersistentVolumeClaims",
    }
    for field, kind in kinds.items():
        if getattr(volume, field) is not None:
            yield _forbidden(f"{path}.{field}", kind)
    projections = {
        "secret": "Secrets",
        "configMap": "ConfigMaps",
        "serviceAccountToken": "ServiceAccounts",
        "clusterTrustBundle": "ClusterTrustBundles",
        "podCertificate": "ServiceAccounts",
    }
    for index, source in enumerate(volume.projected.sources or [] if volume.projected is not None else []):
        for field, kind in projections.items():
            if getattr(source, field) is not None:
                yield _forbidden(f"{path}.projected.sources[{index}].{field}", kind)


def _volume(volume: Volume, path: str) -> Iterator[Fault]:
    yield from formats.dns_label(f"{path}.name", volume.name)
    given = [name for name in volume.__struct_fields__ if name != "name" and getattr(volume, name) is not None]
    if len(given) > 1:
        yield Fault(path, None, f"must have one source; has {', '.join(given)}")
    if volume.hostPath is not None:
        yield from formats.required(f"{path}.hostPath.path", volume.hostPath.path)
        yield from formats.no_backsteps(f"{path}.hostPath.path", volume.hostPath.path)
        yield from formats.one_of(f"{path}.hostPath.type", volume.hostPath.type, HOST_PATH_TYPES)
    if volume.emptyDir is not None and volume.emptyDir.sizeLimit is not None:
        yield from formats.quantity(f"{path}.emptyDir.sizeLimit", volume.emptyDir.sizeLimit)
    if volume.image is not None:
        yield from formats.required(f"{path}.image.reference", volume.image.reference)
    if volume.downwardAPI is not None:
        yield from _downward_items(volume.downwardAPI.items or [], f"{path}.downwardAPI.items")
    for index, source in enumerate(volume.projected.sources or [] if volume.projected is not None else []):
        if source.downwardAPI is not None:
            where = f"{path}.projected.sources[{index}].downwardAPI.items"
            yield from _downward_items(source.downwardAPI.items or [], where)


def _downward_items(items: list[DownwardAPIVolumeFile], path: str) -> Iterator[Fault]:
    for index, item in enumerate(items):
        where = f"{path}[{index}]"
        yield from formats.required(f"{where}.path", item.path)
        yield from formats.local_path(f"{where}.path", item.path)
        kinds = ("fieldRef", "resourceFieldRef")
        yield from formats.exactly_one(where, [name for name in kinds if getattr(item, name) is not None], kinds)
        if item.fieldRef is not None:
            yield from _field(item.fieldRef, f"{where}.fieldRef", VOLUME_FIELDS)
        if item.resourceFieldRef is not None:
            selector = item.resourceFieldRef
            yield from formats.required(f"{where}.resourceFieldRef.containerName", selector.containerName)
            yield from _resource_field(selector.resource, selector.divisor, f"{where}.resourceFieldRef")


def _field(selector: ObjectFieldSelector, path: str, allowed: tuple[str, ...]) -> Iterator[Fault]:
    subscripted = _SUBSCRIPTED.fullmatch(selector.fieldPath)
    if subscripted:
        yield from formats.qualified_name(f"{path}.fieldPath", subscripted[2])
    elif selector.fieldPath not in allowed:
        listed = ", ".join(allowed)
        rule = f"must be one of {listed}, metadata.labels['key'], metadata.annotations['key']"
        yield Fault(f"{path}.fieldPath", selector.fieldPath, rule)
    yield from formats.one_of(f"{path}.apiVersion", selector.apiVersion, ("v1",))


def _resource_field(resource: str, divisor: str | None, path: str) -> Iterator[Fault]:
    if not resource.startswith(("limits.hugepages-", "requests.hugepages-")):
        yield from formats.one_of(f"{path}.resource", resource, RESOURCE_FIELDS)
    if divisor is not None:
        yield from formats.quantity(f"{path}.divisor", divisor)
