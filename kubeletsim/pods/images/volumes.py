"""The image volumes of a pod during one sync: brought to the node by each sync, before any container starts.

A sync that starts nothing looks at them as well, and pulls those that are always pulled. One that cannot be had fails
the containers that mount it and no others. Upstream: getImageVolumes and toKubeContainerImageVolumes in
pkg/kubelet/kuberuntime/kuberuntime_manager.go.
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
    """What became of the image volumes of one pod.

    Args:
        results: by volume, how its image is named to the runtime, or why it is not there.
    """

    def __init__(self, results: Mapping[str, ImageSpec | StartFailure]) -> None:
        self._results = results

    def of(
        self, container: AnyContainer, *, tell: Callable[[StartFailure], None] = _tell_nobody
    ) -> Mapping[str, ImageSpec]:
        """Return how the images that a container mounts are named to the runtime, by volume.

        Args:
            container: who mounts them.
            tell: takes each one that could not be brought to the node.

        Raises:
            StartFailure: one of them could not be brought to the node; the last one counts.
        """
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


async def bring_image_volumes(images: ImageManager, pod: Pod, *, sandbox_config: SandboxConfig) -> PodImageVolumes:
    """Have the images of a pod's volumes on the node, in the spec's order."""
    results: dict[str, ImageSpec | StartFailure] = {}
    for volume in spec(pod).volumes or []:
        if volume.image is None:
            continue
        reference = volume.image.reference or ""
        try:
            image = await images.ensure_image_exists(
                pod,
                reference,
                pull_policy=volume.image.pullPolicy or "IfNotPresent",
                about=pod_reference(pod),
                sandbox_config=sandbox_config,
            )
        except StartFailure as failure:
            results[volume.name] = failure
        else:
            results[volume.name] = ImageSpec(image=image, user_specified_image=reference, annotations=annotations(pod))
    return PodImageVolumes(results)


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
