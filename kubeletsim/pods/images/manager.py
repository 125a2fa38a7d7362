"""The image manager: makes sure that an image is on the node before something is made of it, and may be used there.

An image that is there by the pull policy's rules costs one ImageStatus. Otherwise it is pulled, and a pull that failed
is not tried again before its backoff is over. The calls and their order are those of every trace: ImageStatus,
PullImage (one a credential), and ImageStatus once more for the size.

Upstream: pkg/kubelet/images/image_manager.go.
"""

from collections.abc import Awaitable, Callable

from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry, Counter, Histogram

from kubeletsim.base.duration import Duration
from kubeletsim.base.timing import Backoff, Clock
from kubeletsim.model.errors import CRIError, go_quote
from kubeletsim.model.events import Event, EventRecorder, ObjectReference
from kubeletsim.model.pod import pod_uid
from kubeletsim.model.requests import AuthConfig, ImageSpec, SandboxConfig
from kubeletsim.pods.failures import StartFailure
from kubeletsim.pods.images.access import ImageAccess
from kubeletsim.pods.images.pulling import ImageService, Puller, PullFailed, PullLimits
from kubeletsim.pods.images.sizes import size_bucket
from kubeletsim.pods.requests import RequestError, image_spec, repository

INITIAL_BACKOFF_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 300.0

PULL_DURATION_BUCKETS = (1, 5, 10, 20, 30, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600)

SPECIAL_PULL_ERRORS = {
    "RegistryUnavailable": "image pull failed for {image} because the registry is unavailable{rest}",
    "SignatureValidationFailed": "image pull failed for {image} because the signature validation failed{rest}",
}
"""Error texts of runtimes that begin with a reason of their own, and what is made of the rest."""

FindCredentials = Callable[[str], Awaitable[list[AuthConfig]]]
"""Looks up what the node has for an image, given its full name without tag; the best match first."""


async def no_credentials(repository: str) -> list[AuthConfig]:
    """Look up nothing: a node without credentials."""
    del repository
    return []


class ImageManager:
    """Brings images to the node.

    Args:
        images: the runtime's image service.
        limits: how fast.
        clock: backoff runs on its wall clock, rates and durations on its monotonic one.
        record: takes what happens to images as events of the pods that want them.
        registry: gets kubelet_image_pull_duration_seconds and kubelet_image_manager_ensure_image_requests_total.
        credentials: what to pull with.
        access: who may use what is there; None where whatever is there is everybody's (gate
            KubeletEnsureSecretPulledImages off).
    """

    def __init__(
        self,
        images: ImageService,
        *,
        limits: PullLimits,
        clock: Clock,
        record: EventRecorder,
        registry: CollectorRegistry,
        credentials: FindCredentials = no_credentials,
        access: ImageAccess | None = None,
    ) -> None:
        self._images = images
        self._puller = Puller(images, limits=limits, clock=clock)
        self._clock = clock
        self._record = record
        self._credentials = credentials
        self._access = access
        self._backoff = Backoff(INITIAL_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS)
        self._last_errors: dict[str, str] = {}
        self._pull_duration = Histogram(
            "kubelet_image_pull_duration_seconds",
            "Duration in seconds to pull an image.",
            ["image_size_in_bytes"],
            buckets=PULL_DURATION_BUCKETS,
            registry=registry,
        )
        self._requests = Counter(
            "kubelet_image_manager_ensure_image_requests_total",
            "Number of ensure-image requests processed by the kubelet.",
            ["pull_policy", "present_locally", "pull_required"],
            registry=registry,
        )

    async def ensure_image_exists(
        self, pod: Pod, image: str, *, pull_policy: str, about: ObjectReference, sandbox_config: SandboxConfig
    ) -> str:
        """Return the id or reference of an image once it is on the node and the pod may use it.

        Args:
            pod: who wants it.
            image: as the pod names it.
            pull_policy: `Always`, `IfNotPresent` or `Never`.
            about: what the events are about: the container, or for an image volume the pod.
            sandbox_config: the pod's sandbox.

        Raises:
            StartFailure: it is not there and cannot be brought, with the waiting reason of kubelet-behaviour §6.7.
        """
        try:
            spec = image_spec(pod, image)
        except RequestError as error:
            self._tell(about, "InspectFailed", str(error), warning=True)
            raise StartFailure("InvalidImageName", str(error)) from error
        present = await self._find(spec, about, image, policy=pull_policy)
        required = present is None or (self._access is not None and self._access.must_pull(image, present))
        refused = required and pull_policy == "Never"
        self._count(
            pull_policy,
            present=None if pull_policy == "Always" else present is not None,
            required=None if refused and present is None else required,
        )
        if refused:
            self._refuse_to_pull(about, image)
        if present is not None and not required:
            accessible = "" if self._access is None else " and can be accessed by the pod"
            self._tell(about, "Pulled", f"Container image {go_quote(image)} already present on machine{accessible}")
            return present
        return await self._pull_on_record(pod, spec, about, image, sandbox_config=sandbox_config)

    def collect(self) -> None:
        """Forget the backoff of images that nobody has asked for in a long time."""
        self._backoff.collect(now=self._clock.now())

    async def _find(self, spec: ImageSpec, about: ObjectReference, image: str, *, policy: str) -> str | None:
        """Return the image's id where the pull policy is content with what is there."""
        if policy == "Always":
            return None
        try:
            found = await self._images.image_status(spec)
        except CRIError as error:
            text = f"Failed to inspect image {go_quote(image)}: {error}"
            self._tell(about, "InspectFailed", text, warning=True)
            raise StartFailure("ImageInspectError", text) from error
        return found.id if found is not None else None

    def _refuse_to_pull(self, about: ObjectReference, image: str) -> None:
        # What is there but not for this pod is as good as absent, as upstream has it.
        text = f"Container image {go_quote(image)} is not present with pull policy of Never"
        self._tell(about, "ErrImageNeverPull", text, warning=True)
        raise StartFailure("ErrImageNeverPull", text)

    async def _pull_on_record(
        self, pod: Pod, spec: ImageSpec, about: ObjectReference, image: str, *, sandbox_config: SandboxConfig
    ) -> str:
        """Pull an image, with a record of the attempt as long as it lasts and one of the image if it worked."""
        credentials = await self._credentials(repository(spec.image))
        key = f"{pod_uid(pod)}_{image}"
        if self._access is None:
            return await self._pull(spec, about, image, key=key, credentials=credentials, sandbox_config=sandbox_config)
        try:
            self._access.begin(image)
        except OSError as error:
            text = f"failed to record image pull intent: {error}"
            message = f"Failed to record image pull intent for container image {go_quote(image)}: {text}"
            raise StartFailure(text, message) from error
        try:
            reference = await self._pull(
                spec, about, image, key=key, credentials=credentials, sandbox_config=sandbox_config
            )
        except BaseException:
            self._access.failed(image)
            raise
        self._access.pulled(image, reference)
        return reference

    async def _pull(
        self,
        spec: ImageSpec,
        about: ObjectReference,
        image: str,
        *,
        key: str,
        credentials: list[AuthConfig],
        sandbox_config: SandboxConfig,
    ) -> str:
        if self._backoff.remaining(key, now=self._clock.now()) > 0:
            text = f"Back-off pulling image {go_quote(image)}"
            self._tell(about, "BackOff", text)
            last = self._last_errors.get(key)
            # No `backoff_until`: the recordings show such a pod again after the delay of any other error.
            raise StartFailure("ImagePullBackOff", f"{text}: {last}" if last else text)
        self._last_errors.pop(key, None)
        self._tell(about, "Pulling", f"Pulling image {go_quote(image)}")
        started = self._clock.monotonic()
        try:
            pulled = await self._puller.pull(spec, credentials=credentials, sandbox_config=sandbox_config)
        except PullFailed as error:
            self._tell(about, "Failed", f"Failed to pull image {go_quote(image)}: {error}", warning=True)
            self._backoff.advance(key, now=self._clock.now())
            reason, message = _pull_failure(image, str(error))
            self._last_errors[key] = f"{reason}: {message}"
            raise StartFailure(reason, message) from error
        waited_seconds = self._clock.monotonic() - started
        self._tell(
            about,
            "Pulled",
            f"Successfully pulled image {go_quote(image)} in {_milliseconds(pulled.seconds)} "
            f"({_milliseconds(waited_seconds)} including waiting). Image size: {pulled.size_bytes} bytes.",
        )
        self._pull_duration.labels(size_bucket(pulled.size_bytes)).observe(waited_seconds)
        self.collect()
        return pulled.reference

    def _tell(self, about: ObjectReference, reason: str, message: str, *, warning: bool = False) -> None:
        self._record(Event(regarding=about, type="Warning" if warning else "Normal", reason=reason, message=message))

    def _count(self, policy: str, *, present: bool | None, required: bool | None) -> None:
        texts = {None: "unknown", True: "true", False: "false"}
        self._requests.labels(policy.lower(), texts[present], texts[required]).inc()


def _pull_failure(image: str, text: str) -> tuple[str, str]:
    """Return reason and message of a failed pull; runtimes may name a reason of their own first."""
    for reason, wording in SPECIAL_PULL_ERRORS.items():
        if text.startswith(reason):
            return reason, wording.format(image=image, rest=text.removeprefix(reason))
    return "ErrImagePull", text


def _milliseconds(seconds: float) -> Duration:
    """Return a duration cut to whole milliseconds, as event texts show it."""
    return Duration.of(milliseconds=int(seconds * 1000))
