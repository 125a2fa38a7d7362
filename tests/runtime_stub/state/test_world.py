"""The laws of sandboxes and containers hold whatever callers do, in whatever order."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.state.names import container_name, sandbox_name
from runtime_stub.state.records import Change, Container, ContainerState, EventType, Sandbox, SandboxState
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.state.transitions import (
    CONTAINER_TRANSITIONS,
    SANDBOX_TRANSITIONS,
    ContainerAction,
    next_container_state,
)
from runtime_stub.state.world import World


def pod_config(name: str = "web", attempt: int = 0) -> pb.PodSandboxConfig:
    metadata = pb.PodSandboxMetadata(name=name, namespace="default", uid=f"uid-{name}", attempt=attempt)
    return pb.PodSandboxConfig(metadata=metadata, labels={"app": name})


def container_config(name: str = "app", attempt: int = 0) -> pb.ContainerConfig:
    return pb.ContainerConfig(metadata=pb.ContainerMetadata(name=name, attempt=attempt))


def a_container(id_: str, sandbox_id: str, config: pb.ContainerConfig, **changes: Any) -> Container:
    return Container(
        id=id_,
        sandbox_id=sandbox_id,
        wire_config=config.SerializeToString(),
        image_id="sha256:1",
        image_name="busybox",
        image_digest="busybox@sha256:2",
        created_at=1,
        wire_resources=b"",
        **changes,
    )


def world_with_sandbox(id_: str = "s1", config: pb.PodSandboxConfig | None = None) -> World:
    world, config = World(), config or pod_config()
    world.reserve_sandbox(id_, config)
    world.add_sandbox(Sandbox(id=id_, wire_config=config.SerializeToString(), created_at=1, pid=1, ips=("10.0.0.2",)))
    return world


def add_container(world: World, id_: str = "c1", config: pb.ContainerConfig | None = None) -> Change:
    config, sandbox = config or container_config(), world.find_sandbox("s1")
    world.reserve_container(id_, sandbox, config)
    return world.add_container(a_container(id_, sandbox.id, config))


def types(change: Change) -> list[tuple[EventType, str]]:
    return [(event.type, event.container_id) for event in change.events]


def test_nothing_leads_back_to_created_or_ready() -> None:
    assert ContainerState.CREATED not in CONTAINER_TRANSITIONS.values()
    assert SandboxState.READY not in SANDBOX_TRANSITIONS.values()


def test_an_exited_container_stays_exited() -> None:
    for action in ContainerAction:
        with pytest.raises(KeyError):
            next_container_state(ContainerState.EXITED, action)


def test_a_second_sandbox_of_the_same_name_is_refused_until_the_first_is_removed() -> None:
    world = world_with_sandbox()
    world.stop_sandbox("s1")

    with pytest.raises(Refusal) as refused:
        world.reserve_sandbox("s2", pod_config())
    assert refused.value.facts == {"name": "web_default_uid-web_0", "id": "s2", "holder": "s1"}

    world.remove_sandbox("s1")
    world.reserve_sandbox("s2", pod_config())


def test_a_sandbox_being_made_has_its_name_and_is_not_seen() -> None:
    world = World()
    world.reserve_sandbox("s1", pod_config())

    assert world.sandboxes() == []
    with pytest.raises(Refusal):
        world.reserve_sandbox("s2", pod_config())

    world.release_sandbox("s1")
    world.reserve_sandbox("s2", pod_config())


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda world: world.reserve_sandbox("s2", pb.PodSandboxConfig()), Reason.SANDBOX_METADATA_MISSING),
        (
            lambda world: world.reserve_container("c1", world.find_sandbox("s1"), pb.ContainerConfig()),
            Reason.CONTAINER_METADATA_MISSING,
        ),
    ],
)
def test_metadata_is_required(make: Any, reason: Reason) -> None:
    with pytest.raises(Refusal) as refused:
        make(world_with_sandbox())
    assert refused.value.reason is reason


def test_a_pods_life_is_told_in_order() -> None:
    config, world, told = pod_config(), World(), []
    world.reserve_sandbox("s1", config)
    told += types(world.add_sandbox(Sandbox(id="s1", wire_config=config.SerializeToString(), created_at=1, pid=1)))
    told += types(add_container(world))
    world.begin_start("c1")
    told += types(world.finish_start("c1", at=2, pid=2))
    told += types(world.exit_container("c1", at=3, exit_code=0))
    told += types(world.stop_sandbox("s1"))
    world.begin_removal("c1")
    told += types(world.finish_removal("c1"))
    told += types(world.remove_sandbox("s1"))

    assert told == [
        (EventType.CREATED, "s1"),
        (EventType.STARTED, "s1"),
        (EventType.CREATED, "c1"),
        (EventType.STARTED, "c1"),
        (EventType.STOPPED, "c1"),
        (EventType.STOPPED, "s1"),
        (EventType.DELETED, "c1"),
        (EventType.DELETED, "s1"),
    ]


def test_a_container_that_could_not_start_has_exited_128_without_an_event() -> None:
    world = world_with_sandbox()
    add_container(world)
    world.begin_start("c1")

    change = world.fail_start("c1", at=5, message="no such file")

    container = world.find_container("c1")
    assert (container.state, container.exit_code, container.reason) == (ContainerState.EXITED, 128, "StartError")
    assert (container.started_at, container.finished_at, container.message) == (0, 5, "no such file")
    assert change.events == ()


@pytest.mark.parametrize(("code", "reason"), [(0, "Completed"), (3, "Error"), (137, "Error")])
def test_an_exit_code_has_a_reason(code: int, reason: str) -> None:
    world = world_with_sandbox()
    add_container(world)
    world.begin_start("c1")
    world.finish_start("c1", at=1, pid=1)
    world.exit_container("c1", at=2, exit_code=code)

    assert world.find_container("c1").reason == reason


def test_a_start_and_a_removal_exclude_each_other() -> None:
    world = world_with_sandbox()
    add_container(world)

    world.begin_start("c1")
    for claim in (world.begin_start, world.begin_removal):
        with pytest.raises(Refusal):
            claim("c1")
    world.finish_start("c1", at=1, pid=1)
    world.exit_container("c1", at=2, exit_code=0)

    world.begin_removal("c1")
    with pytest.raises(Refusal) as refused:
        world.begin_removal("c1")
    assert refused.value.facts["cause"] == "container is already in removing state"
    world.cancel_removal("c1")
    world.begin_removal("c1")


def test_a_container_whose_sandbox_went_away_meanwhile_is_not_made() -> None:
    world, config = world_with_sandbox(), container_config()
    world.reserve_container("c1", world.find_sandbox("s1"), config)
    world.remove_sandbox("s1")

    with pytest.raises(Refusal) as refused:
        world.add_container(a_container("c1", "s1", config))
    assert refused.value.reason is Reason.SANDBOX_OF_CONTAINER_NOT_FOUND
    assert world.containers() == []


def test_an_update_replaces_what_it_names_and_keeps_the_rest() -> None:
    world = world_with_sandbox()
    add_container(world)
    world.update_resources("c1", pb.LinuxContainerResources(cpu_shares=512, memory_limit_in_bytes=1 << 20))
    world.update_resources("c1", pb.LinuxContainerResources(cpu_shares=256))

    resources = world.find_container("c1").resources
    assert (resources.cpu_shares, resources.memory_limit_in_bytes) == (256, 1 << 20)


class Callers(RuleBasedStateMachine):
    """Many callers at once: each rule is the beginning or the end of some call, or a process's exit."""

    pods = st.sampled_from(["a", "b"])
    attempts = st.integers(0, 1)
    sandboxes = Bundle("sandboxes")
    containers = Bundle("containers")

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.saved: dict[str, Any] = {}
        self.making: dict[str, pb.PodSandboxConfig] = {}
        self.removing: set[str] = set()
        self.starting: set[str] = set()
        self.number = 0

    def id(self, kind: str) -> str:
        self.number += 1
        return f"{kind}{self.number:04}"

    def apply(self, change: Change) -> None:
        """Keep a journal; it must always say what the world says."""
        for record in change.saved:
            self.saved[record.id] = record
        for record in change.removed:
            del self.saved[record.id]

    @rule(target=sandboxes, pod=pods, attempt=attempts)
    def begin_sandbox(self, pod: str, attempt: int) -> str:
        id_, config = self.id("s"), pod_config(pod, attempt)
        taken = {sandbox_name(one.config.metadata) for one in self.world.sandboxes()}
        taken |= {sandbox_name(one.metadata) for one in self.making.values()}
        if sandbox_name(config.metadata) in taken:
            with pytest.raises(Refusal):
                self.world.reserve_sandbox(id_, config)
        else:
            self.world.reserve_sandbox(id_, config)
            self.making[id_] = config
        return id_

    @rule(id_=sandboxes, fails=st.booleans())
    def end_sandbox(self, id_: str, fails: bool) -> None:
        config = self.making.pop(id_, None)
        if config is None:
            return
        if fails:
            self.world.release_sandbox(id_)
        else:
            self.apply(
                self.world.add_sandbox(
                    Sandbox(id=id_, wire_config=config.SerializeToString(), created_at=1, pid=1, ips=(id_,))
                )
            )

    @rule(id_=sandboxes)
    def stop_sandbox(self, id_: str) -> None:
        self.apply(self.world.stop_sandbox(id_))
        self.apply(self.world.release_network(id_))

    @rule(id_=sandboxes)
    def remove_sandbox(self, id_: str) -> None:
        if not self.world.containers_of(id_):
            self.apply(self.world.remove_sandbox(id_))

    @rule(target=containers, sandbox_id=sandboxes, attempt=attempts, fails=st.booleans())
    def create_container(self, sandbox_id: str, attempt: int, fails: bool) -> str:
        id_, config = self.id("c"), container_config("app", attempt)
        sandbox = self.world.get_sandbox(sandbox_id)
        if sandbox is None:
            return id_
        pod = sandbox.config.metadata.uid  # a name is the pod's, whichever of its sandboxes a container is in
        mates = [one.id for one in self.world.sandboxes() if one.config.metadata.uid == pod]
        taken = {one.config.metadata.attempt for mate in mates for one in self.world.containers_of(mate)}
        if attempt in taken:
            with pytest.raises(Refusal):
                self.world.reserve_container(id_, sandbox, config)
            return id_
        self.world.reserve_container(id_, sandbox, config)
        if fails:
            self.world.release_container(id_)
        else:
            self.apply(self.world.add_container(a_container(id_, sandbox.id, config)))
        return id_

    @rule(id_=containers)
    def begin_start(self, id_: str) -> None:
        container = self.world.get_container(id_)
        if container is None:
            return
        busy = id_ in self.removing or id_ in self.starting
        try:
            self.world.begin_start(id_)
            assert container.state is ContainerState.CREATED
            assert not busy
            self.starting.add(id_)
        except Refusal:
            assert container.state is not ContainerState.CREATED or busy

    @rule(id_=containers, fails=st.booleans())
    def end_start(self, id_: str, fails: bool) -> None:
        if id_ in self.starting:
            self.starting.remove(id_)
            failed = self.world.fail_start(id_, at=2, message="x") if fails else None
            self.apply(failed or self.world.finish_start(id_, at=2, pid=7))

    @rule(id_=containers, code=st.sampled_from([0, 3, 137]))
    def process_ends(self, id_: str, code: int) -> None:
        container = self.world.get_container(id_)
        if container is not None and container.state is ContainerState.RUNNING:
            self.apply(self.world.exit_container(id_, at=3, exit_code=code))

    @rule(id_=containers)
    def begin_removal(self, id_: str) -> None:
        container = self.world.get_container(id_)
        if container is None:
            return
        busy = id_ in self.removing or id_ in self.starting
        try:
            self.world.begin_removal(id_)
            assert container.state is not ContainerState.RUNNING
            assert not busy
            self.removing.add(id_)
        except Refusal:
            assert container.state is ContainerState.RUNNING or busy

    @rule(id_=containers, fails=st.booleans())
    def end_removal(self, id_: str, fails: bool) -> None:
        if id_ in self.removing:
            self.removing.remove(id_)
            if fails:
                self.world.cancel_removal(id_)
            else:
                self.apply(self.world.finish_removal(id_))

    @invariant()
    def names_are_unique(self) -> None:
        sandboxes = [sandbox_name(one.config.metadata) for one in self.world.sandboxes()]
        assert len(sandboxes) == len(set(sandboxes))
        owners = {one.id: one.config.metadata for one in self.world.sandboxes()}
        names = [container_name(one.config.metadata, owners[one.sandbox_id]) for one in self.world.containers()]
        assert len(names) == len(set(names))

    @invariant()
    def times_tell_the_state(self) -> None:
        for one in self.world.containers():
            assert (one.finished_at > 0) == (one.state is ContainerState.EXITED)
            assert (one.pid > 0) == (one.state is ContainerState.RUNNING)
            assert bool(one.reason) == (one.state is ContainerState.EXITED)

    @invariant()
    def a_stopped_sandbox_has_no_process_and_no_address(self) -> None:
        for one in self.world.sandboxes():
            assert (one.pid > 0) == (one.state is SandboxState.READY)
            assert bool(one.ips) == (one.state is SandboxState.READY)

    @invariant()
    def the_journal_says_what_the_world_says(self) -> None:
        assert self.saved == {one.id: one for one in (*self.world.sandboxes(), *self.world.containers())}

    @invariant()
    def a_world_restored_from_the_journal_is_the_same(self) -> None:
        restored = World()
        records = self.saved.values()
        restored.restore(
            [one for one in records if isinstance(one, Sandbox)], [one for one in records if isinstance(one, Container)]
        )
        assert restored.sandboxes() == self.world.sandboxes()
        assert sorted(one.id for one in restored.containers()) == sorted(one.id for one in self.world.containers())


Callers.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCallers = Callers.TestCase
