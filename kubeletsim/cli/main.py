"""The `kubeletsim` command: gathers the subcommands and turns errors into lines and exit codes.

Exit codes: 0 done, 1 failed while running, 2 bad arguments or configuration with one line a fault.
"""

import sys
from typing import Annotated

import typer

from kubeletsim.agent.effective import BAD_CONFIGURATION, FAILED, report
from kubeletsim.cli import config, demo, run, traces
from kubeletsim.model.errors import ConfigError, KubeletSimError

app = typer.Typer(
    name="kubeletsim",
    help="A kubelet you can run anywhere for the sake of its traces.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # rich would take longer to import than the help takes to read
)
app.command("demo")(demo.demo)
app.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)(
    run.run
)
app.add_typer(config.app, name="config")
app.add_typer(traces.app, name="traces")


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"kubeletsim {version('kubeletsim')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """A kubelet you can run anywhere for the sake of its traces."""


def main() -> None:
    """Run a command; every expected failure ends in a line on stderr and an exit code, never in a traceback."""
    try:
        app()
    except ConfigError as error:
        report(error)
        sys.exit(BAD_CONFIGURATION)
    except KubeletSimError as error:
        report(error)
        sys.exit(FAILED)
