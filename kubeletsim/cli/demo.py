"""`kubeletsim demo`: see a kubelet's traces within seconds."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def demo(
    keep: Annotated[
        bool | None,
        typer.Option("--keep/--no-keep", help="Leave everything running until Ctrl-C. Default: on a terminal."),
    ] = None,
    stub_config: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, metavar="FILE", help="A RuntimeStubConfiguration: a slow or failing runtime."
        ),
    ] = None,
) -> None:
    """See a pod start traced: runtime, kubelet, receiver."""
    from kubeletsim.cli.laboratory import demonstrate

    demonstrate(keep=sys.stdout.isatty() if keep is None else keep, stub_config=stub_config)
