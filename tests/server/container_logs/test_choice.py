"""Claims about the instance of a container whose logs are shown."""

import pytest
from lightkube.models.core_v1 import PodStatus

from kubeletsim.server.container_logs.choice import NoLogs, choose_instance, runtime_id

RUNNING = {"running": {}}
WAITING = {"waiting": {"reason": "CrashLoopBackOff"}}


def ended(id_=""):
    return {"terminated": {"exitCode": 1, "containerID": id_}}


def status(state, last=None, *, list_="containerStatuses", id_="containerd://now"):
    shown = {"name": "app", "containerID": id_, "state": state, "lastState": last or {}}
    return PodStatus.from_dict({list_: [{**shown, "image": "", "imageID": "", "ready": True, "restartCount": 0}]})


def choose(given, *, previous=False):
    return choose_instance(given, pod="web", container="app", previous=previous)


@pytest.mark.parametrize(
    ("given", "previous", "chosen"),
    [
        (status(RUNNING, ended("c://old")), False, "containerd://now"),
        (status(RUNNING, ended("c://old")), True, "c://old"),
        (status(RUNNING, list_="initContainerStatuses"), False, "containerd://now"),
        (status(RUNNING, list_="ephemeralContainerStatuses"), False, "containerd://now"),
        (status(ended("c://it"), ended("c://old")), False, "c://it"),
        (status(ended(), ended("c://old")), False, "c://old"),
        (status(WAITING, ended("c://old")), False, "c://old"),
    ],
)
def test_the_newest_instance_with_logs_is_chosen(given, previous, chosen):
    assert choose(given, previous=previous) == chosen


@pytest.mark.parametrize(
    ("given", "previous", "text"),
    [
        (None, False, 'container "app" in pod "web" is not available'),
        (PodStatus(), False, 'container "app" in pod "web" is not available'),
        (status(RUNNING), True, 'previous terminated container "app" in pod "web" not found'),
        (status(RUNNING, ended()), True, 'previous terminated container "app" in pod "web" not found'),
        (status(ended()), False, 'container "app" in pod "web" is terminated'),
        (status(WAITING, ended()), False, 'container "app" in pod "web" is terminated'),
        (status(WAITING), False, 'container "app" in pod "web" is waiting to start: CrashLoopBackOff'),
        (
            status({"waiting": {"reason": "ErrImagePull"}}),
            False,
            'container "app" in pod "web" is waiting to start: image can\'t be pulled',
        ),
        (
            status({"waiting": {"reason": "ImagePullBackOff"}}),
            False,
            'container "app" in pod "web" is waiting to start: trying and failing to pull image',
        ),
        (status({}), False, 'container "app" in pod "web" is waiting to start - no logs yet'),
    ],
)
def test_where_there_are_no_logs_the_text_says_why(given, previous, text):
    with pytest.raises(NoLogs) as caught:
        choose(given, previous=previous)

    assert str(caught.value) == text


def test_the_runtimes_name_is_cut_off():
    assert runtime_id("containerd://abc") == "abc"
