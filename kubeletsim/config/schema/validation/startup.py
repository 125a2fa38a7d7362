"""The rules upstream enforces after validation, where it puts a value to use.

Sources: `cmd/kubelet/app/server.go` (TLS, reservations), `pkg/kubelet/eviction/helpers.go`,
`pkg/kubelet/cm/cpumanager/policy_options.go`, `pkg/kubelet/cm/topologymanager/policy_options.go`,
`staging/src/k8s.io/component-base/cli/flag/ciphersuites_flag.go`.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from kubeletsim.base.suggestion import did_you_mean
from kubeletsim.config.schema.eviction import (
    SIGNALS,
    parse_grace_period,
    parse_minimum_reclaim,
    parse_percentage,
    parse_threshold,
)
from kubeletsim.config.schema.gates import FeatureGates
from kubeletsim.config.schema.kubelet import KubeletConfiguration
from kubeletsim.config.schema.types import join_path
from kubeletsim.model.errors import Fault
from kubeletsim.model.quantity import Quantity

TLS_VERSIONS = ("VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13")
CIPHER_SUITES = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
)
KEY_EXCHANGES = {
    23: "P-256",
    24: "P-384",
    25: "P-521",
    29: "X25519",
    4587: "SecP256r1MLKEM768",
    4588: "X25519MLKEM768",
    4589: "SecP384r1MLKEM1024",
}
RESERVABLE = ("cpu", "memory", "ephemeral-storage", "pid")
_CPU_OPTIONS = {
    "full-pcpus-only": "",
    "strict-cpu-reservation": "",
    "distribute-cpus-across-numa": "CPUManagerPolicyBetaOptions",
    "prefer-align-cpus-by-uncorecache": "CPUManagerPolicyBetaOptions",
    "align-by-socket": "CPUManagerPolicyAlphaOptions",
    "distribute-cpus-across-cores": "CPUManagerPolicyAlphaOptions",
}
_TOPOLOGY_OPTIONS = {"prefer-closest-numa-nodes": "", "max-allowable-numa-nodes": ""}
_GO_BOOLEANS = ("1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False")
_FOREIGN_SCHEME = re.compile(r"(?!unix:|unix-abstract:|tcp:|dns:)[A-Za-z][A-Za-z0-9+.-]*://.*")


def startup_faults(config: KubeletConfiguration, gates: FeatureGates) -> Iterator[Fault]:
    """Name every value that fails when it is put to use."""
    yield from _tls_faults(config)
    yield from _policy_option_faults(config, gates)
    yield from _eviction_faults(config)
    yield from _amount_faults(config)
    for path in ("containerRuntimeEndpoint", "imageServiceEndpoint"):
        endpoint = getattr(config, path)
        if _FOREIGN_SCHEME.fullmatch(endpoint):
            yield Fault(path, endpoint, "must be a unix socket such as unix:///run/containerd/containerd.sock")


def _tls_faults(config: KubeletConfiguration) -> Iterator[Fault]:
    for number, suite in enumerate(config.tlsCipherSuites):
        if suite not in CIPHER_SUITES:
            rule = "must be the IANA name of a known cipher suite" + did_you_mean(suite, CIPHER_SUITES)
            yield Fault(f"tlsCipherSuites[{number}]", suite, rule)
    for number, curve in enumerate(config.tlsCurvePreferences):
        if curve not in KEY_EXCHANGES:
            known = ", ".join(f"{key} ({name})" for key, name in KEY_EXCHANGES.items())
            yield Fault(f"tlsCurvePreferences[{number}]", curve, f"must be one of {known}")
    if config.tlsMinVersion and config.tlsMinVersion not in TLS_VERSIONS:
        yield Fault("tlsMinVersion", config.tlsMinVersion, f"must be one of {', '.join(TLS_VERSIONS)}")


def _policy_option_faults(config: KubeletConfiguration, gates: FeatureGates) -> Iterator[Fault]:
    path = "cpuManagerPolicyOptions"
    if config.cpuManagerPolicyOptions and config.cpuManagerPolicy == "none":
        yield Fault(path, config.cpuManagerPolicyOptions, "must be absent while cpuManagerPolicy is none")
    else:
        yield from _option_faults(path, config.cpuManagerPolicyOptions, _CPU_OPTIONS, gates)
    options = config.topologyManagerPolicyOptions
    yield from _option_faults("topologyManagerPolicyOptions", options, _TOPOLOGY_OPTIONS, gates)


def _option_faults(
    path: str, options: Mapping[str, str], known: Mapping[str, str], gates: FeatureGates
) -> Iterator[Fault]:
    for name, value in options.items():
        here = join_path(path, name)
        if name not in known:
            yield Fault(here, value, f"no such option; known are {', '.join(known)}")
        elif known[name] and not gates.enabled(known[name]):
            yield Fault(here, value, f"needs the feature gate {known[name]}")
        elif name == "max-allowable-numa-nodes":
            if not value.isdecimal() or int(value) < 8:
                yield Fault(here, value, "must be a whole number in quotes, at least 8")
        elif value not in _GO_BOOLEANS:
            yield Fault(here, value, 'must be "true" or "false", in quotes')


def _eviction_faults(config: KubeletConfiguration) -> Iterator[Fault]:
    readers: dict[str, tuple[Mapping[str, str], Callable[[str], object]]] = {
        "evictionHard": (config.evictionHard or {}, parse_threshold),
        "evictionSoft": (config.evictionSoft, parse_threshold),
        "evictionSoftGracePeriod": (config.evictionSoftGracePeriod, parse_grace_period),
        "evictionMinimumReclaim": (config.evictionMinimumReclaim, parse_minimum_reclaim),
    }
    for path, (thresholds, reader) in readers.items():
        for signal, text in thresholds.items():
            here = join_path(path, signal)
            if signal not in SIGNALS:
                yield Fault(here, text, f"no such eviction signal; known are {', '.join(SIGNALS)}")
                continue
            try:
                reader(text)
            except ValueError as error:
                yield Fault(here, text, str(error))
    for signal, text in config.evictionSoft.items():
        if signal in SIGNALS and signal not in config.evictionSoftGracePeriod:
            yield Fault(join_path("evictionSoft", signal), text, f"needs evictionSoftGracePeriod[{signal}]")


def _amount_faults(config: KubeletConfiguration) -> Iterator[Fault]:
    for path in ("systemReserved", "kubeReserved"):
        for resource, text in getattr(config, path).items():
            here = join_path(path, resource)
            if resource not in RESERVABLE:
                yield Fault(here, text, f"no such resource; {', '.join(RESERVABLE)} can be reserved")
            elif (amount := _quantity(text)) is None or amount.nanos < 0:
                yield Fault(here, text, "must be a quantity such as 500m or 1Gi, not negative")
    if _quantity(config.containerLogMaxSize) is None:
        yield Fault("containerLogMaxSize", config.containerLogMaxSize, "must be a quantity such as 10Mi")
    for resource, text in config.qosReserved.items():
        here = join_path("qosReserved", resource)
        if resource != "memory":
            yield Fault(here, text, "no such resource; only memory can be reserved for a quality-of-service class")
            continue
        try:
            parse_percentage(text)
        except ValueError as error:
            yield Fault(here, text, str(error))


def _quantity(text: str) -> Quantity | None:
    try:
        return Quantity.parse(text)
    except ValueError:
        return None
