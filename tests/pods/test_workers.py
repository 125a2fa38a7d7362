"""Claims about workers: one run at a time, the latest update wins, grace only shrinks, one static pod of a name."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
from lightkube.models.core_v1 import Pod, PodStatus
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_current_span
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.errors import CRIError, KubeletSimError
from kubeletsim.model.events import Event
from kubeletsim.model.pod import pod_name, pod_uid, with_metadata
from kubeletsim.model.runtime import ObservedPod, PodUID, RuntimePod
from kubeletsim.pleg.cache import PodCache
from kubeletsim.pods.failures import PodNotKilledInTime
from kubeletsim.pods.lifecycle import WorkerState, jitter_of
from kubeletsim.pods.sync import StatusFn, SyncOutcome, UpdateType
from kubeletsim.pods.work_queue import WorkQueue
from kubeletsim.pods.workers import Kill, PodWorkers
from tests.fakes.pods import UID, make_pod

pytestmark = pytest.mark.looptime
CREATE, UPDATE, SYNC, KILL = UpdateType


@dataclass
class FakeSync:
    """Says that it was called, takes its time, and fails when told."""

    seconds: float = 0.0
    failures: list[Exception] = field(default_factory=list)
    outcome: SyncOutcome = field(default_factory=SyncOutcome)
    calls: list[tuple[float, str]] = field(default_factory=list)
    graces: list[int | None] = field(default_factory=list)
    busy: int = 0
    most_busy: int = 0
    cut_short: list[bool] = field(default_factory=list)
    spans: list[bool] = field(default_factory=list)

    async def sync_pod(
        self, pod: Pod, observed: ObservedPod, *, update_type: UpdateType, going_down: Callable[[], bool]
    ) -> SyncOutcome:
        await self._do(f"{pod_name(pod)} {update_type.value}")
        self.cut_short.append(going_down())
        return self.outcome

    async def sync_terminating_pod(
        self, pod: Pod, observed: ObservedPod, *, grace_seconds: int | None, status_fn: StatusFn | None = None
    ) -> None:
        self.graces.append(grace_seconds)
        await self._do(f"{pod_name(pod)} terminating")

    async def sync_terminating_runtime_pod(self, running: RuntimePod) -> None:
        await self._do(f"{running.name} runtime")

    async def sync_terminated_pod(self, pod: Pod, observed: ObservedPod) -> None:
        await self._do(f"{pod_name(pod)} terminated")

    async def _do(self, what: str) -> None:
        self.calls.append((asyncio.get_running_loop().time(), what))
        self.spans.append(get_current_span().get_span_context().is_valid)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            await asyncio.sleep(self.seconds)
            if self.failures:
                raise self.failures.pop(0)
        finally:
            self.busy -= 1

    def names(self) -> list[str]:
        return [what for _, what in self.calls]


class NotedQueue(WorkQueue):
    """A work queue that remembers every delay it was given."""

    def __init__(self, *, clock: LoopClock) -> None:
        super().__init__(clock=clock)
        self.delays: dict[PodUID, list[float]] = {}

    def enqueue(self, uid: PodUID, *, delay_seconds: float) -> None:
        self.delays.setdefault(uid, []).append(delay_seconds)
        super().enqueue(uid, delay_seconds=delay_seconds)


class Bench:
    """Workers on a fake sync and a real cache that is made newer each second."""

    def __init__(self, *, seed: str = "0") -> None:
        self.clock = LoopClock()
        self.sync = FakeSync()
        self.cache = PodCache(self.clock)
        self.queue = NotedQueue(clock=self.clock)
        self.events: list[Event] = []
        self.relists: list[PodUID] = []
        self.registry = CollectorRegistry()
        self.workers = PodWorkers(
            self.sync,
            observed=self.cache,
            queue=self.queue,
            sync_frequency_seconds=60,
            request_relist=self.relists.append,
            clock=self.clock,
            jitter=partial(jitter_of, seed=seed, node_name="vm"),
            record=self.events.append,
            registry=self.registry,
        )

    async def relist(self) -> None:
        """Make the cache newer at 0, and at a half past each second."""
        await asyncio.sleep(0)  # the fixture's time is the system's; simulated time begins with the test
        self.cache.update_time(self.cache.stamp())
        await asyncio.sleep(0.5)
        while True:
            self.cache.update_time(self.cache.stamp())
            await asyncio.sleep(1)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    tasks = [asyncio.create_task(made.workers.run()), asyncio.create_task(made.relist())]
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert asyncio.all_tasks() == {asyncio.current_task()}


POD = make_pod(source="api")


def another(name: str, uid: str, *, source: str = "file") -> Pod:
    return make_pod(name=name, uid=uid, source=source)


async def test_updates_of_a_busy_pod_become_one_and_the_latest_wins(bench: Bench) -> None:
    bench.sync.seconds = 1
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(0.5)
    for update_type in (SYNC, UPDATE, SYNC, UPDATE):
        bench.workers.update_pod(update_type, pod=POD)

    await asyncio.sleep(10)

    assert bench.sync.names() == ["web create", "web update"]


async def test_updates_before_the_worker_begins_become_one(bench: Bench) -> None:
    bench.workers.update_pod(CREATE, pod=POD)
    bench.workers.update_pod(SYNC, pod=POD)

    await asyncio.sleep(5)

    assert bench.sync.names() == ["web sync"]


async def test_pods_do_not_wait_for_each_other(bench: Bench) -> None:
    bench.sync.seconds = 5
    for number in range(20):
        bench.workers.update_pod(CREATE, pod=another(f"p{number}", f"uid{number}"))

    await asyncio.sleep(5.1)

    assert bench.sync.most_busy == 20
    assert bench.sync.busy == 0


async def test_a_run_waits_until_the_cache_is_newer_than_the_last_one(bench: Bench) -> None:
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(0.1)
    bench.workers.update_pod(SYNC, pod=POD)

    await asyncio.sleep(2)

    assert bench.sync.calls == [(0, "web create"), (0.5, "web sync")]


async def test_a_pods_own_reading_is_as_good_as_a_relist(bench: Bench) -> None:
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(0.1)
    bench.workers.update_pod(SYNC, pod=POD)
    await asyncio.sleep(0.1)

    bench.cache.set(PodUID(UID), ObservedPod(uid=PodUID(UID)), stamp=bench.cache.stamp())
    await asyncio.sleep(0.1)

    assert bench.sync.names() == ["web create", "web sync"]


async def test_only_a_sync_that_did_something_asks_for_a_relist(bench: Bench) -> None:
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(2)
    assert bench.relists == []

    bench.sync.outcome = SyncOutcome(acted=True)
    bench.workers.update_pod(SYNC, pod=POD)
    await asyncio.sleep(2)

    assert bench.relists == [UID]


async def test_a_kill_stops_the_pod_and_then_cleans_up_after_the_next_relist(bench: Bench) -> None:
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(2)

    bench.workers.update_pod(KILL, pod=POD)
    await asyncio.sleep(5)

    assert bench.sync.calls[1:] == [(2, "web terminating"), (2.5, "web terminated")]
    assert bench.sync.graces == [2]
    bench.workers.update_pod(SYNC, pod=POD)
    await asyncio.sleep(5)
    assert len(bench.sync.calls) == 3  # what has finished is not touched again


async def test_a_kill_lets_a_running_sync_end_but_tells_it(bench: Bench) -> None:
    bench.sync.seconds = 3
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(1)

    bench.workers.update_pod(KILL, pod=POD)
    await asyncio.sleep(20)

    assert bench.sync.names() == ["web create", "web terminating", "web terminated"]
    assert bench.sync.cut_short == [True]
    assert bench.sync.most_busy == 1


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(
            with_metadata(POD, deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=7), id="deleted"
        ),
        pytest.param(Pod(metadata=POD.metadata, spec=POD.spec, status=PodStatus(phase="Failed")), id="failed"),
    ],
)
async def test_a_pod_that_says_it_is_to_end_ends(bench: Bench, pod: Pod) -> None:
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(2)

    bench.workers.update_pod(UPDATE, pod=pod)
    await asyncio.sleep(5)

    assert bench.sync.names() == ["web create", "web terminating", "web terminated"]


async def test_a_pod_whose_work_is_done_ends_by_itself(bench: Bench) -> None:
    bench.sync.outcome = SyncOutcome(terminal=True)

    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(5)

    assert bench.sync.names() == ["web create", "web terminating", "web terminated"]
    assert bench.sync.graces == [None]


async def test_a_second_kill_may_only_shorten_the_grace(bench: Bench) -> None:
    pod = make_pod(source="api", terminationGracePeriodSeconds=30)
    bench.workers.update_pod(CREATE, pod=pod)
    await asyncio.sleep(2)
    bench.sync.seconds = 2
    bench.sync.failures = [KubeletSimError("no")] * 3

    for grace in (20, 5, 10):
        bench.workers.update_pod(KILL, pod=pod, kill=Kill(grace_seconds=grace))
        await asyncio.sleep(4)

    assert bench.sync.graces == [20, 5, 5]


async def test_a_failed_end_is_tried_again_until_it_succeeds(bench: Bench) -> None:
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(2)
    bench.sync.failures = [KubeletSimError("no")]
    bench.workers.update_pod(KILL, pod=POD)
    await asyncio.sleep(2)

    bench.workers.sync_known_pods([])  # housekeeping; the pod has left the configuration
    await asyncio.sleep(5)

    assert bench.sync.names() == ["web create", "web terminating", "web terminating", "web terminated"]


@pytest.mark.parametrize(
    ("failure", "least", "most"),
    [(None, 60, 90), (KubeletSimError("no"), 10, 15), (RuntimeError("a bug"), 10, 15), (CRIError("no"), 10, 15)],
    ids=["success", "error", "bug", "runtime"],
)
async def test_a_pod_comes_back_when_its_time_has_come(
    bench: Bench, failure: Exception | None, least: float, most: float
) -> None:
    bench.sync.failures = [failure] if failure else []
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(0)
    started = bench.clock.monotonic()

    while not bench.queue.take_due():  # noqa: ASYNC110  the sync loop polls it the same way
        await asyncio.sleep(1)

    assert least <= bench.clock.monotonic() - started <= most + 1


async def test_a_pod_whose_state_cannot_be_read_is_not_synced_and_that_is_told(bench: Bench) -> None:
    bench.cache.set(PodUID(UID), ObservedPod(uid=PodUID(UID)), stamp=bench.cache.stamp(), error=CRIError("broken"))

    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(2)

    assert bench.sync.calls == []
    assert [(event.reason, event.message) for event in bench.events] == [
        ("FailedSync", "error determining status: rpc error: code = Unknown desc = broken")
    ]


async def test_workers_run_in_an_empty_context_whoever_wakes_them(bench: Bench) -> None:
    with TracerProvider(shutdown_on_exit=False).get_tracer("test").start_as_current_span("outer"):
        bench.workers.update_pod(CREATE, pod=POD)
        await asyncio.sleep(2)

    assert bench.sync.spans == [False]


# Static pods of one name.


async def test_the_new_version_of_a_static_pod_begins_when_the_old_one_has_finished(bench: Bench) -> None:
    old, new = another("web", "old"), another("web", "new")
    bench.workers.update_pod(CREATE, pod=old)
    await asyncio.sleep(2)

    bench.workers.update_pod(KILL, pod=old)
    bench.workers.update_pod(CREATE, pod=new)
    await asyncio.sleep(5)
    assert bench.sync.names() == ["web create", "web terminating", "web terminated"]

    assert PodUID("new") not in bench.queue.take_due()
    await asyncio.sleep(15)
    assert PodUID("new") in bench.queue.take_due()
    bench.workers.update_pod(SYNC, pod=new)
    await asyncio.sleep(1)

    assert bench.sync.names()[3:] == ["web sync"]


async def test_static_pods_of_one_name_begin_in_the_order_they_came(bench: Bench) -> None:
    pods = [another("web", f"uid{number}") for number in range(3)]
    for pod in pods:
        bench.workers.update_pod(CREATE, pod=pod)
    await asyncio.sleep(2)
    bench.workers.update_pod(KILL, pod=pods[0])
    await asyncio.sleep(3)

    bench.workers.update_pod(SYNC, pod=pods[2])
    bench.workers.update_pod(SYNC, pod=pods[1])
    await asyncio.sleep(3)

    begun = [uid for uid, worker in bench.workers.sync_known_pods(pods).items() if worker.started]
    assert begun == ["uid0", "uid1"]


async def test_a_static_pod_that_goes_before_its_turn_never_begins_and_holds_nobody_up(bench: Bench) -> None:
    first, second, third = (another("web", uid) for uid in ("a", "b", "c"))
    for pod in (first, second, third):
        bench.workers.update_pod(CREATE, pod=pod)
    await asyncio.sleep(1)
    bench.workers.update_pod(KILL, pod=second)
    bench.workers.update_pod(KILL, pod=first)
    await asyncio.sleep(5)

    bench.workers.update_pod(SYNC, pod=third)
    await asyncio.sleep(2)

    assert bench.sync.names() == ["web create", "web terminating", "web terminated", "web sync"]


async def test_the_same_pod_added_again_while_it_ends_begins_anew_once_it_is_forgotten(bench: Bench) -> None:
    pod = another("web", "same")
    bench.workers.update_pod(CREATE, pod=pod)
    await asyncio.sleep(2)
    bench.workers.update_pod(KILL, pod=pod)
    bench.workers.update_pod(CREATE, pod=pod)
    assert PodUID("same") in bench.workers.sync_known_pods([pod])
    await asyncio.sleep(5)

    assert bench.workers.sync_known_pods([pod]) == {}
    bench.workers.update_pod(CREATE, pod=pod)
    await asyncio.sleep(2)

    assert bench.sync.names() == ["web create", "web terminating", "web terminated", "web create"]


# Pods that nobody wants.


async def test_a_pod_that_left_the_configuration_is_driven_to_its_end_and_forgotten(bench: Bench) -> None:
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(2)

    (worker,) = bench.workers.sync_known_pods([]).values()
    await asyncio.sleep(5)

    assert worker.state is WorkerState.FINISHED
    assert bench.sync.names() == ["web create", "web terminating", "web terminated"]
    assert bench.workers.sync_known_pods([]) == {}


async def test_a_pod_only_the_runtime_knows_is_killed_once_and_finished(bench: Bench) -> None:
    runtime_pod = RuntimePod(uid=PodUID("lost"), name="lost", namespace="default")

    bench.workers.update_pod(KILL, running_pod=runtime_pod, kill=Kill(grace_seconds=1))
    await asyncio.sleep(3)

    assert bench.sync.names() == ["lost runtime"]
    assert bench.workers.sync_known_pods([]) == {}


async def test_a_pod_only_the_runtime_knows_is_tried_again_by_housekeeping(bench: Bench) -> None:
    bench.sync.failures = [KubeletSimError("no")]
    runtime_pod = RuntimePod(uid=PodUID("lost"), name="lost", namespace="default")
    bench.workers.update_pod(KILL, running_pod=runtime_pod)
    await asyncio.sleep(1)

    bench.workers.sync_known_pods([])
    await asyncio.sleep(1)

    assert bench.sync.names() == ["lost runtime", "lost runtime"]


async def test_a_pod_without_a_spec_can_only_be_killed(bench: Bench) -> None:
    with pytest.raises(ValueError, match="can only be killed"):
        bench.workers.update_pod(SYNC, running_pod=RuntimePod(uid=PodUID("x"), name="x", namespace="default"))


async def test_content_goes_when_a_pod_was_deleted_and_has_stopped_or_is_unknown(bench: Bench) -> None:
    uid = pod_uid(POD)
    assert not bench.workers.should_content_be_removed(uid)  # nobody has said yet which pods there are
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(1)
    bench.workers.sync_known_pods([POD])
    assert not bench.workers.should_content_be_removed(uid)

    bench.workers.update_pod(KILL, pod=POD)
    bench.workers.sync_known_pods([])
    assert not bench.workers.should_content_be_removed(uid)
    await asyncio.sleep(5)
    assert bench.workers.should_content_be_removed(uid)
    bench.workers.sync_known_pods([])

    assert bench.workers.should_content_be_removed(uid)


# Kills that are waited for.


async def test_a_kill_that_is_waited_for_returns_when_nothing_runs(bench: Bench) -> None:
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(2)
    bench.sync.seconds = 4

    await bench.workers.kill_pod(POD, Kill(evict=True, grace_seconds=1))

    assert bench.clock.monotonic() == pytest.approx(6)
    assert bench.workers.should_content_be_removed(pod_uid(POD))


async def test_a_kill_that_takes_too_long_is_told_and_raised(bench: Bench) -> None:
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(2)
    bench.sync.seconds = 100

    with pytest.raises(PodNotKilledInTime):
        await bench.workers.kill_pod(POD, Kill(grace_seconds=1))

    assert bench.clock.monotonic() == pytest.approx(12)
    assert [event.reason for event in bench.events] == ["ExceededGracePeriod"]


async def test_a_worker_tells_its_story(bench: Bench) -> None:
    bench.workers.update_pod(CREATE, pod=POD)
    await asyncio.sleep(1)
    bench.workers.update_pod(KILL, pod=POD)
    await asyncio.sleep(3)

    assert bench.workers.story(pod_uid(POD)) == [
        "SYNCING run by create: done",
        "KILL: SYNCING -> TERMINATING",
        "STOPPED: TERMINATING -> TERMINATED",
        "TERMINATING run by kill: done",
        "CLEANED: TERMINATED -> FINISHED",
        "TERMINATED run by kill: done",
    ]
    assert bench.workers.story(PodUID("unknown")) == []
    names = ("create", "kill", "terminated")
    counts = [
        bench.registry.get_sample_value("kubelet_pod_worker_duration_seconds_count", {"operation_type": name})
        for name in names
    ]
    assert counts == [1, 1, 1]


async def delays(*pods: Pod, seed: str = "0") -> dict[PodUID, list[float]]:
    """Return after how many seconds each pod was due again, for three syncs."""
    bench = Bench(seed=seed)
    tasks = [asyncio.create_task(bench.workers.run()), asyncio.create_task(bench.relist())]
    for _ in range(3):
        for pod in pods:
            bench.workers.update_pod(SYNC, pod=pod)
        await asyncio.sleep(2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return bench.queue.delays


async def test_a_pods_jitter_is_the_same_in_each_run_whatever_other_pods_there_are() -> None:
    one, two = another("one", "1", source="api"), another("two", "2", source="api")
    alone, together, elsewhere = await delays(one), await delays(two, one), await delays(one, seed="1")

    assert alone[PodUID("1")] == together[PodUID("1")]
    assert len({*alone[PodUID("1")], *together[PodUID("2")], *elsewhere[PodUID("1")]}) == 9
