"""The ranges of user ids that pods with `hostUsers: false` run in: one each, never the same, kept over restarts.

A range is `idsPerPod` ids of the host; the first begins right after the ids below `idsPerPod`, and there are as many as
there may be pods. Which pod has which is in its directory, `pods/<uid>/userns`.

Upstream: pkg/kubelet/userns/userns_manager.go, without /etc/subuid. Differs: the lowest free range is taken, not one by
chance.
"""

import json
import logging
from collections.abc import Collection
from pathlib import Path

from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import pod_uid, spec
from kubeletsim.model.requests import IDMapping
from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.requests import RequestError

log = logging.getLogger(__name__)

IDS_PER_POD = 65_536
FILE_NAME = "userns"


class UserNamespaces:
    """Gives pods their ranges.

    Args:
        root_dir: the kubelet's; ranges noted there by an earlier run are taken.
        max_pods: how many there are.
        ids_per_pod: how long each is.
        supported: whether the runtime can.
    """

    def __init__(
        self, root_dir: Path, *, max_pods: int, ids_per_pod: int = IDS_PER_POD, supported: bool = True
    ) -> None:
        self._pods_dir = root_dir / "pods"
        self._max_pods = max_pods
        self._ids_per_pod = ids_per_pod
        self._supported = supported
        self._given = {PodUID(path.parent.name): slot for path in self._files() if (slot := self._read(path))}

    def of(self, pod: Pod) -> IDMapping | None:
        """Return a pod's range, a new one the first time; None for a pod that shares the host's users.

        Raises:
            RequestError: the runtime cannot, no range is free, or it cannot be noted.
        """
        if spec(pod).hostUsers is not False:
            return None
        if not self._supported:
            raise RequestError("can't set `spec.hostUsers: false`, runtime does not support user namespaces")
        uid = pod_uid(pod)
        slot = self._given.get(uid)
        if slot is None:
            taken = set(self._given.values())
            slot = next((one for one in range(1, self._max_pods + 1) if one not in taken), None)
            if slot is None:
                raise RequestError("could not find an empty slot to allocate a user namespace")
            self._note(uid, slot)
            self._given[uid] = slot
        return self._mapping(slot)

    def release(self, uid: PodUID) -> None:
        """Take a pod's range back, now that nothing of it runs."""
        if self._given.pop(uid, None) is not None:
            (self._pods_dir / uid / FILE_NAME).unlink(missing_ok=True)

    def keep_only(self, uids: Collection[PodUID]) -> None:
        """Take back the ranges of all pods but these."""
        for uid in self._given.keys() - set(uids):
            self.release(uid)

    def _mapping(self, slot: int) -> IDMapping:
        return IDMapping(host_id=slot * self._ids_per_pod, container_id=0, length=self._ids_per_pod)

    def _note(self, uid: PodUID, slot: int) -> None:
        mapping = self._mapping(slot)
        one = {"hostId": mapping.host_id, "containerId": 0, "length": mapping.length}
        path = self._pods_dir / uid / FILE_NAME
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"uidMappings": [one], "gidMappings": [one]}, separators=(",", ":")))
        except OSError as error:
            raise RequestError(f"cannot note the user namespace of pod {uid}: {error}") from error

    def _files(self) -> list[Path]:
        return sorted(self._pods_dir.glob(f"*/{FILE_NAME}")) if self._pods_dir.is_dir() else []

    def _read(self, path: Path) -> int | None:
        """Return the number of a range that an earlier run noted; what is no such range is logged and left out."""
        try:
            (mapping,) = json.loads(path.read_text())["uidMappings"]
            host_id, length = int(mapping["hostId"]), int(mapping["length"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            log.warning("Ignoring %s: %s", path, error)
            return None
        if length != self._ids_per_pod or host_id % length or not 0 < host_id // length <= self._max_pods:
            log.warning("Ignoring %s: %d ids from %d on are no range of this node", path, length, host_id)
            return None
        return host_id // length
