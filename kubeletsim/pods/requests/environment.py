"""A container's environment, and the expansion of `$(NAME)` in it, in commands and in paths.

There are no service variables: a node without an API server knows no services.
Upstream: makeEnvironmentVariables in pkg/kubelet/kubelet_pods.go, third_party/forked/golang/expansion.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from lightkube.models.core_v1 import EnvVarSource, ObjectFieldSelector, Pod, ResourceFieldSelector

from kubeletsim.model.errors import go_quote
from kubeletsim.model.pod import (
    AnyContainer,
    annotations,
    find_container,
    labels,
    pod_name,
    pod_namespace,
    pod_uid,
    spec,
)
from kubeletsim.model.pod.resources import container_amounts
from kubeletsim.model.quantity import Quantity
from kubeletsim.pods.requests.node import NodeFacts, RequestError

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[^)]*)\))")


def environment(
    pod: Pod, container: AnyContainer, *, pod_ips: Sequence[str], node: NodeFacts
) -> tuple[tuple[str, str], ...]:
    """Return the container's variables in the spec's order; of two with one name the runtime uses the later.

    Raises:
        RequestError: a value comes from a ConfigMap or Secret, which only an API server could deliver.
    """
    for source in container.envFrom or []:
        if source.configMapRef is not None:
            _refuse(pod, "configMap", source.configMapRef.name)
        if source.secretRef is not None:
            _refuse(pod, "secret", source.secretRef.name)
    known: dict[str, str] = {}
    listed = []
    for variable in container.env or []:
        value: str | None = variable.value or ""
        if variable.value:
            value = expand(variable.value, known)
        elif variable.valueFrom is not None:
            value = _value_from(pod, container, variable.valueFrom, pod_ips=pod_ips, node=node)
        if value is not None:
            known[variable.name] = value
            listed.append((variable.name, value))
    return tuple(listed)


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace each `$(NAME)` that has a value; one without stays as it is, and `$$` is a plain `$`."""

    def replacement(match: re.Match[str]) -> str:
        name = match["name"]
        return "$" if name is None else values.get(name, match[0])

    return _REFERENCE.sub(replacement, text)


def expand_strictly(text: str, values: Mapping[str, str]) -> str:
    """Replace each `$(NAME)`, as in a subPathExpr (ExpandContainerVolumeMounts upstream).

    Raises:
        RequestError: a variable has no value, or an empty one.
    """
    names: Iterable[str | None] = (match["name"] for match in _REFERENCE.finditer(text))
    missing = sorted({name for name in names if name is not None and not values.get(name)})
    if missing:
        raise RequestError(f"missing value for {', '.join(missing)}")
    return expand(text, values)


def field_value(pod: Pod, selector: ObjectFieldSelector, *, pod_ips: Sequence[str], node: NodeFacts) -> str:
    """Return what a fieldRef of the downward API stands for.

    Raises:
        RequestError: the path is none the downward API knows.
    """
    path = selector.fieldPath
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return (labels(pod) if subscript[1] == "labels" else annotations(pod)).get(subscript[2], "")
    values = {
        "metadata.name": pod_name(pod),
        "metadata.namespace": pod_namespace(pod),
        "metadata.uid": pod_uid(pod),
        "metadata.labels": _map_text(labels(pod)),
        "metadata.annotations": _map_text(annotations(pod)),
        "spec.nodeName": spec(pod).nodeName or node.name,
        "spec.serviceAccountName": spec(pod).serviceAccountName or "",
        "status.hostIP": next(iter(node.host_ips), ""),
        "status.hostIPs": ",".join(node.host_ips),
        "status.podIP": next(iter(pod_ips), ""),
        "status.podIPs": ",".join(pod_ips),
    }
    if path not in values:
        raise RequestError(f"unsupported fieldPath: {path}")
    return values[path]


def resource_value(pod: Pod, container: AnyContainer, selector: ResourceFieldSelector, *, node: NodeFacts) -> str:
    """Return what a resourceFieldRef stands for: the amount in units of the divisor, rounded up.

    A limit that is not set is the node's capacity; a request that is not set is 0.

    Raises:
        RequestError: it asks about a container the pod does not have.
    """
    name = selector.containerName or container.name
    asked = container if name == container.name else find_container(pod, name)
    if asked is None:
        raise RequestError(f"container {name} not found")
    kind, _, resource = selector.resource.partition(".")
    amount = container_amounts(asked, "limits" if kind == "limits" else "requests").get(resource, Quantity())
    if not amount and kind == "limits":
        amount = _capacity(resource, node=node)
    divisor = Quantity.parse(selector.divisor or "0") or Quantity.of(1)
    return str(-(-amount.nanos // divisor.nanos))


def _value_from(
    pod: Pod, container: AnyContainer, source: EnvVarSource, *, pod_ips: Sequence[str], node: NodeFacts
) -> str | None:
    """Return a variable's value; None for an optional one that cannot be had."""
    if source.fieldRef is not None:
        return field_value(pod, source.fieldRef, pod_ips=pod_ips, node=node)
    if source.resourceFieldRef is not None:
        return resource_value(pod, container, source.resourceFieldRef, node=node)
    if source.configMapKeyRef is not None:
        _refuse(pod, "configMap", source.configMapKeyRef.name)
    if source.secretKeyRef is not None:
        _refuse(pod, "secret", source.secretKeyRef.name)
    if source.fileKeyRef is not None and not source.fileKeyRef.optional:
        # The file is written by an emulated container, so it never has the key.
        raise RequestError(f"environment variable key {go_quote(source.fileKeyRef.key)} not found in file")
    return None


def _refuse(pod: Pod, kind: str, name: str | None) -> None:
    # Optional or not: whether it exists is what nobody can say.
    raise RequestError(f"couldn't get {kind} {pod_namespace(pod)}/{name or ''}, no kubeClient defined")


def _capacity(resource: str, *, node: NodeFacts) -> Quantity:
    """Return the node's amount of a resource."""
    capacities = {
        "cpu": Quantity.parse(f"{node.cpu_capacity_milli}m"),
        "memory": Quantity.of(node.memory_capacity_bytes),
        "ephemeral-storage": Quantity.of(node.ephemeral_storage_capacity_bytes),
    }
    return capacities.get(resource, Quantity())


def _map_text(entries: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={go_quote(entries[key])}" for key in sorted(entries))
