"""Handlers are found by the names of their RPCs."""

import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.services.checkpoints import Checkpoints
from runtime_stub.services.containers import Containers
from runtime_stub.services.execs import Execs
from runtime_stub.services.images import ImageHandlers
from runtime_stub.services.metrics import Metrics
from runtime_stub.services.rpc import handler_name
from runtime_stub.services.sandboxes import Sandboxes
from runtime_stub.services.stats import Stats
from runtime_stub.services.status import StatusHandlers
from runtime_stub.services.streams import StreamHandlers

HANDLERS = (Sandboxes, Containers, Checkpoints, Execs, Stats, Metrics, ImageHandlers, StatusHandlers, StreamHandlers)
RPCS = [method.name for service in pb.DESCRIPTOR.services_by_name.values() for method in service.methods]


@pytest.mark.parametrize(
    ("rpc", "name"),
    [("Version", "version"), ("ImageFsInfo", "image_fs_info"), ("PodSandboxStatus", "pod_sandbox_status")],
)
def test_a_handler_is_named_after_its_rpc(rpc: str, name: str) -> None:
    assert handler_name(rpc) == name


def test_every_rpc_has_one_handler() -> None:
    owners = {rpc: [one for one in HANDLERS if hasattr(one, handler_name(rpc))] for rpc in RPCS}

    assert {rpc: found for rpc, found in owners.items() if len(found) != 1} == {}


def test_no_public_method_of_a_handler_serves_nothing() -> None:
    names = {handler_name(rpc) for rpc in RPCS}

    assert {name for one in HANDLERS for name in vars(one) if not name.startswith("_")} <= names
