"""This module is the choice of a list call: every field of a filter that is set must agree, labels exactly.

An id may be a unique beginning; an id that matches nothing yields an empty list. Upstream: normalizeContainerFilter,
filterCRIContainers and their sandbox counterparts in internal/cri/server.
"""

from collections.abc import Iterable, Mapping

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.state.records import Container, Sandbox
from runtime_stub.state.refusals import Refusal
from runtime_stub.state.world import World


def select_sandboxes(world: World, filter_: pb.PodSandboxFilter) -> Iterable[Sandbox]:
    """Return the sandboxes that a ListPodSandbox filter lets through."""
    sandboxes: Iterable[Sandbox] = _sandbox(world, filter_.id) if filter_.id else world.sandboxes()
    if filter_.HasField("state"):
        wanted = filter_.state.state
        sandboxes = (sandbox for sandbox in sandboxes if sandbox.state.value == wanted)
    if filter_.label_selector:
        labels = dict(filter_.label_selector)
        sandboxes = (sandbox for sandbox in sandboxes if _has_labels(sandbox, labels))
    return sandboxes


def select_containers(world: World, filter_: pb.ContainerFilter) -> Iterable[Container]:
    """Return the containers that a ListContainers filter lets through."""
    containers = _containers(world, id_=filter_.id, sandbox_id=filter_.pod_sandbox_id)
    if filter_.HasField("state"):
        wanted = filter_.state.state
        containers = (container for container in containers if container.state.value == wanted)
    if filter_.label_selector:
        labels = dict(filter_.label_selector)
        containers = (container for container in containers if _has_labels(container, labels))
    return containers


def select_for_stats(world: World, filter_: pb.ContainerStatsFilter) -> Iterable[Container]:
    """Return the containers that a ListContainerStats filter lets through, running or not."""
    containers = _containers(world, id_=filter_.id, sandbox_id=filter_.pod_sandbox_id)
    labels = dict(filter_.label_selector)
    return (container for container in containers if _has_labels(container, labels))


def select_sandboxes_for_stats(world: World, filter_: pb.PodSandboxStatsFilter) -> Iterable[Sandbox]:
    """Return the sandboxes that a ListPodSandboxStats filter lets through, ready or not."""
    sandboxes = _sandbox(world, filter_.id) if filter_.id else world.sandboxes()
    labels = dict(filter_.label_selector)
    return (sandbox for sandbox in sandboxes if _has_labels(sandbox, labels))


def _sandbox(world: World, id_: str) -> list[Sandbox]:
    try:
        return [world.find_sandbox(id_)]
    except Refusal:
        return []


def _containers(world: World, *, id_: str, sandbox_id: str) -> Iterable[Container]:
    if not id_ and not sandbox_id:
        return world.containers()
    members = [one for sandbox in _sandbox(world, sandbox_id) for one in world.containers_of(sandbox.id)]
    if not id_:
        return members
    try:
        found = world.find_container(id_)
    except Refusal:
        return []
    return [found] if not sandbox_id or found in members else []


def _has_labels(record: Sandbox | Container, wanted: Mapping[str, str]) -> bool:
    # A value that is nowhere in a configuration's wire form is no label of it; so few have to be decoded.
    if not all(value.encode() in record.wire_config for value in wanted.values()):
        return False
    labels = record.config.labels if wanted else {}
    return all(labels.get(key) == value for key, value in wanted.items())
