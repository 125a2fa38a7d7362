"""`kubeletsim run`: the node agent."""

import os
import sys

import typer

MAIN_FLAGS = (
    "config",
    "config-dir",
    "container-runtime-endpoint",
    "image-service-endpoint",
    "hostname-override",
    "node-ip",
    "root-dir",
    "cert-dir",
    "kubeconfig",
    "feature-gates",
    "v",
)
"""What most people need; everything else that a kubelet takes works too."""


def run(context: typer.Context) -> None:
    """Run the node agent: a kubelet with upstream's flags.

    Static pods on any CRI v1 runtime, the HTTPS API, every trace of kubelet 1.36.

    Takes a kubelet's flags; `kubeletsim run --help` lists them.
    """
    arguments = list(context.args)
    if {"--help", "-h"} & set(arguments):
        _print_help()
        return
    # The daemon replaces this process, so that what only the command line needs does not stay in its memory.
    os.execv(sys.executable, [sys.executable, "-m", "kubeletsim.agent", *arguments])  # noqa: S606  our own module


def _print_help() -> None:
    from rich.console import Console
    from rich.table import Table

    from kubeletsim.config.flags import FlagHelp, describe_flags

    def table(title: str, flags: list[FlagHelp]) -> Table:
        drawn = Table(title=title, title_justify="left", box=None, show_header=False, pad_edge=False)
        for flag in flags:
            name = f"-{flag.shorthand}, --{flag.name}" if flag.shorthand else f"--{flag.name}"
            default = f" [dim](default {flag.default})[/]" if flag.default else ""
            drawn.add_row(f"  [cyan]{name}[/]", flag.type, f"{flag.help}{default}")
        return drawn

    console = Console()
    console.print(
        "[bold]kubeletsim run[/] --config FILE \\[flags]\n\nA kubelet you can run anywhere; its flags are upstream's.\n"
    )
    console.print(table("Flags", describe_flags(MAIN_FLAGS)))
    rest = [flag for flag in describe_flags() if flag.name not in MAIN_FLAGS]
    console.print()
    console.print(table("Flags that override a field of the configuration, or are rarely needed", rest))
