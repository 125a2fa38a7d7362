"""The way from files and flags to the configuration a kubelet runs with.

In order of precedence: built-in defaults, the --config file, the drop-ins of --config-dir in lexical order, flags.
`load` is as forgiving as a kubelet: an unknown field or a key given twice is a warning. `check` forgives nothing and
reports everything at once. Both go the same way and look for everything; they differ in what they do with it.

Upstream: `cmd/kubelet/app/server.go` and `pkg/kubelet/kubeletconfig/configfiles`. Differences: unknown fields of
drop-ins are warned of, too; what upstream refuses only while it starts is refused here already.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kubeletsim.config.decode import decode, kind_faults
from kubeletsim.config.documents import Document, parse_document
from kubeletsim.config.findings import Finding, in_reading_order
from kubeletsim.config.flags import apply_flags, flag_of_path
from kubeletsim.config.merge import merge_patch
from kubeletsim.config.schema.defaults import flag_baseline, with_dependent_defaults, with_eviction_defaults
from kubeletsim.config.schema.encode import encode
from kubeletsim.config.schema.gates import FeatureGates
from kubeletsim.config.schema.kubelet import KubeletConfiguration
from kubeletsim.config.schema.replace import replaced, value_at
from kubeletsim.config.schema.validation import HostFacts, advise, check_startup, validate
from kubeletsim.model.errors import ConfigError, Fault

NEUTRAL_HOST = HostFacts()
"""A machine nothing is held against: the daemon simulates, so it starts on every machine."""
DROPIN_SUFFIX = ".conf"
_PATH_FIELDS = (
    "staticPodPath",
    "authentication.x509.clientCAFile",
    "tlsCertFile",
    "tlsPrivateKeyFile",
    "resolvConf",
    "volumePluginDir",
    "podLogsDir",
)
"""Fields of the --config file whose relative paths count from that file's directory."""


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """The configuration to run with."""

    config: KubeletConfiguration
    gates: FeatureGates
    warnings: tuple[Finding, ...] = ()
    """What is wrong but did not stop it; each prints as one line."""


def load(
    config_file: Path | None,
    *,
    config_dir: Path | None = None,
    flags: Mapping[str, object] | None = None,
    host: HostFacts = NEUTRAL_HOST,
    has_api_client: bool | None = None,
) -> LoadedConfig:
    """Put the effective configuration together as a kubelet does.

    Args:
        config_file: --config; None starts from the baseline of a kubelet without one, with anonymous access.
        config_dir: --config-dir.
        flags: values by field path, as `flags.ParsedFlags.config` has them.
        host: what to check the configuration against; neutral unless a caller insists.
        has_api_client: whether --kubeconfig was given; None leaves out the rules that depend on it.

    Raises:
        ConfigError: a file cannot be read, or the configuration is one a kubelet refuses; it has every fault.
    """
    assembly = _assemble(
        config_file, config_dir=config_dir, flags=flags or {}, host=host, has_api_client=has_api_client
    )
    findings = in_reading_order(assembly.findings)
    if fatal := [finding for finding in findings if finding.fatal]:
        raise ConfigError(fatal)
    return LoadedConfig(assembly.config, FeatureGates(assembly.config.featureGates), tuple(findings))


def check(
    config_file: Path | None,
    *,
    config_dir: Path | None = None,
    flags: Mapping[str, object] | None = None,
    host: HostFacts = NEUTRAL_HOST,
    has_api_client: bool | None = None,
) -> list[Fault]:
    """Return everything that is wrong: what `load` refuses and what it warns of. Arguments as there; never raises."""
    try:
        assembly = _assemble(
            config_file, config_dir=config_dir, flags=flags or {}, host=host, has_api_client=has_api_client
        )
    except ConfigError as error:
        return list(error.faults)
    return list(in_reading_order(assembly.findings))


@dataclass(slots=True)
class _Assembly:
    """A configuration in the making, with what was found on the way."""

    config: KubeletConfiguration
    findings: list[Finding] = field(default_factory=list)
    places: dict[str, tuple[str, int]] = field(default_factory=dict)
    """File and line of each value by its path."""

    def note(self, faults: Iterable[Fault], *, fatal: bool = True, source: str = "") -> None:
        """Record faults with the place of the value each is about, or of what encloses it."""
        for fault in faults:
            elsewhere = ("" if fault.path.startswith("--") else source, None)
            file, line = next((self.places[path] for path in _enclosing(fault.path) if path in self.places), elsewhere)
            self.findings.append(Finding(fault.path, fault.value, fault.rule, source=file, line=line, fatal=fatal))

    def remember(self, document: Document, source: str) -> None:
        self.places.update({path: (source, line) for path, line in document.lines.items()})


def _assemble(
    config_file: Path | None,
    *,
    config_dir: Path | None,
    flags: Mapping[str, object],
    host: HostFacts,
    has_api_client: bool | None,
) -> _Assembly:
    assembly = _Assembly(flag_baseline()) if config_file is None else _load_main_file(config_file)
    if config_dir is not None:
        _merge_dropins(assembly, config_dir)
    broken = {finding.path for finding in assembly.findings if finding.fatal}
    assembly.config = config = apply_flags(assembly.config, flags)
    for path in flags:
        assembly.places.pop(path, None)
    # A field that could not be decoded holds its default by now; rules about that would only confuse.
    for rules, fatal in (
        (validate(config, host=host), True),
        (check_startup(config, has_api_client=has_api_client), True),
        (advise(config), False),
    ):
        sound = (fault for fault in rules if broken.isdisjoint(_enclosing(fault.path)))
        assembly.note((_by_flag(fault, flags) for fault in sound), fatal=fatal, source=str(config_file or ""))
    return assembly


def _load_main_file(file: Path) -> _Assembly:
    document = _read(file, option="--config")
    wrong_kind = kind_faults(document.value)
    if not isinstance(document.value, dict) or any(fault.value is not None for fault in wrong_kind):
        # Something else altogether; its fields would all be wrong.
        raise ConfigError([_in_file(fault, file, document) for fault in wrong_kind])
    decoded = decode(document.value)
    config = with_eviction_defaults(with_dependent_defaults(decoded.config))
    assembly = _Assembly(_with_absolute_paths(config, file.absolute().parent))
    assembly.remember(document, str(file))
    assembly.note(wrong_kind, source=str(file))
    assembly.note(decoded.unknown, fatal=False)
    assembly.note(decoded.faults)
    assembly.findings += [replace(finding, fatal=False) for finding in document.duplicates]
    if document.has_more:
        only = Fault("document", None, "must be the only one; what follows it is not read")
        assembly.note([only], fatal=False, source=str(file))
    return assembly


def _merge_dropins(assembly: _Assembly, directory: Path) -> None:
    """Merge the drop-ins into what the configuration would print as, and decode it anew, as upstream does.

    So a zero value that is not printed, such as an empty list, gives way to its default again.
    """
    merged: Any = encode(assembly.config)
    for file in _dropins(directory):
        try:
            document = _read(file, option="--config-dir")
        except ConfigError as error:
            assembly.findings += [fault for fault in error.faults if isinstance(fault, Finding)]
            continue
        assembly.findings += document.duplicates
        if wrong_kind := kind_faults(document.value):
            assembly.findings += [_in_file(fault, file, document) for fault in wrong_kind]
            continue
        assembly.remember(document, str(file))
        merged = merge_patch(merged, document.value)
    decoded = decode(merged)
    assembly.config = with_dependent_defaults(decoded.config)
    assembly.note(decoded.unknown, fatal=False)
    assembly.note(decoded.faults)


def _in_file(fault: Fault, file: Path, document: Document) -> Finding:
    line = document.lines.get(fault.path)
    return Finding(fault.path, fault.value, fault.rule, source=str(file), line=line)


def _dropins(directory: Path) -> Iterator[Path]:
    """Walk a directory in lexical order, subdirectories in their place, and yield the drop-ins."""
    try:
        entries = sorted(directory.iterdir())
    except OSError as error:
        raise ConfigError([Finding("--config-dir", str(directory), _os_rule(error, "a directory"))]) from None
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            yield from _dropins(entry)
        elif entry.suffix == DROPIN_SUFFIX:
            yield entry


def _read(file: Path, *, option: str) -> Document:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([Finding(option, str(file), _os_rule(error, "a file"))]) from None
    except UnicodeDecodeError as error:
        rule = f"must be UTF-8 text; byte {error.start} is not"
        raise ConfigError([Finding(option, str(file), rule)]) from None
    return parse_document(text, source=str(file))


def _os_rule(error: OSError, wanted: str) -> str:
    return f"must be {wanted} that can be read: {error.strerror or error}"


def _with_absolute_paths(config: KubeletConfiguration, directory: Path) -> KubeletConfiguration:
    for path in _PATH_FIELDS:
        value = value_at(config, path)
        if isinstance(value, str) and value and not value.startswith("/"):
            config = replaced(config, path, _joined(directory, value))
    return config


def _joined(directory: Path, relative: str) -> str:
    """Join two paths and take out `.` and `..`, as Go does, without looking at the disk."""
    parts: list[str] = []
    for part in (*directory.parts[1:], *relative.split("/")):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def _enclosing(path: str) -> Iterator[str]:
    """Yield a path and everything that encloses it, from the inside: `a.b[0].c`, `a.b[0]`, `a.b`, `a`."""
    while path:
        yield path
        path = path[: max(path.rfind("."), path.rfind("["), 0)]


def _by_flag(fault: Fault, flags: Mapping[str, object]) -> Fault:
    """Name the flag instead of the field if the value came from there."""
    given = next((path for path in _enclosing(fault.path) if path in flags), None)
    return fault if given is None else Fault(f"--{flag_of_path(given)}", fault.value, fault.rule)
