"""Claims about ranges of user ids: each pod has its own, as long as it is there, over restarts of the kubelet."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.model.errors import SyncError
from kubeletsim.model.pod import pod_uid
from kubeletsim.model.requests import IDMapping, NamespaceMode
from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.requests import RequestError
from kubeletsim.pods.user_namespaces import UserNamespaces
from tests.fakes.pods import UID, make_pod
from tests.pods.node import Node

FIRST = IDMapping(host_id=65_536, container_id=0, length=65_536)


def own(uid: str = UID):
    return make_pod(uid=uid, hostUsers=False, hostNetwork=False)


def test_only_pods_that_want_one_have_a_range(tmp_path: Path) -> None:
    ranges = UserNamespaces(tmp_path, max_pods=2)

    assert ranges.of(make_pod()) is None
    assert ranges.of(make_pod(hostUsers=True)) is None
    assert ranges.of(own()) == FIRST
    assert ranges.of(own()) == FIRST


def test_a_range_is_noted_and_known_to_the_next_kubelet(tmp_path: Path) -> None:
    UserNamespaces(tmp_path, max_pods=2).of(own())

    one = {"hostId": 65_536, "containerId": 0, "length": 65_536}
    noted = json.loads((tmp_path / "pods" / UID / "userns").read_text())
    assert noted == {"uidMappings": [one], "gidMappings": [one]}

    after_restart = UserNamespaces(tmp_path, max_pods=2)
    assert after_restart.of(own("other")).host_id == 2 * 65_536
    assert after_restart.of(own()) == FIRST


@pytest.mark.parametrize("text", ["", "{}", '{"uidMappings": [{"hostId": 7, "containerId": 0, "length": 65536}]}'])
def test_a_damaged_note_is_none(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "pods" / "a").mkdir(parents=True)
    (tmp_path / "pods" / "a" / "userns").write_text(text)

    assert UserNamespaces(tmp_path, max_pods=2).of(own()) == FIRST
    assert "userns" in caplog.text


def test_what_cannot_be_had_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="runtime does not support user namespaces"):
        UserNamespaces(tmp_path, max_pods=2, supported=False).of(own())

    ranges = UserNamespaces(tmp_path, max_pods=1)
    ranges.of(own())
    with pytest.raises(RequestError, match="could not find an empty slot"):
        ranges.of(own("other"))
    ranges.keep_only([PodUID("other")])
    assert ranges.of(own("other")) == FIRST


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=20))
def test_no_two_pods_share_a_range(tmp_path_factory, steps) -> None:
    ranges = UserNamespaces(tmp_path_factory.mktemp("kubelet"), max_pods=4)
    given_: dict[str, int] = {}

    for uid, stays in steps:
        if stays:
            mapping = ranges.of(own(uid))
            assert mapping is not None
            assert given_.setdefault(uid, mapping.host_id) == mapping.host_id
        else:
            ranges.release(PodUID(uid))
            given_.pop(uid, None)
        assert len(set(given_.values())) == len(given_)


@pytest.mark.looptime
async def test_sandbox_containers_and_mounts_have_the_pods_range_until_it_has_ended(node: Node) -> None:
    pod = own()
    await node.sync_once(pod)

    by_rpc = {call.rpc: call.args for call in node.runtime.calls}
    sandbox = by_rpc["RunPodSandbox"]["config"].linux.security_context.namespace_options
    config = by_rpc["CreateContainer"]["config"]
    inside = config.security_context.namespace_options
    for options in (sandbox, inside):
        assert (options.userns, options.userns_uids, options.userns_gids) == (NamespaceMode.POD, (FIRST,), (FIRST,))
    assert {(mount.uid_mappings, mount.gid_mappings) for mount in config.mounts} == {((FIRST,), (FIRST,))}

    await node.terminate_once(pod)
    await node.sync.sync_terminated_pod(pod, await node.observe(pod_uid(pod)))
    assert node.user_namespaces.of(own("other")) == FIRST


@pytest.mark.looptime
async def test_a_pod_whose_range_cannot_be_had_gets_no_sandbox(node: Node) -> None:
    node.user_namespaces._supported = False

    with pytest.raises(SyncError, match="does not support user namespaces"):
        await node.sync_once(own())

    assert node.reasons()[-1] == "FailedCreatePodSandBox"
    assert "RunPodSandbox" not in node.runtime.names()
