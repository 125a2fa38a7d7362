"""Images of containers and image volumes: brought to the node by pull policy, credentials, records, rates and backoff.

`manager` decides and tells, `pulling` does it when it is its turn, `access` knows which image was brought for whom by
the records (`records`, on disk in `record_files`) and the configured policy (`verification`). `volumes` are the image
volumes of a pod.
"""

from kubeletsim.pods.images.access import ImageAccess
from kubeletsim.pods.images.manager import ImageManager
from kubeletsim.pods.images.pulling import PullLimits, TokenBucket
from kubeletsim.pods.images.record_files import PullRecordFiles
from kubeletsim.pods.images.sizes import size_bucket
from kubeletsim.pods.images.verification import Verification
from kubeletsim.pods.images.volumes import ImageVolumeMetrics, PodImageVolumes, bring_image_volumes

__all__ = [
    "ImageAccess",
    "ImageManager",
    "ImageVolumeMetrics",
    "PodImageVolumes",
    "PullLimits",
    "PullRecordFiles",
    "TokenBucket",
    "Verification",
    "bring_image_volumes",
    "size_bucket",
]
