"""The source of static pods at a URL: a Pod or a PodList, fetched each period.

Whatever is wrong with an answer, the pods of the last good one stay; only an empty body says that there are none. An
answer that is the same as the one before is not looked at again.
Upstream: pkg/kubelet/config/http.go. There, an empty body is not remembered as an answer, so that pods which come back
unchanged after one stay away; here they return.
"""

import logging
import random
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from kubeletsim.base.timing import every
from kubeletsim.clients.fetch import FetchError, fetch
from kubeletsim.model.errors import ManifestError
from kubeletsim.model.pod import HTTP_SOURCE
from kubeletsim.pods.sources.manifest import MAX_MANIFEST_BYTES, decode_manifests
from kubeletsim.pods.sources.merge import Publish

TIMEOUT_SECONDS = 10.0
"""For one answer, from dialling to its last byte."""

log = logging.getLogger(__name__)


class URLSource:
    """Hands over the static pods at a URL.

    Args:
        url: `http` or `https`.
        headers: sent with each request, several values each (`staticPodURLHeader`); never logged.
        node_name: this node.
        publish: takes all the pods there are, after each answer that differs from the last.
        check_frequency_seconds: from one answer to the next request (`httpCheckFrequency`).
        rng: chance, for the loop.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, Sequence[str]],
        node_name: str,
        publish: Publish,
        check_frequency_seconds: float,
        rng: random.Random,
        may_reference_api: bool = False,
    ) -> None:
        self._url = url
        self._headers = [(name, value) for name, values in headers.items() for value in values]
        self._node_name = node_name
        self._publish = publish
        self._check_frequency_seconds = check_frequency_seconds
        self._rng = rng
        self._may_reference_api = may_reference_api
        self._content: bytes | None = None
        self._content_fault = ""
        self._reported = ""

    async def run(self) -> None:
        """Fetch until cancelled."""
        await every(self._check_frequency_seconds, self.refresh, name="fetching static pods", rng=self._rng)

    async def refresh(self) -> None:
        """Fetch once, and hand over the pods if the answer is a new one."""
        try:
            content = await fetch(
                self._url, headers=self._headers, timeout_seconds=TIMEOUT_SECONDS, max_bytes=MAX_MANIFEST_BYTES
            )
        except FetchError as error:
            self._report(f"{error}; the pods known so far stay")
            return
        if content != self._content:
            fault = await self._take(content)
            self._content, self._content_fault = content, fault
        self._report(self._content_fault)

    async def _take(self, content: bytes) -> str:
        """Hand over what a new answer holds; return what is wrong with it, empty if nothing is."""
        if not content:
            await self._publish([])
            return "the answer is empty; it has no pods any more"
        try:
            pods = decode_manifests(
                content,
                node_name=self._node_name,
                source=HTTP_SOURCE,
                location=self._url,
                may_reference_api=self._may_reference_api,
            )
        except ManifestError as error:
            return f"{error}; the pods known so far stay"
        await self._publish(pods)
        return ""

    def _report(self, fault: str) -> None:
        """Log a fault once, not each period, and once that it is over."""
        if fault == self._reported:
            return
        self._reported = fault
        if fault:
            log.error("Cannot use static pods from %s: %s", shown_url(self._url), fault)
        else:
            log.info("Static pods from %s can be used again", shown_url(self._url))


def shown_url(url: str) -> str:
    """Return a URL as it may be logged: without name, password and query, any of which can hold a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "staticPodURL"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
