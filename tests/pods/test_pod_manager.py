"""Claims about the wanted pods: the newest version of each, in order of arrival."""

from kubeletsim.model.pod import pod_uid
from kubeletsim.pods.pod_manager import PodManager
from tests.fakes.pods import container, make_pod


def test_the_newest_version_of_each_pod_is_kept_until_it_is_removed() -> None:
    manager = PodManager()
    old, new, other = make_pod(), make_pod(container("b")), make_pod(uid="other")

    for pod in (old, other, new):
        manager.set(pod)
    assert manager.pods() == [new, other]
    assert manager.get(pod_uid(old)) is new
    manager.remove(old)
    manager.remove(old)

    assert manager.pods() == [other]
    assert manager.get(pod_uid(old)) is None
