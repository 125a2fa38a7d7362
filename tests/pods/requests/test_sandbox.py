"""The request for a sandbox."""

import pytest

from kubeletsim.model.pod import describe, set_defaults
from kubeletsim.model.requests import (
    DNSConfig,
    IDMapping,
    NamespaceMode,
    PortMapping,
    SeccompType,
    SELinuxOption,
)
from kubeletsim.model.runtime import CgroupDriver
from kubeletsim.pods.requests import NodeFacts, RequestError, resolv_conf_warning, sandbox_config
from kubeletsim.pods.requests.names import dns_warnings
from tests.fakes.pods import UID, container, make_pod

NODE = NodeFacts(
    name="node",
    host_ips=("192.0.2.1",),
    cluster_dns=("10.96.0.10",),
    cluster_domain="cluster.local",
    resolv_conf=DNSConfig(servers=("192.0.2.53",), searches=("example.com",), options=("timeout:2",)),
)
FULL = {"limits": {"cpu": "1500m", "memory": "64Mi"}}


def config(*containers, node=NODE, attempt=0, userns=None, **spec):
    pod = set_defaults(make_pod(*containers, **{"hostNetwork": False, **spec}))
    return sandbox_config(pod, attempt=attempt, node=node, userns=userns)


def test_a_sandbox_carries_the_pods_identity():
    made = config(attempt=3)

    assert (made.name, made.namespace, made.uid, made.attempt) == ("web", "default", UID, 3)
    assert made.log_directory == f"/var/log/pods/default_web_{UID}"
    assert made.labels == {
        "io.kubernetes.pod.name": "web",
        "io.kubernetes.pod.namespace": "default",
        "io.kubernetes.pod.uid": UID,
    }
    assert made.annotations == {"kubernetes.io/config.source": "file"}


@pytest.mark.parametrize(
    ("spec", "hostname"),
    [
        ({}, "web"),
        ({"hostname": "alpha"}, "alpha"),
        ({"hostNetwork": True}, ""),
        ({"hostname": "alpha", "subdomain": "sub"}, "alpha"),
        ({"hostname": "alpha", "subdomain": "sub", "setHostnameAsFQDN": True}, "alpha.sub.default.svc.cluster.local"),
        ({"setHostnameAsFQDN": True}, "web"),
        ({"hostname": "alpha", "hostnameOverride": "any.name"}, "any.name"),
    ],
)
def test_the_host_name_comes_from_the_spec_or_the_pods_name(spec, hostname):
    assert config(**spec).hostname == hostname


def test_a_long_name_is_cut_to_a_label():
    pod = set_defaults(make_pod(name=f"{'a' * 62}-{'b' * 20}", hostNetwork=False))

    assert sandbox_config(pod, attempt=0, node=NODE).hostname == "a" * 62


def test_a_full_name_that_linux_cannot_hold_is_refused():
    with pytest.raises(RequestError, match="64 characters is the max, 91 characters requested"):
        config(hostname="a" * 30, subdomain="s" * 34, setHostnameAsFQDN=True)


HOST_DNS = DNSConfig(servers=("192.0.2.53",), searches=("example.com",), options=("timeout:2",))
CLUSTER_DNS = DNSConfig(
    servers=("10.96.0.10",),
    searches=("default.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.com"),
    options=("ndots:5",),
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, CLUSTER_DNS),
        ({"hostNetwork": True}, HOST_DNS),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, CLUSTER_DNS),
        ({"dnsPolicy": "Default"}, HOST_DNS),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.9"]}}, DNSConfig(servers=("192.0.2.9",))),
        (
            {
                "dnsPolicy": "Default",
                "dnsConfig": {
                    "nameservers": ["192.0.2.9", "192.0.2.53"],
                    "searches": ["own.example"],
                    "options": [{"name": "timeout", "value": "9"}, {"name": "edns0"}],
                },
            },
            DNSConfig(
                servers=("192.0.2.53", "192.0.2.9"),
                searches=("example.com", "own.example"),
                options=("timeout:9", "edns0"),
            ),
        ),
    ],
)
def test_resolver_settings_follow_the_dns_policy(spec, expected):
    assert config(**spec).dns_config == expected


def test_without_cluster_dns_a_pod_gets_the_hosts_and_an_event():
    node = NodeFacts(name="node", resolv_conf=HOST_DNS)
    pod = set_defaults(make_pod(hostNetwork=False))

    assert sandbox_config(pod, attempt=0, node=node).dns_config == HOST_DNS
    about_node, about_pod = dns_warnings(pod, node=node)
    text = (
        'kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy. '
        'Falling back to "Default" policy.'
    )
    assert (about_node.reason, about_node.message, about_node.about_node) == ("MissingClusterDNS", text, True)
    assert about_pod.message == f'pod: "{describe(pod)}". {text}'
    assert dns_warnings(pod, node=NODE) == []


def test_without_a_resolver_file_names_are_looked_up_at_home():
    node = NodeFacts(name="node", resolv_conf=None)

    assert config(node=node, dnsPolicy="Default").dns_config == DNSConfig(servers=("127.0.0.1",), searches=(".",))


def test_a_resolvers_limits_are_kept_and_reported():
    own = {"nameservers": ["192.0.2.7", "192.0.2.8", "192.0.2.9"], "searches": [f"{'x' * 70}.d{n}" for n in range(32)]}
    pod = set_defaults(make_pod(hostNetwork=False, dnsConfig=own))
    made = sandbox_config(pod, attempt=0, node=NODE).dns_config

    assert made is not None
    assert made.servers == ("10.96.0.10", "192.0.2.7", "192.0.2.8")
    assert len(" ".join(made.searches)) <= 2048
    assert [one.reason for one in dns_warnings(pod, node=NODE)] == ["DNSConfigForming", "DNSConfigForming"]


def test_a_search_domain_that_is_too_long_for_a_name_is_left_out_and_reported():
    pod = set_defaults(make_pod(hostNetwork=False, dnsConfig={"searches": ["x" * 254, "short.example"]}))
    made = sandbox_config(pod, attempt=0, node=NODE).dns_config

    assert made is not None
    assert "short.example" in made.searches
    assert max(map(len, made.searches)) <= 253
    assert [one.reason for one in dns_warnings(pod, node=NODE)] == ["DNSConfigForming"]


def test_every_port_of_the_regular_containers_is_listed_once():
    ports = [
        {"containerPort": 80, "name": "a"},
        {"containerPort": 80, "name": "b"},
        {"containerPort": 53, "protocol": "UDP"},
    ]
    published = [{"containerPort": 81, "hostPort": 8081, "hostIP": "192.0.2.1"}]

    assert config(container("a", ports=ports), container("b", ports=published)).port_mappings == (
        PortMapping(protocol="TCP", container_port=80),
        PortMapping(protocol="UDP", container_port=53),
        PortMapping(protocol="TCP", container_port=81, host_port=8081, host_ip="192.0.2.1"),
    )


@pytest.mark.parametrize(
    ("driver", "resources", "expected"),
    [
        (CgroupDriver.CGROUPFS, FULL, "/kubepods/poda-b"),
        (CgroupDriver.CGROUPFS, {"requests": {"cpu": "1"}}, "/kubepods/burstable/poda-b"),
        (CgroupDriver.CGROUPFS, {}, "/kubepods/besteffort/poda-b"),
        (CgroupDriver.SYSTEMD, FULL, "/kubepods.slice/kubepods-poda_b.slice"),
        (
            CgroupDriver.SYSTEMD,
            {"requests": {"cpu": "1"}},
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda_b.slice",
        ),
        (
            CgroupDriver.SYSTEMD,
            {},
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-poda_b.slice",
        ),
    ],
)
def test_the_cgroup_follows_quality_of_service_and_driver(driver, resources, expected):
    pod = set_defaults(make_pod(container("app", resources=resources), uid="a-b"))
    made = sandbox_config(pod, attempt=0, node=NodeFacts(name="node", cgroup_driver=driver))

    assert made.linux is not None
    assert made.linux.cgroup_parent == expected


def test_without_cgroups_per_class_there_is_no_parent():
    made = config(node=NodeFacts(name="node", cgroups_per_qos=False))

    assert made.linux is not None
    assert made.linux.cgroup_parent == ""


def test_the_sandbox_gets_the_pods_totals_and_its_own_overhead():
    made = config(container("a", resources=FULL), overhead={"cpu": "250m", "memory": "1Mi"}).linux

    assert made is not None
    assert made.resources is not None
    assert made.overhead is not None
    assert (made.resources.cpu_shares, made.resources.cpu_quota, made.resources.cpu_period) == (1536, 150_000, 100_000)
    assert made.resources.memory_limit_in_bytes == 64 << 20
    assert (made.overhead.cpu_shares, made.overhead.cpu_quota, made.overhead.memory_limit_in_bytes) == (
        256,
        25_000,
        1 << 20,
    )


def test_the_sandboxs_security_context_is_the_pods():
    context = {
        "runAsUser": 1000,
        "runAsGroup": 2000,
        "fsGroup": 3000,
        "supplementalGroups": [4000],
        "supplementalGroupsPolicy": "Strict",
        "seLinuxOptions": {"level": "s0"},
        "sysctls": [{"name": "net.core.somaxconn", "value": "1024"}],
    }
    made = config(container("a", securityContext={"privileged": True}), securityContext=context).linux

    assert made is not None
    assert made.sysctls == {"net.core.somaxconn": "1024"}
    security = made.security_context
    assert (security.run_as_user, security.run_as_group, security.supplemental_groups) == (1000, 2000, (3000, 4000))
    assert security.supplemental_groups_strict
    assert security.privileged
    assert security.selinux == SELinuxOption(level="s0")
    assert security.seccomp is not None
    assert security.seccomp.type is SeccompType.RUNTIME_DEFAULT


@pytest.mark.parametrize(
    ("spec", "field", "mode"),
    [
        ({}, "network", NamespaceMode.POD),
        ({"hostNetwork": True}, "network", NamespaceMode.NODE),
        ({}, "pid", NamespaceMode.CONTAINER),
        ({"shareProcessNamespace": True}, "pid", NamespaceMode.POD),
        ({"hostPID": True}, "pid", NamespaceMode.NODE),
        ({}, "ipc", NamespaceMode.POD),
        ({"hostIPC": True}, "ipc", NamespaceMode.NODE),
        ({}, "userns", NamespaceMode.NODE),
        ({"hostUsers": False}, "userns", NamespaceMode.POD),
    ],
)
def test_namespaces_are_shared_as_the_spec_says(spec, field, mode):
    linux = config(**spec).linux

    assert linux is not None
    assert getattr(linux.security_context.namespace_options, field) is mode


def test_a_pod_with_its_own_users_gets_the_range_it_was_given():
    mapping = IDMapping(host_id=65536, container_id=0, length=65536)
    linux = config(userns=mapping, hostUsers=False).linux

    assert linux is not None
    assert linux.security_context.namespace_options.userns_uids == (mapping,)
    assert linux.security_context.namespace_options.userns_gids == (mapping,)


@pytest.mark.parametrize(
    ("searches", "domain", "told"),
    [
        (["a"] * 32, "", None),
        (["a"] * 33, "", "Resolv.conf file '/r' contains search line consisting of more than 32 domains!"),
        (["a"] * 30, "cluster.local", "Resolv.conf file '/r' contains search line consisting of more than 29 domains!"),
        (
            ["a" * 254],
            "",
            'Resolv.conf file "/r" contains a search path which length is more than allowed 253 chars!',
        ),
        (
            ["a" * 250] * 9,
            "",
            "Resolv.conf file '/r' contains search line which length is more than allowed 2048 chars!",
        ),
    ],
)
def test_a_hosts_resolver_file_may_hold_too_much_for_a_pod(searches, domain, told):
    node = NodeFacts(name="n", resolv_conf=DNSConfig(searches=tuple(searches)), cluster_domain=domain)

    assert resolv_conf_warning("/r", node=node) == told
