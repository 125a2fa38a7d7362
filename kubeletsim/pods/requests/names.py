"""The names a pod gets on the network: its host name and its resolver settings.

Upstream: GeneratePodHostNameAndDomain in pkg/kubelet/kubelet_pods.go, pkg/kubelet/network/dns/dns.go.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lightkube.models.core_v1 import Pod

from kubeletsim.model.errors import go_quote
from kubeletsim.model.pod import describe, pod_name, pod_namespace, spec, uses_host_network
from kubeletsim.model.requests import DNSConfig
from kubeletsim.pods.requests.node import NodeFacts, RequestError

MAX_HOSTNAME = 63
MAX_FQDN = 64
MAX_SERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_CHARS = 2048
MAX_SEARCH_PATH = 253
CLUSTER_SEARCHES = 3
"""How many search domains a cluster's own name puts in front."""
CLUSTER_OPTIONS = ("ndots:5",)
LOCALHOST_DNS = DNSConfig(servers=("127.0.0.1",), searches=(".",))
"""What a pod gets with dnsPolicy Default on a node whose `resolvConf` is empty."""


def hostname(pod: Pod, *, node: NodeFacts) -> str:
    """Return the host name of the pod's sandbox; empty on the host's network, where the host has one already.

    Raises:
        RequestError: the pod wants its full domain name as host name, and that is longer than Linux allows.
    """
    wanted = spec(pod)
    if uses_host_network(pod):
        return ""
    if wanted.hostnameOverride:
        return wanted.hostnameOverride
    short = short_hostname(pod)
    if not (wanted.setHostnameAsFQDN and wanted.subdomain):
        return short
    full = f"{short}.{_domain(pod, node=node)}"
    if len(full) > MAX_FQDN:
        raise RequestError(
            f"Failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too long "
            f"({MAX_FQDN} characters is the max, {len(full)} characters requested)"
        )
    return full


def hosts_entry(pod: Pod, *, node: NodeFacts) -> str:
    """Return the names that stand beside the pod's address in its /etc/hosts: full name first, if it has a domain."""
    if spec(pod).hostnameOverride:
        return spec(pod).hostnameOverride or ""
    short = short_hostname(pod)
    return f"{short}.{_domain(pod, node=node)}\t{short}" if spec(pod).subdomain else short


def short_hostname(pod: Pod) -> str:
    """Return spec.hostname, or the pod's name cut to what a label may hold."""
    return spec(pod).hostname or pod_name(pod)[:MAX_HOSTNAME].rstrip("-.")


def dns_config(pod: Pod, *, node: NodeFacts) -> DNSConfig:
    """Return the resolver settings of the pod's sandbox, within the limits of a resolver."""
    config = _unlimited_dns_config(pod, node=node)
    return DNSConfig(
        servers=config.servers[:MAX_SERVERS], searches=_fitting_searches(config.searches), options=config.options
    )


@dataclass(frozen=True, slots=True)
class DNSWarning:
    """A Warning event that a pod's resolver settings give cause for."""

    reason: str
    message: str
    about_node: bool = False
    """It is the node's fault, and the event's object the node."""


def dns_warnings(pod: Pod, *, node: NodeFacts) -> list[DNSWarning]:
    """Return the Warning events that `dns_config` gives cause for, each time it is made."""
    warnings = []
    if _wants_cluster_dns(pod) and not node.cluster_dns:
        text = (
            "kubelet does not have ClusterDNS IP configured and cannot create Pod using "
            '"ClusterFirst" policy. Falling back to "Default" policy.'
        )
        warnings.append(DNSWarning("MissingClusterDNS", text, about_node=True))
        warnings.append(DNSWarning("MissingClusterDNS", f'pod: "{describe(pod)}". {text}'))
    config = _unlimited_dns_config(pod, node=node)
    fitting = _fitting_searches(config.searches)
    if len(config.servers) > MAX_SERVERS:
        kept = " ".join(config.servers[:MAX_SERVERS])
        text = (
            "Nameserver limits were exceeded, some nameservers have been omitted, "
            f"the applied nameserver line is: {kept}"
        )
        warnings.append(DNSWarning("DNSConfigForming", text))
    if len(fitting) < len(config.searches):
        text = (
            "Search Line limits were exceeded, some search paths have been omitted, "
            f"the applied search line is: {' '.join(fitting)}"
        )
        warnings.append(DNSWarning("DNSConfigForming", text))
    return warnings


def resolv_conf_warning(path: str, *, node: NodeFacts) -> str | None:
    """Return what is too much in the host's resolver file for a pod to inherit; None if nothing is.

    Upstream: CheckLimitsForResolvConf; the event's reason has the same name.
    """
    searches = node.resolv_conf.searches if node.resolv_conf is not None else ()
    room = MAX_SEARCHES - (CLUSTER_SEARCHES if node.cluster_domain else 0)
    if len(searches) > room:
        return f"Resolv.conf file '{path}' contains search line consisting of more than {room} domains!"
    if any(len(search) > MAX_SEARCH_PATH for search in searches):
        too_long = f"which length is more than allowed {MAX_SEARCH_PATH} chars!"
        return f"Resolv.conf file {go_quote(path)} contains a search path {too_long}"
    if len(" ".join(searches)) > MAX_SEARCH_CHARS:
        too_long = f"which length is more than allowed {MAX_SEARCH_CHARS} chars!"
        return f"Resolv.conf file '{path}' contains search line {too_long}"
    return None


def _domain(pod: Pod, *, node: NodeFacts) -> str:
    return f"{spec(pod).subdomain}.{pod_namespace(pod)}.svc.{node.cluster_domain}"


def _wants_cluster_dns(pod: Pod) -> bool:
    policy = spec(pod).dnsPolicy or "ClusterFirst"
    return policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not uses_host_network(pod))


def _unlimited_dns_config(pod: Pod, *, node: NodeFacts) -> DNSConfig:
    host = node.resolv_conf if node.resolv_conf is not None else LOCALHOST_DNS
    if spec(pod).dnsPolicy == "None":
        base = DNSConfig()
    elif _wants_cluster_dns(pod) and node.cluster_dns:
        host_searches = node.resolv_conf.searches if node.resolv_conf is not None else ()
        searches = (*_cluster_searches(pod, node=node), *host_searches)
        base = DNSConfig(servers=node.cluster_dns, searches=_unique(searches), options=CLUSTER_OPTIONS)
    else:
        base = host
    own = spec(pod).dnsConfig
    if own is None:
        return base
    options = dict(option.partition(":")[::2] for option in base.options)
    options |= {option.name or "": option.value or "" for option in own.options or []}
    return DNSConfig(
        servers=_unique((*base.servers, *(own.nameservers or []))),
        searches=_unique((*base.searches, *(own.searches or []))),
        options=tuple(f"{name}:{value}" if value else name for name, value in options.items()),
    )


def _cluster_searches(pod: Pod, *, node: NodeFacts) -> tuple[str, ...]:
    domain = node.cluster_domain
    return (f"{pod_namespace(pod)}.svc.{domain}", f"svc.{domain}", domain) if domain else ()


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _fitting_searches(searches: tuple[str, ...]) -> tuple[str, ...]:
    """Return as many of the first search domains as a resolver takes, by number and by length of the line.

    One that is too long for a name is left out: some resolvers abort at it.
    """
    kept = tuple(search for search in searches[:MAX_SEARCHES] if len(search) <= MAX_SEARCH_PATH)
    while len(" ".join(kept)) > MAX_SEARCH_CHARS:
        kept = kept[:-1]
    return kept
