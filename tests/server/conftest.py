"""The fixtures of tests/server/lab.py."""

from collections.abc import AsyncIterator, Iterator

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from kubeletsim.base.timing import SystemClock
from tests.fakes.runtime import FakeRuntime
from tests.runtime_stub.conftest import directory, settings
from tests.server.lab import Authority, Host, Pair, Telemetry
from tests.server.stub_lab import Lab, stub_lab

__all__ = ["directory", "settings"]


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "test-ca")


@pytest.fixture(scope="session")
def serving(authority) -> Pair:
    return authority.issue("node-1", usage=ExtendedKeyUsageOID.SERVER_AUTH, stem="serving")


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    yield telemetry
    telemetry.close()


@pytest.fixture
def host(telemetry, serving, tmp_path) -> Host:
    cri = FakeRuntime(clock=SystemClock(), tracer=telemetry.tracer("cri"))
    return Host(telemetry=telemetry, cri=cri, serving=serving, directory=tmp_path)


@pytest.fixture
async def lab(settings, telemetry, serving, tmp_path) -> AsyncIterator[Lab]:
    async with stub_lab(settings, telemetry=telemetry, serving=serving, directory=tmp_path) as lab:
        yield lab
