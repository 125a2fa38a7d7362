"""The queue of static pods of one full name: one at a time, in the order they came.

An edited manifest is a pod with the same name and another UID; the new one may begin only when nothing of the old one
is left, or two of them would fight for the same ports, volumes and log directories.
Upstream: allowStaticPodStart in pkg/kubelet/pod_workers.go.
"""

from kubeletsim.pods.workers.worker import Worker


class StaticPods:
    """Who has the name, and who waits for it."""

    def __init__(self) -> None:
        self._holders: dict[str, Worker] = {}
        self._waiting: dict[str, list[Worker]] = {}

    def queue(self, worker: Worker) -> None:
        """Line up a worker that has just come."""
        self._waiting.setdefault(worker.full_name, []).append(worker)

    def may_start(self, worker: Worker) -> bool:
        """Tell whether it is the worker's turn; then the name is its own until it is released."""
        name = worker.full_name
        if name in self._holders:
            return self._holders[name] is worker
        waiting = [one for one in self._waiting.get(name, []) if not one.is_going_down]
        if waiting and waiting[0] is not worker:
            self._waiting[name] = waiting
            return False
        self._holders[name] = worker
        self._set_waiting(name, waiting[1:])
        return True

    def release(self, worker: Worker) -> None:
        """Let the next of the name have its turn; nothing happens when another has the name."""
        name = worker.full_name
        if self._holders.get(name) is worker:
            del self._holders[name]
        self._set_waiting(name, [one for one in self._waiting.get(name, []) if one is not worker])

    def _set_waiting(self, name: str, waiting: list[Worker]) -> None:
        if waiting:
            self._waiting[name] = waiting
        else:
            self._waiting.pop(name, None)
