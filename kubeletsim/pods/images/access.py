"""Who may use an image that is on the node, by the records of past pulls and the configured policy.

A pod of this node brings no credentials of its own: those are Secrets, which need an API server. So every image that
this kubelet pulls, with the node's credentials or none, is there for every pod of the node; what is left to verify are
images of unknown origin and those that a record ties to somebody's Secret.

Upstream: pkg/kubelet/images/pullmanager/image_pull_manager.go.
"""

import logging
from collections import Counter as Tally
from collections.abc import Collection, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from kubeletsim.base.timing import Clock
from kubeletsim.model.runtime import Image
from kubeletsim.pods.images.record_files import PullRecordFiles
from kubeletsim.pods.images.records import NODE_WIDE, PullCredentials, PulledRecord, RecordError
from kubeletsim.pods.images.verification import Verification
from kubeletsim.pods.requests import RequestError, repository

log = logging.getLogger(__name__)

POLICY_ALLOWS, RECORD_ALLOWS = "credentialPolicyAllowed", "credentialRecordFound"
MUST_AUTHENTICATE, CHECK_FAILED = "mustAuthenticate", "error"
"""What a check comes to; the metric's label."""


MUST_PULL_HELP = (
    "Counter for how many times kubelet checked whether credentials need to be re-verified to access an image"
)


class ImageAccess:
    """Keeps the records and answers by them.

    Args:
        files: where they are.
        verification: when they count.
        clock: dates them.
        registry: gets kubelet_imagemanager_ondisk_pullintents, _ondisk_pulledrecords and _image_mustpull_checks_total.
    """

    def __init__(
        self, files: PullRecordFiles, *, verification: Verification, clock: Clock, registry: CollectorRegistry
    ) -> None:
        self._files = files
        self._verification = verification
        self._clock = clock
        self._pulling: Tally[str] = Tally()
        self._checks = Counter(
            "kubelet_imagemanager_image_mustpull_checks",
            MUST_PULL_HELP,
            ["result"],
            registry=registry,
        )
        for name, count in (("ImagePullIntents", files.count_intents), ("ImagePulledRecords", files.count_pulled)):
            metric = f"kubelet_imagemanager_ondisk_{name.removeprefix('Image').lower()}"
            Gauge(metric, f"Number of {name} stored on disk.", registry=registry).set_function(count)

    def unfinished(self) -> list[str]:
        """Return the images whose pulls an earlier run of the kubelet has begun and not ended."""
        return self._files.intents()

    def adopt(self, unfinished: Collection[str], present: Sequence[Image]) -> None:
        """Take images that are there after all as pulled, by whose credentials nobody knows."""
        for image in present:
            for name in dict.fromkeys((*image.repo_digests, *image.repo_tags)):
                if name not in unfinished:
                    continue
                try:
                    self._note(name, image.id, None)
                    self._files.remove_intent(name)
                except (OSError, RecordError, RequestError) as error:
                    log.warning("Failed to turn the pull intent of image %s into a record: %s", name, error)

    def must_pull(self, image: str, image_ref: str) -> bool:
        """Tell whether a pod has to pull an image, named as the pod does, although the node has it as `image_ref`."""
        result = self._check(image, image_ref)
        self._checks.labels(result).inc()
        return result in (MUST_AUTHENTICATE, CHECK_FAILED)

    def _check(self, image: str, image_ref: str) -> str:
        try:
            record = self._files.pulled(image_ref)
            ours = record is not None or self._pulling[image] > 0 or self._files.has_intent(image)
        except (OSError, RecordError) as error:
            log.error("Unable to access cache records about image pulls: %s", error)  # noqa: TRY400
            return CHECK_FAILED
        if not self._verification.is_required(image, pulled_by_kubelet=ours):
            return POLICY_ALLOWS
        known = record.credentials.get(repository(image)) if record is not None else None
        return RECORD_ALLOWS if known is not None and known.node_pods_accessible else MUST_AUTHENTICATE

    def begin(self, image: str) -> None:
        """Note that a pull begins.

        Raises:
            OSError: the note cannot be written.
        """
        self._files.write_intent(image)
        self._pulling[image] += 1

    def pulled(self, image: str, image_ref: str) -> None:
        """Note that a pull has worked. Where that fails, the note of its beginning stays for the next start."""
        try:
            self._note(image, image_ref, NODE_WIDE)
        except (OSError, RequestError) as error:
            log.error("Failed to write image pulled record for %s: %s", image_ref, error)  # noqa: TRY400
        else:
            self.failed(image)

    def failed(self, image: str) -> None:
        """Note that a pull has ended and brought nothing."""
        self._pulling[image] -= 1
        if self._pulling[image] > 0:
            return  # another pod's pull of it goes on
        del self._pulling[image]
        try:
            self._files.remove_intent(image)
        except OSError as error:
            log.error("Failed to remove image pull intent of %s: %s", image, error)  # noqa: TRY400

    def prune(self, present: Collection[str], *, until: float) -> None:
        """Forget images that are not there any more, unless their record is as new as `until`, in Unix seconds."""
        try:
            for record in self._files.all_pulled():
                if record.last_updated_at < until and record.image_ref not in present:
                    self._files.remove_pulled(record.image_ref)
        except OSError as error:
            log.error("Failed to prune image pulled records: %s", error)  # noqa: TRY400

    def _note(self, image: str, image_ref: str, credentials: PullCredentials | None) -> None:
        now, name = self._clock.now(), repository(image)
        try:
            record = self._files.pulled(image_ref)
        except RecordError as error:
            log.info("Failed to retrieve an ImagePulledRecord of %s: %s", image, error)
            record = None
        if record is None:
            mapping = {} if credentials is None else {name: credentials}
            self._files.write_pulled(PulledRecord(image_ref=image_ref, last_updated_at=now, credentials=mapping))
        elif credentials is not None:
            merged = record.with_credentials(name, credentials, now=now)
            if merged is not record:
                self._files.write_pulled(merged)
