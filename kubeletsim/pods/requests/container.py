"""The request for one container.

Upstream: generateContainerConfig in pkg/kubelet/kuberuntime/kuberuntime_container.go, labels.go beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
from lightkube.models.core_v1 import ContainerPort, LifecycleHandler, Pod

from kubeletsim.base.go_json import go_json
from kubeletsim.model.labels import (
    CONTAINER_HASH_ANNOTATION,
    CONTAINER_NAME_LABEL,
    DELETION_GRACE_ANNOTATION,
    PORTS_ANNOTATION,
    PRE_STOP_ANNOTATION,
    RESTART_COUNT_ANNOTATION,
    TERMINATION_GRACE_ANNOTATION,
    TERMINATION_MESSAGE_PATH_ANNOTATION,
    TERMINATION_MESSAGE_POLICY_ANNOTATION,
)
from kubeletsim.model.pod import AnyContainer, container_hash, metadata, spec
from kubeletsim.model.requests import ContainerConfig, IDMapping, ImageSpec
from kubeletsim.model.runtime import Image
from kubeletsim.pods.requests.environment import environment, expand
from kubeletsim.pods.requests.limits import container_resources
from kubeletsim.pods.requests.mounts import container_mounts
from kubeletsim.pods.requests.node import (
    NodeFacts,
    container_log_path,
    pod_identity_labels,
)
from kubeletsim.pods.requests.security import container_security


def container_config(
    pod: Pod,
    container: AnyContainer,
    *,
    restart_count: int,
    image_ref: str,
    image: Image | None,
    pod_ips: Sequence[str],
    node: NodeFacts,
    termination_log_id: str,
    image_volumes: Mapping[str, ImageSpec] | None = None,
    userns: IDMapping | None = None,
) -> ContainerConfig:
    """Return a container's configuration.

    Args:
        pod: the pod, with defaults.
        container: one of its containers, of any kind.
        restart_count: how many instances of it there were before.
        image_ref: the id ImageStatus gave, or the reference PullImage gave.
        image: what ImageStatus says of the image, for its user; None where nobody asked.
        pod_ips: the sandbox's addresses, primary first; empty on the host's network.
        node: the facts of this node.
        termination_log_id: the name of this instance's termination log, eight hexadecimal digits.
        image_volumes: by volume name, how the images of image volumes are to be named.
        userns: the range of user ids given to a pod with hostUsers false.

    Raises:
        RequestError: the container cannot be configured; its waiting reason is CreateContainerConfigError.
    """
    envs = environment(pod, container, pod_ips=pod_ips, node=node)
    values = dict(envs)
    mappings = (userns,) if userns is not None else ()
    mounts = container_mounts(
        pod,
        container,
        envs=values,
        pod_ips=pod_ips,
        node=node,
        termination_log_id=termination_log_id,
        image_volumes=image_volumes or {},
    )
    return ContainerConfig(
        name=container.name,
        attempt=restart_count,
        image=ImageSpec(image=image_ref, user_specified_image=container.image or ""),
        command=tuple(expand(part, values) for part in container.command or []),
        args=tuple(expand(part, values) for part in container.args or []),
        working_dir=container.workingDir or "",
        envs=envs,
        mounts=tuple(replace(mount, uid_mappings=mappings, gid_mappings=mappings) for mount in mounts),
        labels={**pod_identity_labels(pod), CONTAINER_NAME_LABEL: container.name},
        annotations=container_annotations(pod, container, restart_count=restart_count),
        log_path=container_log_path(container.name, restart_count=restart_count),
        stdin=bool(container.stdin),
        stdin_once=bool(container.stdinOnce),
        tty=bool(container.tty),
        resources=container_resources(pod, container, node=node),
        security_context=container_security(pod, container, image=image, node=node, userns=userns),
    )


def container_annotations(pod: Pod, container: AnyContainer, *, restart_count: int) -> dict[str, str]:
    """Return what the kubelet must find again on a container even when its pod is gone."""
    texts = {
        CONTAINER_HASH_ANNOTATION: container_hash(container),
        RESTART_COUNT_ANNOTATION: str(restart_count),
        TERMINATION_MESSAGE_PATH_ANNOTATION: container.terminationMessagePath or "",
        TERMINATION_MESSAGE_POLICY_ANNOTATION: container.terminationMessagePolicy or "",
    }
    deletion, termination = metadata(pod).deletionGracePeriodSeconds, spec(pod).terminationGracePeriodSeconds
    if deletion is not None:
        texts[DELETION_GRACE_ANNOTATION] = str(deletion)
    if termination is not None:
        texts[TERMINATION_GRACE_ANNOTATION] = str(termination)
    if container.lifecycle is not None and container.lifecycle.preStop is not None:
        texts[PRE_STOP_ANNOTATION] = _handler_json(container.lifecycle.preStop)
    if container.ports:
        texts[PORTS_ANNOTATION] = go_json([_port_json(port) for port in container.ports])
    return texts


def _handler_json(handler: LifecycleHandler) -> str:
    """Return a hook in the order of Go's encoder."""
    fields: dict[str, object] = msgspec.to_builtins(handler)
    if handler.httpGet is not None:
        get: dict[str, object] = msgspec.to_builtins(handler.httpGet)
        order = ("path", "port", "host", "scheme", "httpHeaders")
        fields["httpGet"] = {name: get[name] for name in order if name in get}
    return go_json(fields)


def _port_json(port: ContainerPort) -> dict[str, object]:
    """Return a port in the order and with the omissions of Go's encoder."""
    fields = {
        "name": port.name,
        "hostPort": port.hostPort,
        "containerPort": port.containerPort,
        "protocol": port.protocol,
        "hostIP": port.hostIP,
    }
    return {name: value for name, value in fields.items() if value or name == "containerPort"}
