"""Claims about events: they point at the pod, or at one of its containers as upstream writes it."""

from kubeletsim.pods.pod_events import pod_event
from tests.fakes.pods import UID, container, make_pod

POD = make_pod(container("app"), init=[container("init")])


def test_an_event_about_a_pod_names_it() -> None:
    event = pod_event(POD, "Killing", "text")

    assert (event.type, event.reason, event.message) == ("Normal", "Killing", "text")
    about = event.regarding
    assert (about.kind, about.namespace, about.name, about.uid, about.field_path) == ("Pod", "default", "web", UID, "")


def test_an_event_about_a_container_points_into_the_spec() -> None:
    event = pod_event(POD, "Failed", "text", container="init", warning=True)

    assert (event.type, event.regarding.field_path) == ("Warning", "spec.initContainers{init}")
