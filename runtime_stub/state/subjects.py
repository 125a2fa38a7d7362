"""This module is what a request is about, in words that are the same in each run: pods and containers, not their ids.

Rules select by it, and chance is drawn by it.
"""

from collections.abc import Mapping

from google.protobuf.message import Message

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.rules.subject import EVENTS_RPC, Subject
from runtime_stub.state.records import Container, Event, Sandbox
from runtime_stub.state.references import InvalidReference, parse_reference
from runtime_stub.state.refusals import Refusal
from runtime_stub.state.world import World


def pod_key(config: pb.PodSandboxConfig) -> str:
    """Return what a pod's sandbox is called in each run: its uid may depend on where its manifest lies."""
    metadata = config.metadata
    return f"{metadata.namespace}/{metadata.name}/{metadata.attempt}"


def container_key(world: World, container: Container) -> str:
    """Return what a container is called in each run."""
    sandbox = world.get_sandbox(container.sandbox_id)
    pod = pod_key(sandbox.config) if sandbox is not None else ""
    return f"{pod}/{container.config.metadata.name}/{container.config.metadata.attempt}"


def subject_of(rpc: str, request: Message, world: World) -> Subject:
    """Return what a call is about, as far as the request or the state knows."""
    fields = request.DESCRIPTOR.fields_by_name
    if "container_id" in fields:
        return _of_container(rpc, _container(world, request.container_id))  # type: ignore[attr-defined]
    if "pod_sandbox_id" in fields:
        sandbox = _sandbox(world, request.pod_sandbox_id)  # type: ignore[attr-defined]
        config = getattr(request, "config", None)
        if sandbox is not None and isinstance(config, pb.ContainerConfig):
            return _new_container(rpc, sandbox, config)
        return _of_sandbox(rpc, sandbox.config if sandbox is not None else None, id_=sandbox.id if sandbox else "")
    if isinstance(request, pb.RunPodSandboxRequest):
        return _of_sandbox(rpc, request.config)
    if isinstance(request, pb.PullImageRequest):
        return _of_sandbox(rpc, request.sandbox_config, images=image_names(request.image.image))
    if "image" in fields:
        return Subject(rpc=rpc, images=image_names(request.image.image))  # type: ignore[attr-defined]
    return Subject(rpc=rpc)


def event_subject(event: Event, world: World) -> Subject:
    """Return what a container event is about."""
    container = world.get_container(event.container_id)
    name = container.config.metadata.name if container is not None else ""
    return _of_sandbox(EVENTS_RPC, event.sandbox.config, id_=event.container_id, container=name, event=event.type.name)


def image_names(text: str) -> tuple[str, ...]:
    """Return every name by which a rule may mean an image: as asked for, in full, without registry."""
    try:
        reference = parse_reference(text)
    except InvalidReference:
        return (text,) if text else ()
    short = f"{reference.path}:{reference.tag}" if reference.tag else reference.path
    return tuple(dict.fromkeys((text, str(reference), short)))


def _of_sandbox(
    rpc: str,
    config: pb.PodSandboxConfig | None,
    *,
    id_: str = "",
    images: tuple[str, ...] = (),
    container: str = "",
    event: str = "",
    more_labels: Mapping[str, str] | None = None,
) -> Subject:
    if config is None:
        return Subject(rpc=rpc, images=images)
    return Subject(
        rpc=rpc,
        pod=config.metadata.name,
        namespace=config.metadata.namespace,
        labels={**config.labels, **(more_labels or {})},
        container=container,
        images=images,
        event=event,
        id=id_,
    )


def _new_container(rpc: str, sandbox: Sandbox, config: pb.ContainerConfig) -> Subject:
    return _of_sandbox(
        rpc,
        sandbox.config,
        images=image_names(config.image.image),
        container=config.metadata.name,
        more_labels=config.labels,
    )


def _of_container(rpc: str, found: tuple[Container, Sandbox | None] | None) -> Subject:
    if found is None:
        return Subject(rpc=rpc)
    container, sandbox = found
    return _of_sandbox(
        rpc,
        sandbox.config if sandbox is not None else None,
        id_=container.id,
        images=tuple(dict.fromkeys((*image_names(container.config.image.image), *image_names(container.image_name)))),
        container=container.config.metadata.name,
        more_labels=container.config.labels,
    )


def _container(world: World, id_: str) -> tuple[Container, Sandbox | None] | None:
    try:
        container = world.find_container(id_)
    except Refusal:
        return None
    return container, world.get_sandbox(container.sandbox_id)


def _sandbox(world: World, id_: str) -> Sandbox | None:
    try:
        return world.find_sandbox(id_)
    except Refusal:
        return None
