"""Claims about the machine's use of its resources, by what its kernel tells."""

import os
from pathlib import Path

import pytest

from kubeletsim.agent.node_usage import read_node_usage

STAT = "cpu  100 20 30 4000 500 6 7 8 99 99\ncpu0 1 2 3 4\n"
MEMORY = """MemTotal:       1000 kB
MemFree:         300 kB
Inactive(file):  200 kB
SwapTotal:        50 kB
SwapFree:         40 kB
HugePages_Total:       0
"""


def write(proc: Path, *, stat: str = STAT, memory: str = MEMORY) -> Path:
    (proc / "stat").write_text(stat)
    (proc / "meminfo").write_text(memory)
    return proc


def test_idle_time_guests_and_files_that_nobody_reads_do_not_count(tmp_path: Path) -> None:
    usage = read_node_usage(now=2.5, proc=write(tmp_path))

    assert usage is not None
    assert usage.cpu_seconds == (100 + 20 + 30 + 6 + 7 + 8) / os.sysconf("SC_CLK_TCK")
    assert (usage.working_set_bytes, usage.swap_bytes) == (500 * 1024, 10 * 1024)
    assert usage.timestamp == 2_500_000_000


@pytest.mark.parametrize("files", [{"stat": ""}, {"stat": "cpu x"}, {"memory": "MemTotal: 1 kB\n"}, {"memory": "oh"}])
def test_what_makes_no_sense_is_not_measured(tmp_path: Path, files: dict[str, str]) -> None:
    assert read_node_usage(now=1, proc=write(tmp_path, **files)) is None


def test_a_machine_without_proc_is_not_measured(tmp_path: Path) -> None:
    assert read_node_usage(now=1, proc=tmp_path / "none") is None
