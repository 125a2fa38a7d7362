"""The garbage collector's rules, as claims that hold for any node."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.model.labels import POD_UID_LABEL
from kubeletsim.model.runtime import (
    Container,
    ContainerID,
    ContainerState,
    Image,
    ImageID,
    PodUID,
    Sandbox,
    SandboxID,
    SandboxState,
)
from kubeletsim.upkeep.gc import (
    ContainerGCPolicy,
    DiskUsage,
    ImageGCPolicy,
    ImageRecord,
    detect_images,
    eviction_order,
    images_in_use,
    plan_container_gc,
    plan_image_age_gc,
    plan_image_space_gc,
    plan_log_dir_gc,
    plan_sandbox_gc,
)
from tests.strategies import image_records, node_containers, node_sandboxes

NOW = 100.0
PODS = st.sets(st.sampled_from(["pod1", "pod2", "pod3"])).map(lambda uids: uids.__contains__)
LIMITS = st.builds(
    ContainerGCPolicy,
    min_age_seconds=st.integers(0, 100).map(float),
    max_per_pod_container=st.integers(-1, 3),
    max_containers=st.integers(-1, 10),
)


def unit(container: Container) -> tuple[str, str]:
    return container.labels[POD_UID_LABEL], container.name


def nobody(_uid: PodUID) -> bool:
    return False


def dead(number: int, *, pod: str = "pod1", name: str = "app") -> Container:
    return Container(
        id=ContainerID(f"c{number}"),
        sandbox_id=SandboxID("s"),
        name=name,
        state=ContainerState.EXITED,
        created_at=number * 1_000_000_000,
        labels={POD_UID_LABEL: pod},
    )


@given(node_containers(), LIMITS, PODS, st.booleans())
def test_container_gc_removes_only_dead_containers_that_are_old_enough_and_each_once(containers, policy, gone, ready):
    plan = plan_container_gc(containers, policy=policy, content_should_go=gone, sources_ready=ready, now=NOW)

    assert all(container.state is not ContainerState.RUNNING for container in plan)
    ages = [NOW - container.created_at / 1e9 for container in plan]
    assert all(age >= policy.min_age_seconds or age < 0 for age in ages)  # below 0: the clock was put back
    assert max(Counter(container.id for container in plan).values(), default=1) == 1


@given(node_containers(), st.integers(0, 3))
def test_container_gc_keeps_the_newest_of_each_container_of_each_pod(containers, keep):
    policy = ContainerGCPolicy(max_per_pod_container=keep)
    plan = plan_container_gc(containers, policy=policy, content_should_go=nobody, sources_ready=True, now=NOW)

    removed = {container.id for container in plan}
    units = defaultdict(list)
    for container in containers:
        if container.state is not ContainerState.RUNNING:
            units[unit(container)].append(container)
    for mine in units.values():
        newest_first = sorted(mine, key=lambda container: container.created_at, reverse=True)
        assert [container.id in removed for container in newest_first] == [
            place >= keep for place in range(len(newest_first))
        ]


@given(node_containers(), st.integers(0, 10))
def test_container_gc_never_leaves_more_dead_containers_than_the_node_may_have(containers, limit):
    policy = ContainerGCPolicy(max_per_pod_container=-1, max_containers=limit)
    plan = plan_container_gc(containers, policy=policy, content_should_go=nobody, sources_ready=True, now=NOW)

    dead_count = sum(container.state is not ContainerState.RUNNING for container in containers)
    assert dead_count - len(plan) <= limit
    if dead_count <= limit:
        assert plan == []


@given(node_containers(), PODS, st.booleans())
def test_container_gc_removes_whole_pods_only_when_every_source_has_reported(containers, gone, ready):
    policy = ContainerGCPolicy(max_per_pod_container=-1)
    plan = plan_container_gc(containers, policy=policy, content_should_go=gone, sources_ready=ready, now=NOW)

    doomed = {
        container.id
        for container in containers
        if container.state is not ContainerState.RUNNING and gone(container.labels[POD_UID_LABEL])
    }
    assert {container.id for container in plan} == (doomed if ready else set())


def test_container_gc_does_not_wait_for_a_clock_that_was_put_back():
    plan = plan_container_gc(
        [dead(200), dead(201)], policy=ContainerGCPolicy(), content_should_go=nobody, sources_ready=True, now=NOW
    )

    assert [container.id for container in plan] == ["c200"]


def test_container_gc_removes_the_oldest_of_a_container_first():
    policy = ContainerGCPolicy(max_per_pod_container=1)
    containers = [dead(3), dead(1), dead(2)]

    plan = plan_container_gc(containers, policy=policy, content_should_go=nobody, sources_ready=True, now=NOW)

    assert [container.id for container in plan] == ["c1", "c2"]


def test_container_gc_shares_the_nodes_limit_evenly_before_it_looks_at_age():
    """Two containers share a limit of four: two each, although all three of the first are older."""
    policy = ContainerGCPolicy(max_per_pod_container=-1, max_containers=4)
    containers = [dead(n, name="old") for n in (1, 2, 3)] + [dead(n, name="new") for n in (11, 12, 13)]

    plan = plan_container_gc(containers, policy=policy, content_should_go=nobody, sources_ready=True, now=NOW)

    assert [container.id for container in plan] == ["c1", "c11"]


def test_container_gc_removes_the_oldest_of_all_when_one_each_is_still_too_many():
    policy = ContainerGCPolicy(max_per_pod_container=-1, max_containers=1)
    containers = [dead(5, name="a"), dead(7, name="b"), dead(6, name="c")]

    plan = plan_container_gc(containers, policy=policy, content_should_go=nobody, sources_ready=True, now=NOW)

    assert [container.id for container in plan] == ["c5", "c6"]


@given(node_sandboxes(), node_containers(), PODS)
def test_sandbox_gc_removes_no_ready_or_occupied_sandbox_and_no_pods_newest_unless_the_pod_is_gone(
    sandboxes, containers, gone
):
    plan = plan_sandbox_gc(sandboxes, containers, content_should_go=gone)

    occupied = {container.sandbox_id for container in containers}
    newest = {}
    for sandbox in sorted(sandboxes, key=lambda sandbox: sandbox.created_at):
        newest[sandbox.uid] = sandbox.id
    for sandbox in sandboxes:
        active = sandbox.state is SandboxState.READY or sandbox.id in occupied
        kept = active or (sandbox.id == newest[sandbox.uid] and not gone(sandbox.uid))
        assert (sandbox in plan) is not kept


def test_sandbox_gc_removes_a_dead_sandbox_although_a_newer_one_lives():
    sandboxes = [
        Sandbox(
            id=SandboxID(f"s{n}"), name="p", namespace="d", uid=PodUID("p"), state=state, created_at=n * 1_000_000_000
        )
        for n, state in [(1, SandboxState.NOTREADY), (2, SandboxState.READY)]
    ]

    assert [s.id for s in plan_sandbox_gc(sandboxes, [], content_should_go=nobody)] == ["s1"]


def test_log_directories_are_judged_by_the_uid_behind_their_last_underscore():
    names = ["default_web_uid-1", "default_db_uid-2", "uid-1", "lost+found"]

    assert plan_log_dir_gc(names, content_should_go={"uid-1"}.__contains__) == ["default_web_uid-1", "uid-1"]


def image(number: int, *, size: int = 10, pinned: bool = False) -> Image:
    return Image(id=ImageID(f"sha256:{number}"), size_bytes=size, pinned=pinned)


def test_an_image_keeps_its_first_detection_and_is_forgotten_once_it_is_no_longer_listed():
    first = detect_images({}, [image(1), image(2)], in_use=set(), detected_at=0.0, now=50.0)
    second = detect_images(first, [image(2), image(3)], in_use={ImageID("sha256:2")}, detected_at=60.0, now=60.0)

    assert {record.id: (record.first_detected, record.last_used) for record in second.values()} == {
        "sha256:2": (0.0, 60.0),
        "sha256:3": (60.0, 0.0),
    }


def test_an_image_is_in_use_by_dead_containers_too_and_by_its_reference_where_the_runtime_gives_no_id():
    by_id = Container(
        id=ContainerID("a"),
        sandbox_id=SandboxID("s"),
        name="a",
        state=ContainerState.EXITED,
        image_id=ImageID("sha256:1"),
        image_ref="docker.io/library/busybox@sha256:9",
    )
    by_ref = Container(
        id=ContainerID("b"), sandbox_id=SandboxID("s"), name="b", state=ContainerState.RUNNING, image_ref="sha256:2"
    )

    assert images_in_use([by_id, by_ref]) == {"sha256:1", "sha256:2"}


def test_an_image_is_in_use_by_those_who_mount_it_whatever_name_they_call_it_by():
    images = [
        Image(id=ImageID("sha256:1"), repo_tags=("docker.io/library/data:1",)),
        Image(id=ImageID("sha256:2"), repo_digests=("docker.io/library/more@sha256:9",)),
        Image(id=ImageID("sha256:3")),
        Image(id=ImageID("sha256:4"), repo_tags=("docker.io/library/unused:1",)),
    ]
    mounted = {"docker.io/library/data:1", "docker.io/library/more@sha256:9", "sha256:3", "not-here"}

    assert images_in_use([], images, mounted=mounted) == {"sha256:1", "sha256:2", "sha256:3"}


@given(image_records(), st.sets(st.integers(1, 50)))
def test_eviction_order_leaves_out_used_and_pinned_images_and_starts_with_the_longest_unused(records, used):
    in_use = {ImageID(f"sha256:{number}") for number in used}
    order = eviction_order(records, in_use=in_use)

    assert {record.id for record in order} == {r.id for r in records.values() if not r.pinned and r.id not in in_use}
    keys = [(record.last_used, record.first_detected) for record in order]
    assert keys == sorted(keys)


@given(image_records(), st.integers(0, 500), st.integers(0, 1000), st.integers(0, 1000))
def test_image_age_gc_waits_until_the_kubelet_is_that_old_and_then_names_what_is_unused_for_longer(
    records, max_age, began_at, now
):
    policy = ImageGCPolicy(max_age_seconds=max_age)
    images = eviction_order(records, in_use=set())
    plan = plan_image_age_gc(images, policy=policy, began_at=began_at, now=now)

    if max_age == 0 or now - began_at <= max_age:
        assert plan == []
    else:
        assert plan == [image for image in images if now - image.last_used > max_age]


@given(
    image_records(),
    st.integers(1, 1000),
    st.integers(0, 1200),
    st.tuples(st.integers(0, 100), st.integers(0, 100)).filter(lambda pair: pair[0] < pair[1]),
    st.integers(0, 300),
)
def test_image_space_gc_acts_from_the_high_threshold_on_and_aims_at_the_low_one(
    records, capacity, available, thresholds, min_age
):
    low, high = thresholds
    policy = ImageGCPolicy(high_threshold_percent=high, low_threshold_percent=low, min_age_seconds=min_age)
    images = eviction_order(records, in_use=set())
    disk = DiskUsage(capacity_bytes=capacity, available_bytes=available)
    plan = plan_image_space_gc(images, disk=disk, policy=policy, now=500.0)

    free = min(available, capacity)
    if plan is None:
        assert 100 - free * 100 // capacity < high
        return
    assert plan.usage_percent >= high
    assert plan.bytes_to_free >= 0
    assert free + plan.bytes_to_free == capacity * (100 - low) // 100
    assert all(image.last_used < 500.0 and 500.0 - image.first_detected >= min_age for image in plan.candidates)
    assert [image for image in images if image in plan.candidates] == list(plan.candidates)


@pytest.mark.parametrize(
    ("high", "max_age", "enabled"), [(100, 0, False), (100, 1, True), (99, 0, True), (85, 0, True)]
)
def test_image_gc_is_off_only_at_a_hundred_percent_without_a_maximum_age(high, max_age, enabled):
    assert ImageGCPolicy(high_threshold_percent=high, max_age_seconds=max_age).enabled is enabled


def test_an_image_detected_a_moment_ago_is_spared_even_on_a_full_disk():
    fresh = ImageRecord(id=ImageID("sha256:1"), first_detected=400.0, size_bytes=10)
    disk = DiskUsage(capacity_bytes=100, available_bytes=0)

    plan = plan_image_space_gc([fresh], disk=disk, policy=ImageGCPolicy(), now=500.0)

    assert plan is not None
    assert plan.candidates == ()
    assert plan.bytes_to_free == 20
