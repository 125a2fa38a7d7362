"""What a node lives by, and where it follows from the configuration alone."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kubeletsim.agent.foundation import Foundation


@pytest.mark.parametrize(
    ("pod_logs_dir", "links"), [("/var/log/pods", "/var/log/containers"), ("/tmp/node/logs", "/tmp/node/containers")]
)
def test_links_to_logs_are_beside_the_logs(pod_logs_dir: str, links: str) -> None:
    unused: dict[str, Any] = dict.fromkeys(Foundation.__dataclass_fields__)
    base = Foundation(**unused)

    made = replace(base, config=cast("Any", SimpleNamespace(podLogsDir=pod_logs_dir)))

    assert made.log_links_dir == Path(links)
