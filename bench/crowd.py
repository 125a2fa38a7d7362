"""A full node: 110 pods, how soon they run, what they cost, and whether the kubelet's loops keep their periods.

The periods are read as a user would read them: the PLEG's from its metric, the others from the spans of the window in
which nothing happens. `syncFrequency` is the recordings' 10 s; the default of a minute costs less.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families

from bench.figure import Figure
from bench.node import cpu_seconds, idle, quick_lab, start_pods
from tests.lab import Lab, Span

PODS = 110
SETTLE_SECONDS = 10
WINDOW_SECONDS = 40
NOTHING = ""
"""The parent of a root span."""


def figures() -> Iterator[Figure]:
    """Measure a node with as many pods as a node has."""
    with quick_lab() as lab:
        lab.start_collector()
        kubelet = lab.start_kubelet(env={"OTEL_BSP_SCHEDULE_DELAY": "5000"})
        time.sleep(2)
        before = cpu_seconds(kubelet)
        took = start_pods(lab, count=PODS)
        used = cpu_seconds(kubelet) - before
        yield Figure(f"{PODS} pods dropped at once, all running", took, "s", limit="<= 10")
        yield Figure("the kubelet's processor time for that, each pod", 1000 * used / PODS, "ms")
        time.sleep(SETTLE_SECONDS)
        relists, relist_seconds = _relists(lab)
        begin = time.time()
        cpu, memory = idle(kubelet, seconds=WINDOW_SECONDS)
        end = time.time()
        more_relists, more_seconds = _relists(lab)
        yield Figure(f"idle processor time, {PODS} pods", cpu, "% of a core", limit="<= 5")
        yield Figure(f"resident memory, {PODS} pods", memory, "MB", limit="<= 110")
        relists, relist_seconds = more_relists - relists, more_seconds - relist_seconds
        yield Figure("from relist to relist, mean", relist_seconds / relists, "s", "due 1 s after the last's end", 1.0)
        kubelet.stop()  # the last spans are flushed
        spans = [span for span in lab.spans() if begin <= span.start / 1e9 < end and span.service == "kubelet"]
    yield from _span_periods(spans, relists=relists, window_seconds=end - begin)


def _relists(lab: Lab) -> tuple[float, float]:
    """Return how many intervals between relists there were so far, and their sum in seconds."""
    text = lab.get(lab.read_only_port, "/metrics")
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    values = {sample.name: sample.value for sample in samples if not sample.labels}
    name = "kubelet_pleg_relist_interval_seconds"
    return values[f"{name}_count"], values[f"{name}_sum"]


def _span_periods(spans: list[Span], *, relists: float, window_seconds: float) -> Iterator[Figure]:
    """Measure housekeeping and pod syncs.

    Housekeeping has no span of its own. Of the root ListPodSandbox calls of an idle node all are the PLEG's but its own
    and the eviction manager's, and each of the latter stands beside an ImageFsInfo.
    """
    roots = [span.name.rpartition("/")[2] for span in spans if span.parent_id == NOTHING]
    turns = roots.count("ListPodSandbox") - roots.count("ImageFsInfo") - relists
    yield Figure("from housekeeping to housekeeping, mean", window_seconds / turns, "s", "due each 2 s", 2.0)
    starts: dict[str, list[float]] = defaultdict(list)
    for span in spans:
        if span.name == "syncPod":
            starts[span.attributes["k8s.pod.uid"]].append(span.start / 1e9)
    gaps = [later - earlier for times in starts.values() for earlier, later in pairwise(sorted(times))]
    yield Figure("from sync to sync of a pod, mean", sum(gaps) / len(gaps), "s", "syncFrequency 10 s, x 1 to 1.5", 12.5)
    yield Figure("from sync to sync of a pod, longest", max(gaps), "s", "15 s, and a tick of 1 s", 16.0)
