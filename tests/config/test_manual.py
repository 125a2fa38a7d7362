"""The examples of docs/configuration.md, run."""

import os
import re
import subprocess
import sys
from pathlib import Path

MANUAL = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
FILE = re.compile(r"^`([\w./-]+)`:\n\n```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_print_what_the_manual_shows(tmp_path: Path) -> None:
    for name, text in FILE.findall(MANUAL):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    commands = 0
    for block in CONSOLE.findall(MANUAL):
        for example in block.removeprefix("$ ").split("\n$ "):
            command, _, shown = example.partition("\n")
            done = subprocess.run(
                command,
                shell=True,
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                env={**os.environ, "PATH": path},
            )
            assert done.stdout.rstrip("\n") == shown.rstrip("\n"), command
            commands += 1
    assert commands == 8
