"""Where pods come from: manifests are decoded, files watched, a URL fetched, and all sources merged into one stream."""

from kubeletsim.pods.sources.file import FileSource
from kubeletsim.pods.sources.merge import PodConfig, PodOp, PodUpdate
from kubeletsim.pods.sources.url import URLSource

__all__ = ["FileSource", "PodConfig", "PodOp", "PodUpdate", "URLSource"]
