"""What a pod's spec becomes for the runtime: sandbox, containers, images, and the files they need on the node. Pure."""

from kubeletsim.pods.requests.container import container_annotations, container_config
from kubeletsim.pods.requests.files import (
    HostPathPlan,
    PlannedDirectory,
    PlannedFile,
    PlannedSubPath,
    plan_container_files,
    plan_pod_files,
)
from kubeletsim.pods.requests.images import image_spec, repository, with_default_tag
from kubeletsim.pods.requests.names import dns_warnings, resolv_conf_warning
from kubeletsim.pods.requests.node import (
    NodeFacts,
    RequestError,
    container_dir,
    container_log_path,
    pod_dir,
    pod_log_dir,
)
from kubeletsim.pods.requests.sandbox import sandbox_config
from kubeletsim.pods.requests.volumes import PlannedVolume, VolumeFile, plan_volumes

__all__ = [
    "HostPathPlan",
    "NodeFacts",
    "PlannedDirectory",
    "PlannedFile",
    "PlannedSubPath",
    "PlannedVolume",
    "RequestError",
    "VolumeFile",
    "container_annotations",
    "container_config",
    "container_dir",
    "container_log_path",
    "dns_warnings",
    "image_spec",
    "plan_container_files",
    "plan_pod_files",
    "plan_volumes",
    "pod_dir",
    "pod_log_dir",
    "repository",
    "resolv_conf_warning",
    "sandbox_config",
    "with_default_tag",
]
