"""Our values and CRI's messages say the same, judged by a second converter that works by reflection."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubeletsim.clients.cri_convert import answers, requests, usage
from kubeletsim.model import requests as rq
from kubeletsim.model import runtime as rt
from kubeletsim.model import stats as us
from kubeletsim.pb import cri_pb2 as pb
from tests.fakes.cri_wire import TABLE, decode, encode, fields_without_a_model, strategy

OUT: dict[type, Callable[[Any], Message]] = {
    rq.SandboxConfig: requests.sandbox_config,
    rq.ContainerConfig: requests.container_config,
    rq.ImageSpec: requests.image_spec,
    rq.AuthConfig: requests.auth_config,
    rq.LinuxResources: requests.linux_resources,
}
IN: dict[type, Callable[[Any], Any]] = {
    rt.RuntimeVersion: answers.runtime_version,
    rt.RuntimeStatus: answers.runtime_status,
    rt.Sandbox: answers.sandbox,
    rt.Container: answers.container,
    rt.Image: answers.image,
    rt.ImageFsInfo: answers.image_fs_info,
    rt.ExecResult: answers.exec_result,
    us.ContainerStats: usage.container_stats,
    us.SandboxStats: usage.sandbox_stats,
    us.MetricDescriptor: usage.metric_descriptor,
    us.SandboxMetrics: usage.sandbox_metrics,
}
LEFT_OUT = {
    rq.SandboxSecurityContext: {"seccomp_profile_path"},
    rq.ContainerSecurityContext: {"seccomp_profile_path", "apparmor_profile"},
    rq.SandboxConfig: {"windows"},
    rq.ContainerConfig: {"windows"},
    rt.SandboxStatus: {"network", "linux"},
    rt.Image: {"spec"},
    us.SandboxStats: {"windows"},
}
"""Fields without a counterpart: deprecated, Windows', unused by a kubelet, or told apart in another way."""

WIDE = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)


@pytest.mark.parametrize("model", OUT, ids=lambda model: model.__name__)
@WIDE
@given(data=st.data())
def test_a_request_survives_the_way_out(model: type, data: st.DataObject) -> None:
    value = data.draw(strategy(model))
    sent = OUT[model](value)
    arrived = type(sent).FromString(sent.SerializeToString())
    if model is rq.ContainerConfig:
        value = decode(model, encode(value))  # image_id is for the caller's own use
    assert decode(model, arrived) == value


@pytest.mark.parametrize("model", IN, ids=lambda model: model.__name__)
@WIDE
@given(data=st.data())
def test_an_answer_survives_the_way_in(model: type, data: st.DataObject) -> None:
    value = data.draw(strategy(model))
    sent = encode(value)
    assert IN[model](type(sent).FromString(sent.SerializeToString())) == value


@WIDE
@given(strategy(rt.SandboxStatus))
def test_a_sandbox_status_survives_with_the_info_beside_it(value: rt.SandboxStatus) -> None:
    assert answers.sandbox_status(encode(value), info=value.info) == value


@WIDE
@given(strategy(rt.ContainerStatus))
def test_a_container_status_survives_with_the_info_beside_it(value: rt.ContainerStatus) -> None:
    assert answers.container_status(encode(value), info=value.info) == value


@pytest.mark.parametrize("model", TABLE, ids=lambda model: model.__name__)
def test_the_model_leaves_out_only_what_is_named(model: type) -> None:
    assert fields_without_a_model(model) == LEFT_OUT.get(model, set())


def test_a_sandbox_without_a_network_part_is_told_from_one_without_addresses() -> None:
    assert not answers.sandbox_status(pb.PodSandboxStatus()).has_network
    status = answers.sandbox_status(pb.PodSandboxStatus(network=pb.PodSandboxNetworkStatus()))
    assert status.has_network
    assert status.ips == ()


def test_states_that_a_newer_runtime_invents_are_read_carefully() -> None:
    sandbox = pb.PodSandbox.FromString(pb.PodSandbox(state=7).SerializeToString())  # type: ignore[arg-type]
    container = pb.Container(state=7)  # type: ignore[arg-type]
    event = pb.ContainerEventResponse(container_event_type=9)  # type: ignore[arg-type]
    assert answers.sandbox(sandbox).state is rt.SandboxState.NOTREADY
    assert answers.container(container).state is rt.ContainerState.UNKNOWN
    assert answers.container_event(event) is None


def test_an_event_carries_the_pods_statuses_when_it_has_them() -> None:
    event = pb.ContainerEventResponse(
        container_id="c",
        container_event_type=pb.CONTAINER_STOPPED_EVENT,
        created_at=5,
        pod_sandbox_status=pb.PodSandboxStatus(id="s"),
        containers_statuses=[pb.ContainerStatus(id="c")],
    )
    read = answers.container_event(event)
    assert read is not None
    assert (read.type, read.created_at) == (rt.ContainerEventType.STOPPED, 5)
    assert read.sandbox is not None
    assert (read.sandbox.id, [status.id for status in read.containers]) == ("s", ["c"])
    deleted = answers.container_event(pb.ContainerEventResponse(container_id="c"))
    assert deleted is not None
    assert deleted.sandbox is None


@pytest.mark.parametrize(
    ("answer", "driver"),
    [
        (pb.RuntimeConfigResponse(), None),
        (pb.RuntimeConfigResponse(linux=pb.LinuxRuntimeConfiguration()), rt.CgroupDriver.SYSTEMD),
        (
            pb.RuntimeConfigResponse(linux=pb.LinuxRuntimeConfiguration(cgroup_driver=pb.CGROUPFS)),
            rt.CgroupDriver.CGROUPFS,
        ),
    ],
    ids=["no linux part", "systemd", "cgroupfs"],
)
def test_the_cgroup_driver_is_told_from_no_answer(
    answer: pb.RuntimeConfigResponse, driver: rt.CgroupDriver | None
) -> None:
    assert answers.cgroup_driver(answer) is driver


def test_an_empty_filter_is_absent() -> None:
    assert requests.sandbox_filter(sandbox_id=None, state=None, labels={}) is None
    assert requests.container_filter(container_id=None, state=None, sandbox_id=None, labels={}) is None
    assert requests.container_stats_filter(container_id=None, sandbox_id=None, labels={}) is None
    assert requests.sandbox_stats_filter(sandbox_id=None, labels={}) is None
    assert requests.image_filter(None) is None


def test_a_filter_asks_for_a_state_whose_number_is_zero() -> None:
    ready = requests.sandbox_filter(sandbox_id=None, state=rt.SandboxState.READY, labels={})
    assert ready is not None
    assert ready.HasField("state")
    created = requests.container_filter(
        container_id=None, state=rt.ContainerState.CREATED, sandbox_id="s", labels={"a": "b"}
    )
    assert created == pb.ContainerFilter(state=pb.ContainerStateValue(), pod_sandbox_id="s", label_selector={"a": "b"})
