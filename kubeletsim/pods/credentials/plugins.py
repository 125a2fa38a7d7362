"""Credential providers: programs that are asked for an image's credentials, and what they said, as long as it holds.

An answer holds for the image, its registry or everything, as the provider says, for the time that it says. Pulls of one
image ask once. Upstream: pkg/credentialprovider/plugin/plugin.go.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakValueDictionary

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import KubeletSimError
from kubeletsim.pods.credentials.keyring import Login, location_matches

log = logging.getLogger(__name__)

GLOBAL_KEY = "global"


class Response(Protocol):
    """What a provider answers; CredentialProviderResponse upstream."""

    @property
    def cache_key_type(self) -> str:
        """`Image`, `Registry` or `Global`."""

    @property
    def cache_seconds(self) -> float | None:
        """How long the answer holds; None: as long as configured."""

    @property
    def auth(self) -> Mapping[str, tuple[str, str]]:
        """User and password by place."""


class Plugin(Protocol):
    """A provider's program."""

    async def ask(self, image: str) -> Response:
        """Run it for an image. Raises KubeletSimError."""


@dataclass(frozen=True, slots=True)
class _Kept:
    logins: Mapping[str, Login]
    expires_at: float


class CredentialProvider:
    """One credential provider.

    Args:
        name: as configured.
        plugin: its program.
        match_images: the places it has credentials for.
        default_cache_seconds: how long an answer holds that does not say so.
        wants_service_account: it is only to be asked with the token of a pod's service account, which a pod without an
            API server cannot have: it is never asked.
        clock: its monotonic time ends what is kept.
    """

    def __init__(
        self,
        name: str,
        plugin: Plugin,
        *,
        match_images: Sequence[str],
        default_cache_seconds: float,
        wants_service_account: bool = False,
        clock: Clock,
    ) -> None:
        self._name = name
        self._plugin = plugin
        self._match_images = tuple(match_images)
        self._default_cache_seconds = default_cache_seconds
        self._wants_service_account = wants_service_account
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def logins(self, repository: str) -> Mapping[str, Login]:
        """Return what the provider has for an image, by place; empty where it fails, which is logged."""
        if self._wants_service_account or not any(location_matches(one, repository) for one in self._match_images):
            return {}
        lock = self._asking.setdefault(repository, asyncio.Lock())
        async with lock:
            if (kept := self._find(repository)) is not None:
                return kept
            try:
                response = await self._plugin.ask(repository)
            except KubeletSimError as error:
                log.error("Failed getting credential from external registry credential provider: %s", error)  # noqa: TRY400
                return {}
            return self._keep(repository, response)

    def _find(self, repository: str) -> Mapping[str, Login] | None:
        now = self._clock.monotonic()
        self._kept = {key: kept for key, kept in self._kept.items() if kept.expires_at >= now}
        for key in (repository, _registry(repository), GLOBAL_KEY):
            if key in self._kept:
                return self._kept[key].logins
        return None

    def _keep(self, repository: str, response: Response) -> Mapping[str, Login]:
        keys = {"Image": repository, "Registry": _registry(repository), "Global": GLOBAL_KEY}
        key = keys.get(response.cache_key_type)
        if key is None:
            log.error(
                "credential provider plugin did not return a valid cacheKeyType: %r (%s)",
                response.cache_key_type,
                self._name,
            )
            return {}
        logins = {place: Login(*login) for place, login in response.auth.items()}
        seconds = response.cache_seconds if response.cache_seconds is not None else self._default_cache_seconds
        if seconds != 0:
            self._kept[key] = _Kept(logins, self._clock.monotonic() + seconds)
        return logins


def _registry(repository: str) -> str:
    return repository.partition("/")[0]
