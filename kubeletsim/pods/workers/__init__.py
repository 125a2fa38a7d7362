"""The pod workers: one task for each pod UID, what is known of it, and the queue of static pods of one name."""

from kubeletsim.pods.workers.pod_workers import PodWorkers
from kubeletsim.pods.workers.seams import ObservedPods, PodSyncer
from kubeletsim.pods.workers.worker import Kill, Worker, WorkerUpdate

__all__ = ["Kill", "ObservedPods", "PodSyncer", "PodWorkers", "Worker", "WorkerUpdate"]
