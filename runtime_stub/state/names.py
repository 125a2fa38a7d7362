"""This module is the reservation of names: the reason why a retried create fails while the first one is under way.

A name belongs to an id from the moment its creation begins until it is removed, whether the creation is still running,
done, or stopped. Upstream: containerd's internal/registrar and makeSandboxName, makeContainerName.
"""

from kubeletsim.pb import cri_pb2 as pb


class NameReserved(Exception):  # becomes a Refusal where the call is known
    """The name belongs to another id."""

    def __init__(self, name: str, holder: str) -> None:
        self.name = name
        self.holder = holder
        super().__init__(name, holder)


class Names:
    """Names by id and ids by name; both directions are unique."""

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def reserve(self, name: str, id_: str) -> None:
        """Give a name to an id.

        Raises:
            NameReserved: it belongs to another one.
        """
        holder = self._holders.setdefault(name, id_)
        if holder != id_:
            raise NameReserved(name, holder)
        self._names[id_] = name

    def release(self, id_: str) -> None:
        """Free the name of an id; one without a name is left alone."""
        name = self._names.pop(id_, None)
        if name is not None:
            del self._holders[name]


def sandbox_name(metadata: pb.PodSandboxMetadata) -> str:
    """Return the name that only one sandbox may have at a time."""
    return f"{metadata.name}_{metadata.namespace}_{metadata.uid}_{metadata.attempt}"


def container_name(metadata: pb.ContainerMetadata, pod: pb.PodSandboxMetadata) -> str:
    """Return the name that only one container may have at a time."""
    return f"{metadata.name}_{pod.name}_{pod.namespace}_{pod.uid}_{metadata.attempt}"
