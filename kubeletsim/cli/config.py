"""The commands about configurations: `kubeletsim config check`, `show` and `schema`.

What they need is imported when they run, so that `kubeletsim --help` stays quick.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Check and show KubeletConfiguration files.", no_args_is_help=True)
_TAKES_FLAGS = {"allow_extra_args": True, "ignore_unknown_options": True}
_FILE = Annotated[Path, typer.Argument(metavar="FILE", help="KubeletConfiguration, as YAML or JSON.")]
_CONFIG_DIR = Annotated[
    Path | None, typer.Option("--config-dir", metavar="DIR", help="Drop-ins: files *.conf merged over FILE.")
]


@app.command(context_settings=_TAKES_FLAGS)
def check(context: typer.Context, file: _FILE, config_dir: _CONFIG_DIR = None) -> None:
    """Name everything wrong with a configuration, one line a fault; silent warnings of a kubelet count as faults.

    What only a node without an API server refuses is a note: the file does not say which node it is for.
    Further arguments are the kubelet's flags, such as --port=10250.
    """
    from kubeletsim.config.flags import parse_flags, split_arguments
    from kubeletsim.config.load import check as find_faults

    flags = parse_flags(split_arguments(context.args))
    faults = find_faults(file, config_dir=config_dir, flags=flags.config)
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        raise typer.Exit(2)
    print(f"{file}: nothing wrong", flush=True)
    if flags.kubelet.kubeconfig is None:
        for fault in find_faults(file, config_dir=config_dir, flags=flags.config, has_api_client=False):
            print(f"note: {fault}", file=sys.stderr)


@app.command(context_settings=_TAKES_FLAGS)
def show(
    context: typer.Context,
    file: _FILE,
    config_dir: _CONFIG_DIR = None,
    configz: Annotated[bool, typer.Option("--configz", help="As GET /configz prints it, instead of YAML.")] = False,
) -> None:
    """Print the effective configuration: defaults, FILE, drop-ins and flags put together.

    Further arguments are the kubelet's flags, such as --port=10250.
    """
    import json

    from kubeletsim.config.flags import parse_flags, split_arguments
    from kubeletsim.config.load import load
    from kubeletsim.config.show import to_configz, to_yaml

    flags = parse_flags(split_arguments(context.args))
    loaded = load(file, config_dir=config_dir, flags=flags.config)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(json.dumps(to_configz(loaded.config), indent=2) if configz else to_yaml(loaded.config).rstrip())


@app.command()
def schema(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Where to write; stdout without it.")] = None,
) -> None:
    """Print the JSON Schema of a configuration, for editors that check and complete while one types."""
    import json

    from kubeletsim.config.findings import Finding
    from kubeletsim.config.show import json_schema
    from kubeletsim.model.errors import ConfigError

    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    if file is None:
        print(text)
        return
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        rule = f"must be a file that can be written: {error.strerror}"
        raise ConfigError([Finding("FILE", str(file), rule)]) from None
