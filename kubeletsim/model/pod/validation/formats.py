"""The spellings Kubernetes allows for names, keys, ports and paths: each check yields its faults and nothing else.

Upstream: staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address

from kubeletsim.model.errors import Fault
from kubeletsim.model.quantity import Quantity

Check = Callable[[str, str], Iterator[Fault]]
"""Takes a path and the text found there."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_UID = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_ENV_NAME = re.compile(r"[ -<>-~]+")
_PORT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SYSCTL = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
MAX_PORT = 65535


def required(path: str, value: object) -> Iterator[Fault]:
    """Refuse a missing or empty value."""
    if value is None or value == "":
        yield Fault(path, None, "must be given")


def dns_label(path: str, value: str) -> Iterator[Fault]:
    """Refuse what is no RFC 1123 label."""
    if len(value) > 63 or not _LABEL.fullmatch(value):
        rule = "must be an RFC 1123 label: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit"
        yield Fault(path, value, rule)


def dns_subdomain(path: str, value: str) -> Iterator[Fault]:
    """Refuse what is no RFC 1123 subdomain."""
    if len(value) > 253 or not _SUBDOMAIN.fullmatch(value):
        rule = (
            "must be an RFC 1123 subdomain: at most 253 of a-z, 0-9, '-' and '.', "
            "each part beginning and ending with a letter or digit"
        )
        yield Fault(path, value, rule)


def uid(path: str, value: str) -> Iterator[Fault]:
    """Refuse a UID that cannot be a directory's name; upstream leaves that to the file system."""
    if len(value) > 128 or not _UID.fullmatch(value):
        yield Fault(path, value, "must be at most 128 letters, digits, '-', '_' and '.', such as a UUID")


def qualified_name(path: str, value: str) -> Iterator[Fault]:
    """Refuse what is no key of a label or annotation: an optional DNS prefix with '/', then at most 63 characters."""
    prefix, slash, name = value.rpartition("/")
    if slash and any(dns_subdomain(path, prefix)):
        yield Fault(path, value, "must have a DNS subdomain before its '/'")
    if len(name) > 63 or not _QUALIFIED.fullmatch(name):
        rule = (
            "must be at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, "
            "with an optional prefix such as example.com/"
        )
        yield Fault(path, value, rule)


def label_value(path: str, value: str) -> Iterator[Fault]:
    """Refuse what is no value of a label."""
    if value and (len(value) > 63 or not _QUALIFIED.fullmatch(value)):
        rule = "must be at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
        yield Fault(path, value, rule)


def env_name(path: str, value: str) -> Iterator[Fault]:
    """Refuse what is no environment variable's name: printable ASCII without '='."""
    if not _ENV_NAME.fullmatch(value):
        yield Fault(path, value, "must be printable ASCII without '='")


def port_name(path: str, value: str) -> Iterator[Fault]:
    """Refuse what is no IANA service name."""
    fits = len(value) <= 15 and _PORT_NAME.fullmatch(value) and "--" not in value and any(c.isalpha() for c in value)
    if not fits:
        yield Fault(path, value, "must be at most 15 of a-z, 0-9 and '-', with a letter in it and no '--'")


def port_number(path: str, value: int) -> Iterator[Fault]:
    """Refuse what is no port."""
    if not 1 <= value <= MAX_PORT:
        yield Fault(path, value, f"must be between 1 and {MAX_PORT}")


def port(path: str, value: int | str) -> Iterator[Fault]:
    """Refuse what is neither a port's number nor a port's name."""
    yield from port_number(path, value) if isinstance(value, int) else port_name(path, value)


def at_least(path: str, value: int | None, lowest: int) -> Iterator[Fault]:
    """Refuse a number that is too small; None passes."""
    if value is not None and value < lowest:
        yield Fault(path, value, f"must be at least {lowest}")


def one_of(path: str, value: str | None, allowed: Iterable[str]) -> Iterator[Fault]:
    """Refuse a text that is not among the allowed ones; None passes."""
    listed = tuple(allowed)
    if value is not None and value not in listed:
        yield Fault(path, value, f"must be one of {', '.join(text or '(empty)' for text in listed)}")


def local_path(path: str, value: str) -> Iterator[Fault]:
    """Refuse a path that is absolute or leads out of its volume."""
    if value.startswith("/"):
        yield Fault(path, value, "must be a relative path")
    yield from no_backsteps(path, value)


def no_backsteps(path: str, value: str) -> Iterator[Fault]:
    """Refuse a path with a '..' in it."""
    if ".." in value.split("/"):
        yield Fault(path, value, "must not contain '..'")


def ip(path: str, value: str) -> Iterator[Fault]:
    """Refuse what is no IP address."""
    try:
        ip_address(value)
    except ValueError:
        yield Fault(path, value, "must be an IP address such as 10.0.0.10 or 2001:db8::10")


def sysctl(path: str, value: str) -> Iterator[Fault]:
    """Refuse what is no sysctl's name."""
    if len(value) > 253 or not _SYSCTL.fullmatch(value):
        yield Fault(path, value, "must be a sysctl name such as net.ipv4.ip_forward")


def quantity(path: str, value: str) -> Iterator[Fault]:
    """Refuse what is no quantity, or a negative one."""
    try:
        parsed = Quantity.parse(value)
    except ValueError:
        yield Fault(path, value, "must be a quantity such as 500m, 1.5 or 64Mi")
        return
    if parsed < Quantity():
        yield Fault(path, value, "must not be negative")


def exactly_one(path: str, given: Iterable[str], allowed: Iterable[str]) -> Iterator[Fault]:
    """Refuse a union in which not exactly one member is set."""
    names = tuple(given)
    if len(names) != 1:
        rule = f"must have exactly one of {', '.join(allowed)}" + (f"; has {', '.join(names)}" if names else "")
        yield Fault(path, None, rule)


def unique(path: str, field: str, values: Iterable[object]) -> Iterator[Fault]:
    """Refuse a value that an earlier item of the list has already."""
    seen = set()
    for index, value in enumerate(values):
        if value in seen:
            yield Fault(f"{path}[{index}].{field}", value, "must be unique: an earlier one has it already")
        seen.add(value)
