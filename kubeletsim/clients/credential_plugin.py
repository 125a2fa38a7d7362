"""Running a credential provider: a program that reads a CredentialProviderRequest and writes a …Response, as JSON.

    $ NAME=value <bin-dir>/<name> args… <<< {"kind": "CredentialProviderRequest", "image": …}

What it writes holds passwords: no error quotes it. Upstream: ExecPlugin in pkg/credentialprovider/plugin/plugin.go,
staging/src/k8s.io/kubelet/pkg/apis/credentialprovider/v1/types.go.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from kubeletsim.base.duration import Duration
from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import KubeletSimError

TIMEOUT_SECONDS = 60.0
REQUEST_KIND, RESPONSE_KIND = "CredentialProviderRequest", "CredentialProviderResponse"
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class CredentialPluginError(KubeletSimError):
    """A credential provider could not be run, failed, or answered with something else."""


@dataclass(frozen=True, slots=True)
class CredentialResponse:
    """What a credential provider answered."""

    cache_key_type: str
    """What it holds for: `Image`, `Registry` or `Global`."""
    cache_seconds: float | None = None
    """How long it holds; None leaves that to the configuration."""
    auth: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    """User and password by place."""


class PluginMetrics:
    """kubelet_credential_provider_plugin_duration_seconds and _errors_total."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.duration = Histogram(
            "kubelet_credential_provider_plugin_duration_seconds",
            "Duration of execution in seconds for credential provider plugin",
            ["plugin_name"],
            buckets=DEFAULT_BUCKETS,
            registry=registry,
        )
        self.errors = Counter(
            "kubelet_credential_provider_plugin_errors_total",
            "Number of errors from credential provider plugin",
            ["plugin_name"],
            registry=registry,
        )


class CredentialPlugin:
    """The program of one provider.

    Args:
        program: its path.
        api_version: `credentialprovider.kubelet.k8s.io/v1` or an older one; of request and response.
        args: its arguments.
        environ: its environment, all of it.
    """

    def __init__(
        self,
        program: Path,
        *,
        api_version: str,
        args: Sequence[str],
        environ: Mapping[str, str],
        clock: Clock,
        metrics: PluginMetrics,
    ) -> None:
        self._program = program
        self._api_version = api_version
        self._args = tuple(args)
        self._environ = dict(environ)
        self._clock = clock
        self._metrics = metrics

    async def ask(self, image: str) -> CredentialResponse:
        """Run the program for an image and return its answer.

        Raises:
            CredentialPluginError: it cannot be run, does not end with 0 within a minute, or says something else.
        """
        request = {"kind": REQUEST_KIND, "apiVersion": self._api_version, "image": image}
        name, started = self._program.name, self._clock.monotonic()
        try:
            written = await self._run(json.dumps(request, separators=(",", ":")).encode() + b"\n")
        except (OSError, TimeoutError, CredentialPluginError) as error:
            self._metrics.errors.labels(name).inc()
            reason = "context deadline exceeded" if isinstance(error, TimeoutError) else error
            text = f"error execing credential provider plugin {name} for image {image}: {reason}"
            raise CredentialPluginError(text) from None
        finally:
            self._metrics.duration.labels(name).observe(self._clock.monotonic() - started)
        return decode_response(written, api_version=self._api_version)

    async def _run(self, request: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            self._program,
            *self._args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environ,
        )
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                written, complaint = await process.communicate(request)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            raise CredentialPluginError(f"exit status {process.returncode}: {complaint.decode(errors='replace')}")
        return written


def decode_response(written: bytes, *, api_version: str) -> CredentialResponse:
    """Understand what a provider wrote.

    Raises:
        CredentialPluginError: it is no CredentialProviderResponse of the version asked for.
    """
    try:
        document = json.loads(written)
        actual = document.get("apiVersion")
    except (ValueError, AttributeError):
        raise CredentialPluginError("error reading GVK from response: it is no JSON object") from None
    if actual != api_version:
        raise CredentialPluginError(
            "apiVersion from credential plugin response did not match expected "
            f"apiVersion:{api_version}, actual apiVersion:{actual}"
        )
    try:
        return _response(document)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise CredentialPluginError("error decoding credential provider plugin response from stdout") from None


def _response(document: Mapping[str, Any]) -> CredentialResponse:
    if document["kind"] != RESPONSE_KIND or document.keys() - {
        *("kind", "apiVersion", "cacheKeyType", "cacheDuration", "auth")
    }:
        raise ValueError
    duration = document.get("cacheDuration")
    auth = {}
    for place, login in (document.get("auth") or {}).items():
        user, password = login.get("username", ""), login.get("password", "")
        if not isinstance(user, str) or not isinstance(password, str) or login.keys() - {"username", "password"}:
            raise ValueError
        auth[place] = (user, password)
    return CredentialResponse(
        cache_key_type=document.get("cacheKeyType", ""),
        cache_seconds=None if duration is None else Duration.parse(duration).seconds,
        auth=auth,
    )
