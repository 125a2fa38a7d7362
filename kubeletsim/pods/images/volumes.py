"""The image volumes of a pod during one sync: pulled once, when the first container that starts asks for its own.

All of the pod's are pulled then, whoever mounts them; one that cannot be had fails the containers that mount it and no
others. Upstream: getImageVolumes and toKubeContainerImageVolumes in pkg/kubelet/kuberuntime/kuberuntime_manager.go.
"""

from collections.abc import Callable, Mapping

from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry, Counter

from kubeletsim.model.pod import AnyContainer, annotations, spec
from kubeletsim.model.requests import ImageSpec, SandboxConfig
from kubeletsim.pods.failures import StartFailure
from kubeletsim.pods.images.manager import ImageManager
from kubeletsim.pods.pod_events import pod_reference

MOUNT_FAILED = "ImageVolumeMountFailed"
"""What a runtime's text begins with when the mount was at fault (crierrors.ErrImageVolumeMountFailed)."""


def _tell_nobody(failure: StartFailure) -> None:
    del failure


class PodImageVolumes:
    """The image volumes of one pod.

    Args:
        images: brings images.
        pod: whose volumes.
        sandbox_config: the pod's sandbox.
    """

    def __init__(self, images: ImageManager, pod: Pod, *, sandbox_config: SandboxConfig) -> None:
        self._images = images
        self._pod = pod
        self._sandbox_config = sandbox_config
        self._results: dict[str, ImageSpec | StartFailure] | None = None

    async def of(
        self, container: AnyContainer, *, tell: Callable[[StartFailure], None] = _tell_nobody
    ) -> Mapping[str, ImageSpec]:
        """Return how the images that a container mounts are named to the runtime, by volume.

        Args:
            container: who mounts them.
            tell: takes each one that could not be brought to the node.

        Raises:
            StartFailure: one of them could not be brought to the node; the last one counts.
        """
        if self._results is None:
            self._results = await self._pull_all()
        mounted: dict[str, ImageSpec] = {}
        last_failure = None
        for mount in container.volumeMounts or []:
            result = self._results.get(mount.name)
            if isinstance(result, StartFailure):
                tell(result)
                last_failure = result
            elif result is not None:
                mounted[mount.name] = result
        if last_failure is not None:
            raise last_failure
        return mounted

    async def _pull_all(self) -> dict[str, ImageSpec | StartFailure]:
        results: dict[str, ImageSpec | StartFailure] = {}
        for volume in spec(self._pod).volumes or []:
            if volume.image is None:
                continue
            reference = volume.image.reference or ""
            try:
                image = await self._images.ensure_image_exists(
                    self._pod,
                    reference,
                    pull_policy=volume.image.pullPolicy or "IfNotPresent",
                    about=pod_reference(self._pod),
                    sandbox_config=self._sandbox_config,
                )
            except StartFailure as failure:
                results[volume.name] = failure
            else:
                results[volume.name] = ImageSpec(
                    image=image, user_specified_image=reference, annotations=annotations(self._pod)
                )
        return results


class ImageVolumeMetrics:
    """kubelet_image_volume_requested_total, _mounted_succeed_total and _mounted_errors_total."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"kubelet_image_volume_{name}_total", text, registry=registry)

        self._requested = counter("requested", "Number of requested image volumes.")
        self._succeeded = counter("mounted_succeed", "Number of successful image volume mounts.")
        self._failed = counter("mounted_errors", "Number of failed image volume mounts.")

    def count(self, volumes: Mapping[str, ImageSpec], failure: StartFailure | None) -> None:
        """Count a container's image volumes, after its start or what became of it."""
        self._requested.inc(len(volumes))
        at_fault = (
            failure is not None
            and failure.reason == "CreateContainerError"
            and failure.message.startswith(MOUNT_FAILED)
        )
        (self._failed if at_fault else self._succeeded).inc(len(volumes))
