"""Where a node's pods come from: the sources that its configuration turns on."""

from pathlib import Path

from kubeletsim.agent.foundation import Foundation
from kubeletsim.model.pod import FILE_SOURCE, HTTP_SOURCE
from kubeletsim.pods.sources import FileSource, PodConfig, URLSource

Source = FileSource | URLSource


def build_sources(base: Foundation) -> tuple[PodConfig, dict[str, Source]]:
    """Build the sources that are configured; without any, `PodConfig` has nothing to wait for."""
    path, url = base.config.staticPodPath, base.config.staticPodURL
    names = [name for name, place in ((FILE_SOURCE, path), (HTTP_SOURCE, url)) if place]
    config = PodConfig(names, clock=base.clock, record=base.record)
    sources: dict[str, Source] = {}
    may_reference_api = "PreventStaticPodAPIReferences" not in base.gates
    if path:
        sources[FILE_SOURCE] = FileSource(
            Path(path),
            node_name=base.facts.name,
            publish=config.publisher(FILE_SOURCE),
            check_frequency_seconds=base.config.fileCheckFrequency.seconds,
            rng=base.rng,
            may_reference_api=may_reference_api,
        )
    if url:
        sources[HTTP_SOURCE] = URLSource(
            url,
            headers=base.config.staticPodURLHeader,
            node_name=base.facts.name,
            publish=config.publisher(HTTP_SOURCE),
            check_frequency_seconds=base.config.httpCheckFrequency.seconds,
            rng=base.rng,
            may_reference_api=may_reference_api,
        )
    return config, sources
