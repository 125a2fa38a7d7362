"""This module is the command `runtime-stub`: flags to settings, outcomes to exit codes, nothing else.

Exit codes: 0 stopped as asked, 1 could not start or failed, 2 bad flags or configuration (one line a fault on stderr).
argparse, unlike typer, loads in a few milliseconds, and gRPC is loaded only when the flags are good.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from kubeletsim.base.loopback import parse_loopback
from kubeletsim.base.suggestion import did_you_mean
from runtime_stub.settings import DEFAULT_LISTEN, LATENCY_NAMES, PROFILE_NAMES, Settings, SettingsError

MAX_RATE = 1_000_000
DEBUG_VERBOSITY = 4
"""What `-v` alone means, as klog's `-v 4`."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit."""
    flags = _parser().parse_args(arguments)
    try:
        settings = settings_of(flags)
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    sys.exit(_serve(settings, flags))


def settings_of(flags: argparse.Namespace) -> Settings:
    """Return the settings of the configuration file, if there is one, with the flags on top.

    Raises:
        SettingsError: file or flags cannot be used.
    """
    settings = Settings()
    if flags.config:
        from runtime_stub.config_file import load_settings  # pydantic: only for those who have a file

        settings = load_settings(Path(flags.config))
    given = {name: value for name, value in vars(flags).items() if value is not None}
    for name in ("config", "verbosity"):
        given.pop(name, None)
    settings = replace(settings, **given)
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    """Look at what can only be judged when everything is known."""
    from runtime_stub.behaviour.profiles import PROFILES
    from runtime_stub.listener import ListenError, parse_listen
    from runtime_stub.rule_check import rule_findings

    faults, source = [], settings.source
    try:
        parse_listen(settings.listen)
    except ListenError as error:
        faults.append(source.fault(("listen",), str(error)))
    try:
        if settings.control:
            parse_loopback(settings.control)
    except ValueError as error:
        faults.append(source.fault(("control",), f'"{settings.control}": {error}'))
    profile = PROFILES[settings.profile]
    known = sorted(profile.latencies)
    for name in settings.latencies:
        if name not in known:
            allowed = did_you_mean(name, known) or f"; allowed: {', '.join(known)}"
            faults.append(
                source.fault(("latencies", name), f"no such piece of work in profile {settings.profile}{allowed}")
            )
    faults += [source.fault(("rules", *one.path), one.problem) for one in rule_findings(settings.rules, profile)]
    if faults:
        raise SettingsError("\n".join(faults))


def _serve(settings: Settings, flags: argparse.Namespace) -> int:
    import asyncio

    import uvloop

    from kubeletsim.base import logs
    from kubeletsim.base.self_signed import PairError
    from kubeletsim.base.telemetry import TelemetrySettingsError
    from runtime_stub.journal import JournalError
    from runtime_stub.listener import ListenError
    from runtime_stub.lives import run
    from runtime_stub.reload import Reload

    logs.configure(verbosity=flags.verbosity)
    reload = Reload(Path(flags.config), lambda: settings_of(flags), settings) if flags.config else None
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings, environ=os.environ, reload=reload))
    except (ListenError, JournalError, PairError) as error:
        print(f"runtime-stub: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"runtime-stub: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except (TelemetrySettingsError, SettingsError) as error:
        print(f"runtime-stub: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="runtime-stub",
        description="A CRI v1 container runtime that simulates its containers and traces itself.",
        epilog="Flags override the file. OTEL_* variables configure the exporter further; OTEL_SERVICE_NAME names it.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--listen", metavar="ADDRESS", help=f"unix:///PATH or tcp://HOST:PORT (default {DEFAULT_LISTEN})")
    add("--config", metavar="FILE", help="a RuntimeStubConfiguration")
    add("--profile", choices=PROFILE_NAMES, help="the runtime to imitate (default containerd)")
    add("--root-dir", metavar="DIR", help="keep state here; without it, state ends with the process")
    add("--seed", type=int, metavar="N", help="the same seed draws the same (default 0)")
    add("--latency", choices=LATENCY_NAMES, help="none: answer at once (default: as long as recorded)")
    add("--otlp-endpoint", metavar="HOST:PORT", help="send spans there over OTLP gRPC (default: no spans)")
    add("--control", metavar="HOST:PORT", help="the control API, on loopback (default: none)")
    add(
        "--sampling-rate-per-million",
        type=_rate,
        metavar="N",
        help="traces begun here that are kept (default 0: only what the caller sampled)",
    )
    add("-v", dest="verbosity", type=int, metavar="N", nargs="?", const=DEBUG_VERBOSITY, default=0, help="log more")
    return parser


def _rate(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_RATE:
        raise argparse.ArgumentTypeError(f"{text!r}: must be between 0 and {MAX_RATE}")
    return int(text)
