"""Streams go over HTTPS when the configuration says so, with its pair or one made for it."""

import ssl
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from kubeletsim.base.self_signed import PairFiles, write_self_signed_pair
from runtime_stub.settings import Settings, SettingsError
from tests.fakes.spdy_client import spdy_client
from tests.runtime_stub.conftest import connected
from tests.runtime_stub.streaming.conftest import make_pod

V4 = "v4.channel.k8s.io"


@pytest.mark.parametrize("configured", [True, False])
async def test_streams_are_encrypted_with_the_configured_pair_or_one_that_is_made_once(
    settings: Settings, tmp_path: Path, configured: bool
) -> None:
    files = PairFiles.named("mine", tmp_path)
    settings = replace(settings, streaming_tls=True)
    if configured:
        write_self_signed_pair(files, hosts=["127.0.0.1"], now=time.time())
        settings = replace(settings, streaming_cert_file=str(files.certificate), streaming_key_file=str(files.key))
    else:
        files = PairFiles.named("streaming", Path(settings.root_dir))
    async with connected(settings) as client:
        pod = await make_pod(client)
        url = await pod.exec_url("echo", "hi")
        trusting = ssl.create_default_context(cafile=files.certificate)
        async with spdy_client(url, V4, tls=trusting) as remote:
            out, _, error = [await remote.open(streamType=one) for one in ("stdout", "stderr", "error")]
            await remote.to_the_end()

            assert url.startswith("https://127.0.0.1:")
            assert remote.data(out) == b"hi\n"
            assert b"Success" in remote.data(error)
    served = files.certificate.read_bytes()
    async with connected(settings):
        assert files.certificate.read_bytes() == served


async def test_websockets_are_encrypted_as_well(settings: Settings) -> None:
    async with connected(replace(settings, streaming_tls=True)) as client, aiohttp.ClientSession() as session:
        pod = await make_pod(client)
        trusting = ssl.create_default_context(cafile=f"{settings.root_dir}/streaming.crt")
        url = await pod.exec_url("echo", "hi")
        async with session.ws_connect(url, protocols=("v5.channel.k8s.io",), ssl=trusting) as socket:
            messages = [message.data async for message in socket]

    assert b"\x01hi\n" in messages


async def test_a_pair_that_cannot_be_served_is_named_before_anything_starts(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("garbage")
    broken = replace(
        settings,
        streaming_tls=True,
        streaming_cert_file=str(tmp_path / "a.pem"),
        streaming_key_file=str(tmp_path / "b.pem"),
    )
    with pytest.raises(SettingsError, match=r"^streaming\.tlsCertFile: .*a\.pem with .*b\.pem: "):
        async with connected(broken):
            pass
