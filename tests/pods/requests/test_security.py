"""Security contexts of containers."""

import pytest

from kubeletsim.model.pod import set_defaults
from kubeletsim.model.requests import NamespaceMode, SeccompType, SecurityProfile
from kubeletsim.model.runtime import Image, ImageID
from kubeletsim.pods.requests import NodeFacts, RequestError
from kubeletsim.pods.requests.security import MASKED_PATHS, READONLY_PATHS, container_security
from tests.fakes.pods import UID, container, make_pod

NODE = NodeFacts(name="node")
NUMBERED = Image(id=ImageID("i"), uid=101)
NAMED = Image(id=ImageID("i"), username="nginx")
SILENT = Image(id=ImageID("i"))


def security(own=None, whole=None, image=SILENT, node=NODE, **spec):
    pod = set_defaults(make_pod(container("app", securityContext=own or {}), securityContext=whole or {}, **spec))
    return container_security(pod, pod.spec.containers[0], image=image, node=node)


def test_a_container_that_says_nothing_is_confined_by_paths_only():
    made = security()

    assert (made.masked_paths, made.readonly_paths) == (MASKED_PATHS, READONLY_PATHS)
    assert made.seccomp == SecurityProfile(type=SeccompType.UNCONFINED)
    assert (made.privileged, made.no_new_privs, made.readonly_rootfs, made.apparmor) == (False, False, False, None)


@pytest.mark.parametrize(
    ("own", "whole", "image", "user", "username"),
    [
        ({"runAsUser": 7}, {"runAsUser": 8}, NUMBERED, 7, ""),
        ({}, {"runAsUser": 8}, NUMBERED, 8, ""),
        ({}, {}, NUMBERED, 101, ""),
        ({}, {}, NAMED, None, "nginx"),
        ({}, {}, SILENT, 0, ""),
        ({}, {}, None, 0, ""),
    ],
)
def test_the_user_comes_from_the_container_the_pod_or_the_image(own, whole, image, user, username):
    made = security(own, whole, image)

    assert (made.run_as_user, made.run_as_username) == (user, username)


@pytest.mark.parametrize(
    ("own", "image", "complaint"),
    [
        ({"runAsUser": 0}, NUMBERED, "container's runAsUser breaks non-root policy"),
        ({}, SILENT, "container has runAsNonRoot and image will run as root"),
        (
            {},
            NAMED,
            "container has runAsNonRoot and image has non-numeric user (nginx), cannot verify user is non-root",
        ),
    ],
)
def test_a_container_that_must_not_be_root_but_may_be_is_refused(own, image, complaint):
    with pytest.raises(RequestError) as refused:
        security(own, {"runAsNonRoot": True}, image)

    assert str(refused.value) == f'{complaint} (pod: "web_default({UID})", container: app)'


@pytest.mark.parametrize(
    ("own", "image"), [({"runAsUser": 7}, SILENT), ({}, NUMBERED), ({"runAsNonRoot": False}, SILENT)]
)
def test_a_container_that_is_not_root_or_need_not_care_is_accepted(own, image):
    security(own, {"runAsNonRoot": True}, image)


def test_capabilities_and_flags_are_passed_on():
    own = {
        "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
        "privileged": True,
        "readOnlyRootFilesystem": True,
        "runAsGroup": 5,
    }
    made = security(own)

    assert (made.add_capabilities, made.drop_capabilities) == (("NET_ADMIN",), ("ALL",))
    assert (made.privileged, made.readonly_rootfs, made.run_as_group) == (True, True, 5)


@pytest.mark.parametrize(("allowed", "no_new_privs"), [(False, True), (True, False), (None, False)])
def test_only_a_clear_no_forbids_more_privileges(allowed, no_new_privs):
    assert security({"allowPrivilegeEscalation": allowed}).no_new_privs is no_new_privs


def test_an_unmasked_proc_has_no_hidden_paths():
    made = security({"procMount": "Unmasked"}, hostNetwork=False, hostUsers=False)

    assert (made.masked_paths, made.readonly_paths) == ((), ())
    assert made.namespace_options.userns is NamespaceMode.POD


@pytest.mark.parametrize(
    ("own", "whole", "node", "expected"),
    [
        ({}, {}, NodeFacts(name="n", seccomp_default=True), SecurityProfile(type=SeccompType.RUNTIME_DEFAULT)),
        (
            {},
            {"seccompProfile": {"type": "RuntimeDefault"}},
            NODE,
            SecurityProfile(type=SeccompType.RUNTIME_DEFAULT),
        ),
        (
            {"seccompProfile": {"type": "Unconfined"}},
            {"seccompProfile": {"type": "RuntimeDefault"}},
            NODE,
            SecurityProfile(type=SeccompType.UNCONFINED),
        ),
        (
            {"seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"}},
            {},
            NODE,
            SecurityProfile(type=SeccompType.LOCALHOST, localhost_ref="/var/lib/kubelet/seccomp/a.json"),
        ),
    ],
)
def test_the_seccomp_profile_is_the_containers_the_pods_or_the_nodes(own, whole, node, expected):
    assert security(own, whole, node=node).seccomp == expected


def test_an_apparmor_profile_is_passed_on_by_name():
    made = security({"appArmorProfile": {"type": "Localhost", "localhostProfile": "mine"}})

    assert made.apparmor == SecurityProfile(type=SeccompType.LOCALHOST, localhost_ref="mine")


def test_paths_of_the_machine_are_hidden_too():
    node = NodeFacts(name="node", extra_masked_paths=("/sys/devices/system/cpu/cpu0/thermal_throttle",))

    assert security(node=node).masked_paths[-1] == "/sys/devices/system/cpu/cpu0/thermal_throttle"


def test_a_debug_container_may_look_at_its_targets_processes():
    debug = container("debug", targetContainerName="app")
    pod = set_defaults(make_pod(ephemeralContainers=[debug]))
    made = container_security(pod, pod.spec.ephemeralContainers[0], image=None, node=NODE)

    assert made.namespace_options.pid is NamespaceMode.TARGET
