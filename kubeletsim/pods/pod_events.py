"""Events about a pod or one of its containers."""

from lightkube.models.core_v1 import Pod

from kubeletsim.model.events import Event, ObjectReference
from kubeletsim.model.pod import container_field_path, pod_name, pod_namespace, pod_uid


def pod_event(pod: Pod, reason: str, message: str, *, container: str = "", warning: bool = False) -> Event:
    """Return an event about the pod, or about one of its containers by name."""
    return Event(
        regarding=pod_reference(pod, container=container),
        type="Warning" if warning else "Normal",
        reason=reason,
        message=message,
    )


def pod_reference(pod: Pod, *, container: str = "") -> ObjectReference:
    """Return a reference to the pod, or to one of its containers by name (GenerateContainerRef upstream)."""
    return ObjectReference(
        kind="Pod",
        name=pod_name(pod),
        namespace=pod_namespace(pod),
        uid=pod_uid(pod),
        field_path=container_field_path(pod, container) if container else "",
    )
