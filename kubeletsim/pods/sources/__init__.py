"""Where pods come from: manifests are decoded, files read and watched, and all sources merged into one stream."""

from kubeletsim.pods.sources.file import FileSource
from kubeletsim.pods.sources.merge import PodConfig, PodOp, PodUpdate

__all__ = ["FileSource", "PodConfig", "PodOp", "PodUpdate"]
