"""This module runs a critest found on PATH against a stub that it starts, and prints what passed: `make conformance`.

Exit codes: 0 when all specs but those of group C pass (docs/conformance.md says which and why), 1 otherwise, 2 when
there is no critest.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
START_SECONDS = 20
GROUP_C = re.compile(
    r"apparmor|mount propagation|should support (non-)?recursive readonly mounts|HostPID|HostIpc|PodPID|ContainerPID"
    r"|Privileged is|(adding|dropping) capability|seccomp|NoNewPrivs|support NamespaceMode_(POD|NODE)|\bNRI\b|Nri",
    re.IGNORECASE,
)
"""Specs that need real isolation or another subsystem, by their text."""
BENCHMARK = re.compile(r"^benchmark|benchmark about", re.IGNORECASE)


def main() -> int:
    """Run critest and print the table."""
    critest = shutil.which("critest")
    if critest is None:
        print("conformance: no critest on PATH: https://github.com/kubernetes-sigs/cri-tools", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
        reports = run(critest, Path(directory), sys.argv[1:])
    return tell(reports)


def run(critest: str, directory: Path, arguments: list[str]) -> list[dict[str, Any]]:
    """Start a stub, run critest against it, and return its report of every spec."""
    socket, report = directory / "cri.sock", directory / "report.json"
    command = [sys.executable, "-m", "runtime_stub", "--listen", f"unix://{socket}"]
    stub = subprocess.Popen([*command, "--config", str(ROOT / "config" / "conformance.yaml")], cwd=ROOT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not socket.exists() and stub.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        endpoints = ["-runtime-endpoint", f"unix://{socket}", "-image-endpoint", f"unix://{socket}"]
        options = [f"--ginkgo.json-report={report}", "--ginkgo.no-color", *arguments]
        subprocess.run([critest, *endpoints, *options], check=False)
        suites = json.loads(report.read_text())
    finally:
        stub.terminate()
        stub.wait()
    return [one for suite in suites for one in suite["SpecReports"] if one["LeafNodeType"] == "It"]


def tell(reports: Iterable[dict[str, Any]]) -> int:
    """Print the table and what went wrong; return the exit code."""
    counts: dict[str, Counter[str]] = {"A and B": Counter(), "C": Counter(), "benchmarks": Counter()}
    wrong = []
    for one in reports:
        text = " ".join([*(one["ContainerHierarchyTexts"] or []), one["LeafNodeText"]])
        group = "benchmarks" if BENCHMARK.search(text) else "C" if GROUP_C.search(text) else "A and B"
        counts[group][one["State"]] += 1
        if group == "A and B" and one["State"] != "passed" and one["RunTime"]:
            wrong.append(f"{one['State']}: {text}")
    print(f"\n{'group':12}{'passed':>8}{'failed':>8}{'skipped':>8}")
    for group, states in counts.items():
        print(f"{group:12}{states['passed']:8}{states['failed'] + states['timedout']:8}{states['skipped']:8}")
    print(*wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
