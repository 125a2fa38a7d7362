"""`kubeletsim demo`: see a kubelet's traces within seconds."""

import sys
from typing import Annotated

import typer


def demo(
    keep: Annotated[
        bool | None,
        typer.Option("--keep/--no-keep", help="Leave everything running until Ctrl-C. Default: on a terminal."),
    ] = None,
) -> None:
    """See a pod start traced: runtime, kubelet, receiver."""
    from kubeletsim.cli.laboratory import demonstrate

    demonstrate(keep=sys.stdout.isatty() if keep is None else keep)
