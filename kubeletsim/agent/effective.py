"""The effective configuration, read in a child process that takes the reading's memory with it.

Reading a KubeletConfiguration needs its whole schema, compiled; living by it needs a few hundred values. So the daemon
forks before it has imported anything large: the child reads and either says on stderr what is wrong or hands back
plain values, while the parent goes on importing. docs/decisions/0003 has the figures.
"""

import os
import pickle
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from kubeletsim.config.credential_providers import CredentialProviderSettings
from kubeletsim.model.errors import ConfigError, Fault, KubeletSimError

if TYPE_CHECKING:
    from kubeletsim.config.kubelet_flags import KubeletFlags
    from kubeletsim.config.schema.kubelet import KubeletConfiguration

FAILED, BAD_CONFIGURATION = 1, 2


@dataclass(frozen=True, slots=True)
class Effective:
    """What a node lives by."""

    config: "KubeletConfiguration"
    """A snapshot of it."""
    configz: Mapping[str, Any]
    """The same as JSON types, as /configz prints it."""
    flags: "KubeletFlags"
    gates: frozenset[str]
    """The feature gates that are on."""
    warnings: tuple[str, ...] = ()
    credential_providers: tuple[CredentialProviderSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class PendingConfiguration:
    """A configuration that is being read."""

    child: int
    pipe: int

    def wait(self) -> Effective | int:
        """Return it; or, when the child has said what is wrong, the exit code that goes with that."""
        with os.fdopen(self.pipe, "rb") as stream:
            written = stream.read()
        code = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
        if code:
            return code if code > 0 else FAILED
        effective: Effective = pickle.loads(written)  # noqa: S301  written by our own child
        return effective


def begin_reading(arguments: Sequence[str]) -> PendingConfiguration:
    """Fork a child that reads flags and configuration. To be called while the process has one thread."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _read_and_exit(arguments, writing)
    os.close(writing)
    return PendingConfiguration(child, reading)


def read_effective(arguments: Sequence[str]) -> Effective:
    """Understand flags and configuration.

    Raises:
        ConfigError: they cannot be used; every fault is in it.
    """
    from kubeletsim.config.credential_provider_files import check_flags, read_credential_providers
    from kubeletsim.config.flags import parse_flags, split_arguments
    from kubeletsim.config.load import load
    from kubeletsim.config.show import to_configz
    from kubeletsim.config.snapshot import snapshot

    parsed = parse_flags(split_arguments(arguments))
    flags = parsed.kubelet
    if flags.kubeconfig is not None:
        rule = "must be absent: this version runs standalone, without an API server"
        raise ConfigError([Fault("--kubeconfig", str(flags.kubeconfig), rule)])
    config, bin_dir = flags.image_credential_provider_config, flags.image_credential_provider_bin_dir
    check_flags(config, bin_dir)
    # Webhooks without an API server are for the server to refuse, after the runtime has answered and with exit code 1.
    loaded = load(flags.config, config_dir=flags.config_dir, flags=parsed.config)
    return Effective(
        config=snapshot(loaded.config),
        configz=to_configz(loaded.config)["kubeletconfig"],
        flags=flags,
        gates=loaded.gates.all_enabled(),
        warnings=tuple(str(warning) for warning in loaded.warnings),
        credential_providers=read_credential_providers(config, bin_dir=bin_dir) if config and bin_dir else (),
    )


def _read_and_exit(arguments: Sequence[str], writing: int) -> NoReturn:
    """Be the child: nothing of the parent's runs here, not even its exit handlers."""
    code = FAILED
    try:
        written = pickle.dumps(read_effective(arguments))
        with os.fdopen(writing, "wb") as stream:
            stream.write(written)
        code = 0
    except ConfigError as error:
        code = BAD_CONFIGURATION
        report(error)
    except KubeletSimError as error:
        report(error)
    except BaseException:  # noqa: BLE001  whatever it is, the child must not go on as a second daemon
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def report(error: KubeletSimError) -> None:
    """Say on stderr what is wrong, one line a fault."""
    print(f"kubeletsim: {error}".replace("\n", "\nkubeletsim: "), file=sys.stderr)  # noqa: T201
