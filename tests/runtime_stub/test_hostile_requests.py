"""No request brings the stub down or its state into disorder: every RPC, any field, any value, in any order."""

import re
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.settings import PROFILE_NAMES, Settings
from tests.runtime_stub.conftest import IMAGE, Client, connected

METHODS = [one for service in pb.DESCRIPTOR.services_by_name.values() for one in service.methods]
STREAMS = {one.name for one in METHODS if one.server_streaming}
ENDLESS = {"GetContainerEvents"}
GIVEN_UP_AFTER_SECONDS = {"GetContainerEvents": 0.05, "ExecSync": 5}
"""These may have no end of their own; the others only look like it on a machine that is busy."""
WORDS = (
    "",
    "0",
    "web",
    "app",
    IMAGE,
    "nginx",
    "registry.invalid/x",
    "true",
    "sh",
    "/",
    "../..",
    "..",
    "\0",
    "\n",
    "%s{}",
)
IDS = ("<pod>", "<pod 2>", "<container>", "<pod, short>")
"""Stand for ids that are known when the request is sent."""
INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
QUIET = {"host_port": [0], "timeout": [-1, 0, 1], "host_path": [""], "log_directory": [""], "location": ["", "x"]}
"""Fields whose values would otherwise wait for long, or reach out of the test to ports and files of this machine."""


AS_RECORDED = (
    "an error occurred when try to find container",
    "failed to reserve sandbox name",
    "failed to reserve container name",
    "ImageVolumeMountFailed: config.mounts: ",
)
"""What names its subject in containerd's words, or has to begin with a word that kubelets look for."""
ELSEWHERE = (
    "failed to pull and unpack image",
    "failed to exec in container",
    "failed to create containerd task",
    "failed to start container",
    "unable to pull image",
    "command error",
    "kubelet may be retrying",
)
"""What goes wrong without the caller's doing."""

Fields = Mapping[str, Any]
"""A message before it is one: values by field, ids still to be filled in."""


def texts() -> st.SearchStrategy[str]:
    any_text = st.text(max_size=20) | st.text("x\u00fc", min_size=5000, max_size=5000)
    return st.sampled_from([*WORDS, *IDS]) | any_text


def messages(descriptor: Descriptor, *, depth: int = 4) -> st.SearchStrategy[Fields]:
    """Return any messages of a type; texts are often ids of what exists."""
    fields = [one for one in descriptor.fields if depth or one.message_type is None]
    return st.fixed_dictionaries({}, optional={one.name: values(one, depth) for one in fields})


def values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        keys, items = (field.message_type.fields_by_name[one] for one in ("key", "value"))
        return st.dictionaries(single(keys, depth), single(items, depth), max_size=2)
    return st.lists(single(field, depth), max_size=3) if field.is_repeated else single(field, depth)


def single(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.name in QUIET:
        return st.sampled_from(QUIET[field.name])
    if field.message_type is not None:
        return messages(field.message_type, depth=depth - 1)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return st.integers(-1, 5)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return texts() if field.type == FieldDescriptor.TYPE_STRING else st.binary(max_size=20)
    return st.integers(*INTEGERS[field.cpp_type])


def built(descriptor: Descriptor, fields: Fields, ids: Mapping[str, str]) -> Any:
    """Return the message."""
    message = GetMessageClass(descriptor)()
    for name, value in fields.items():
        field, place = descriptor.fields_by_name[name], getattr(message, name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            fill_map(place, field, value, ids)
        elif field.is_repeated and field.message_type is not None:
            place.extend(built(field.message_type, item, ids) for item in value)
        elif field.is_repeated:
            place.extend(known(item, ids) for item in value)
        elif field.message_type is not None:
            place.CopyFrom(built(field.message_type, value, ids))
        else:
            setattr(message, name, known(value, ids))
    return message


def fill_map(place: Any, field: FieldDescriptor, value: Mapping[Any, Any], ids: Mapping[str, str]) -> None:
    of_messages = field.message_type.fields_by_name["value"].message_type
    for key, item in value.items():
        if of_messages is None:
            place[known(key, ids)] = known(item, ids)
        else:
            place[known(key, ids)].CopyFrom(built(of_messages, item, ids))


def known(value: Any, ids: Mapping[str, str]) -> Any:
    return ids.get(value, value) if isinstance(value, str) else value


async def outcome(client: Client, rpc: str, request: Message) -> tuple[grpc.StatusCode, str]:
    service = client.images if hasattr(client.images, rpc) else client.runtime
    call = getattr(service, rpc)(request, timeout=GIVEN_UP_AFTER_SECONDS.get(rpc, 60))
    try:
        if rpc in STREAMS:
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or ""
    return grpc.StatusCode.OK, ""


async def check_order(client: Client) -> None:
    """Look whether lists and statuses agree with each other."""
    sandboxes = (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items
    containers = (await client.runtime.ListContainers(pb.ListContainersRequest())).containers
    assert {one.pod_sandbox_id for one in containers} <= {one.id for one in sandboxes}
    for container in containers:
        status = await client.status(container.id)
        assert status.id == container.id
        assert (status.started_at > 0) >= (status.state == pb.CONTAINER_RUNNING)
    for sandbox in sandboxes:
        request = pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox.id, verbose=True)
        assert (await client.runtime.PodSandboxStatus(request)).status.state == sandbox.state


def check_refusal(code: grpc.StatusCode, text: str, *, fields: Collection[str]) -> None:
    """Look whether a refusal says whose fault it is, and of what field."""
    if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION):
        if not text.startswith(AS_RECORDED):
            assert re.match(r"\w+", text)[0] in {*fields, "log_path"}, text  # type: ignore[index]
    else:
        # What a registry or a shim says is theirs to word.
        assert code is not grpc.StatusCode.UNKNOWN or text.startswith(ELSEWHERE), text


async def listed(client: Client) -> tuple[object, object, object]:
    sandboxes = (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items
    containers = (await client.runtime.ListContainers(pb.ListContainersRequest())).containers
    images = (await client.images.ListImages(pb.ListImagesRequest())).images
    return (
        [one.SerializeToString(deterministic=True) for one in sandboxes],
        [(one.id, one.created_at) for one in containers],
        sorted(one.id for one in images),
    )


async def ids_of(client: Client) -> dict[str, str]:
    """Make two pods and a container, and return their ids."""
    await client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image=IMAGE)))
    first, second = [await client.run_sandbox(client.pod(name)) for name in ("a", "b")]
    container = client.container("sleep", "1000")
    container.log_path = ""
    running = await client.create(first, container)
    await client.start(running)
    return dict(zip(IDS, (first, second, running, first[:8]), strict=True))


@pytest.mark.parametrize("method", METHODS, ids=lambda one: one.name)
@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_request_breaks_the_stub(settings: Settings, data: st.DataObject, method: Any) -> None:
    fields, profile = data.draw(messages(method.input_type)), data.draw(st.sampled_from(PROFILE_NAMES))
    async with connected(replace(settings, root_dir="", profile=profile)) as client:
        ids = await ids_of(client)

        code, text = await outcome(client, method.name, built(method.input_type, fields, ids))

        assert code is not grpc.StatusCode.DEADLINE_EXCEEDED or method.name in (*ENDLESS, "ExecSync"), text
        assert "Unexpected" not in text
        check_refusal(code, text, fields=method.input_type.fields_by_name)
        await check_order(client)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(method=st.sampled_from([one for one in METHODS if one.name not in ENDLESS]), content=st.binary(max_size=200))
async def test_no_bytes_break_the_stub(client: Client, method: Any, content: bytes) -> None:
    request = GetMessageClass(method.input_type)()
    try:
        request.ParseFromString(content)
    except DecodeError:  # not a message at all; gRPC would not let it through
        return
    if "location" in method.input_type.fields_by_name:
        request.ClearField("location")

    code, text = await outcome(client, method.name, request)

    assert code is not grpc.StatusCode.DEADLINE_EXCEEDED
    assert "Unexpected" not in text


@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    requests=st.lists(
        st.sampled_from([one for one in METHODS if one.name not in STREAMS]).flatmap(
            lambda method: st.tuples(st.just(method), messages(method.input_type))
        ),
        min_size=4,
        max_size=12,
    )
)
async def test_after_any_requests_a_restart_finds_the_same_state(settings: Settings, requests: list[Any]) -> None:
    with tempfile.TemporaryDirectory(prefix="rs-") as root:
        settings = replace(settings, root_dir=root, preloaded_images=())  # those are back after each start
        async with connected(settings) as client:
            ids = await ids_of(client)
            for method, fields in requests:
                await outcome(client, method.name, built(method.input_type, fields, ids))
            before = await listed(client)

        async with connected(settings) as client:
            assert await listed(client) == before
            await check_order(client)
