"""Claims about running credential providers, with real programs."""

import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import SystemClock
from kubeletsim.clients.credential_plugin import (
    CredentialPlugin,
    CredentialPluginError,
    PluginMetrics,
    decode_response,
)

V1 = "credentialprovider.kubelet.k8s.io/v1"
ANSWER = {
    "kind": "CredentialProviderResponse",
    "apiVersion": V1,
    "cacheKeyType": "Registry",
    "cacheDuration": "1m30s",
    "auth": {"*.example.com": {"username": "me", "password": "secret"}},
}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def plugin(directory: Path, script: str, registry: CollectorRegistry, *args: str) -> CredentialPlugin:
    program = directory / "ecr"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    environ = {"PATH": "/usr/bin:/bin", "GREETING": "hello"}
    return CredentialPlugin(
        program, api_version=V1, args=args, environ=environ, clock=SystemClock(), metrics=PluginMetrics(registry)
    )


async def test_it_gets_request_arguments_and_environment_and_its_answer_is_read(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    script = f"cat > {tmp_path}/request; echo $1 $GREETING > {tmp_path}/seen; echo '{json.dumps(ANSWER)}'"

    answer = await plugin(tmp_path, script, registry, "get").ask("a.example.com/app")

    assert json.loads((tmp_path / "request").read_text()) == {
        "kind": "CredentialProviderRequest",
        "apiVersion": V1,
        "image": "a.example.com/app",
    }
    assert (tmp_path / "seen").read_text() == "get hello\n"
    assert (answer.cache_key_type, answer.cache_seconds) == ("Registry", 90)
    assert answer.auth == {"*.example.com": ("me", "secret")}
    assert "secret" not in repr(answer)
    name = "kubelet_credential_provider_plugin_duration_seconds_count"
    assert registry.get_sample_value(name, {"plugin_name": "ecr"}) == 1


async def test_one_that_fails_is_told_with_what_it_said(tmp_path: Path, registry: CollectorRegistry) -> None:
    with pytest.raises(CredentialPluginError) as caught:
        await plugin(tmp_path, "echo no token >&2; exit 3", registry).ask("a.example.com/app")

    assert str(caught.value) == (
        "error execing credential provider plugin ecr for image a.example.com/app: exit status 3: no token\n"
    )
    assert registry.get_sample_value("kubelet_credential_provider_plugin_errors_total", {"plugin_name": "ecr"}) == 1


async def test_one_that_cannot_be_run_is_told(tmp_path: Path, registry: CollectorRegistry) -> None:
    one = plugin(tmp_path, "", registry)
    (tmp_path / "ecr").unlink()

    with pytest.raises(CredentialPluginError, match="No such file"):
        await one.ask("a.example.com/app")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"apiVersion": "credentialprovider.kubelet.k8s.io/v1beta1"}, "did not match expected apiVersion"),
        ({"kind": "Pod"}, "error decoding"),
        ({"more": 1}, "error decoding"),
        ({"auth": {"a": {"username": "me", "token": "secret"}}}, "error decoding"),
        ({"auth": {"a": "secret"}}, "error decoding"),
        ({"cacheDuration": "secret"}, "error decoding"),
        ({"cacheDuration": 5}, "error decoding"),
    ],
)
def test_an_answer_that_is_none_is_refused_and_never_quoted(change: dict[str, object], told: str) -> None:
    with pytest.raises(CredentialPluginError, match=told) as caught:
        decode_response(json.dumps({**ANSWER, **change}).encode(), api_version=V1)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("written", [b"", b"secret", b"[1]", b"\xff"])
def test_no_json_object_is_no_answer(written: bytes) -> None:
    with pytest.raises(CredentialPluginError, match="error reading GVK"):
        decode_response(written, api_version=V1)
