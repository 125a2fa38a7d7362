"""This module is the DNS of the simulated cluster: what CoreDNS knows where there are pods and no services.

A pod has the name `<its address, with dashes>.<namespace>.pod.<cluster domain>`, and with a hostname and a subdomain
`<hostname>.<subdomain>.<namespace>.svc.<cluster domain>`. Every other name is NXDOMAIN: nothing is asked outside.
"""

from collections.abc import Iterable, Sequence

from runtime_stub.state.records import Sandbox

_POD, _SERVICE = "pod", "svc"


def records(name: str, sandboxes: Iterable[Sandbox]) -> Sequence[str]:
    """Return the addresses of a fully qualified name; none for NXDOMAIN."""
    labels = name.rstrip(".").lower().split(".")
    if len(labels) > 3 and labels[2] == _POD:
        return [ip for one in _in(labels[1], sandboxes) for ip in one.ips if _dashed(ip) == labels[0]]
    if len(labels) > 4 and labels[3] == _SERVICE:
        hostname, subdomain = labels[:2]
        return [
            ip
            for one in _in(labels[2], sandboxes)
            if one.config.hostname.split(".")[0] == hostname and _subdomain(one) == subdomain
            for ip in one.ips
        ]
    return []


def _in(namespace: str, sandboxes: Iterable[Sandbox]) -> list[Sandbox]:
    return [one for one in sandboxes if one.config.metadata.namespace == namespace]


def _subdomain(sandbox: Sandbox) -> str:
    """Return the subdomain of a pod whose hostname is fully qualified (setHostnameAsFQDN)."""
    return sandbox.config.hostname.partition(".")[2].partition(".")[0]


def _dashed(address: str) -> str:
    return address.replace(".", "-").replace(":", "-")
