"""This module is the way out: what the kubelet asks for, as protobuf messages."""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar

from kubeletsim.model.requests import (
    AuthConfig,
    ContainerConfig,
    ContainerSecurityContext,
    DNSConfig,
    IDMapping,
    ImageSpec,
    LinuxResources,
    LinuxSandboxConfig,
    Mount,
    NamespaceOptions,
    PortMapping,
    SandboxConfig,
    SandboxSecurityContext,
    SeccompType,
    SecurityProfile,
    SELinuxOption,
)
from kubeletsim.model.runtime import ContainerState, SandboxState
from kubeletsim.pb import cri_pb2 as pb

T = TypeVar("T")
M = TypeVar("M")


def sandbox_config(config: SandboxConfig) -> pb.PodSandboxConfig:
    """Return CRI's PodSandboxConfig."""
    return pb.PodSandboxConfig(
        metadata=pb.PodSandboxMetadata(
            name=config.name, uid=config.uid, namespace=config.namespace, attempt=config.attempt
        ),
        hostname=config.hostname,
        log_directory=config.log_directory,
        dns_config=_maybe(_dns_config, config.dns_config),
        port_mappings=[_port_mapping(mapping) for mapping in config.port_mappings],
        labels=config.labels,
        annotations=config.annotations,
        linux=_maybe(_linux_sandbox_config, config.linux),
    )


def container_config(config: ContainerConfig) -> pb.ContainerConfig:
    """Return CRI's ContainerConfig."""
    return pb.ContainerConfig(
        metadata=pb.ContainerMetadata(name=config.name, attempt=config.attempt),
        image=image_spec(config.image),
        command=config.command,
        args=config.args,
        working_dir=config.working_dir,
        envs=[pb.KeyValue(key=key, value=value.encode()) for key, value in config.envs],
        mounts=[_mount(mount) for mount in config.mounts],
        devices=[
            pb.Device(
                container_path=device.container_path,
                host_path=device.host_path,
                permissions=device.permissions,
            )
            for device in config.devices
        ],
        labels=config.labels,
        annotations=config.annotations,
        log_path=config.log_path,
        stdin=config.stdin,
        stdin_once=config.stdin_once,
        tty=config.tty,
        linux=_linux_container_config(config),
        CDI_devices=[pb.CDIDevice(name=name) for name in config.cdi_devices],
        stop_signal=_signal(config.stop_signal),
    )


def image_spec(spec: ImageSpec) -> pb.ImageSpec:
    """Return CRI's ImageSpec."""
    return pb.ImageSpec(
        image=spec.image,
        annotations=spec.annotations,
        user_specified_image=spec.user_specified_image,
        runtime_handler=spec.runtime_handler,
        image_ref=spec.image_ref,
    )


def auth_config(auth: AuthConfig) -> pb.AuthConfig:
    """Return CRI's AuthConfig."""
    return pb.AuthConfig(
        username=auth.username,
        password=auth.password,
        auth=auth.auth,
        server_address=auth.server_address,
        identity_token=auth.identity_token,
        registry_token=auth.registry_token,
    )


def linux_resources(resources: LinuxResources) -> pb.LinuxContainerResources:
    """Return CRI's LinuxContainerResources."""
    return pb.LinuxContainerResources(
        cpu_period=resources.cpu_period,
        cpu_quota=resources.cpu_quota,
        cpu_shares=resources.cpu_shares,
        memory_limit_in_bytes=resources.memory_limit_in_bytes,
        oom_score_adj=resources.oom_score_adj,
        cpuset_cpus=resources.cpuset_cpus,
        cpuset_mems=resources.cpuset_mems,
        hugepage_limits=[
            pb.HugepageLimit(page_size=page_size, limit=limit) for page_size, limit in resources.hugepage_limits
        ],
        unified=resources.unified,
        memory_swap_limit_in_bytes=resources.memory_swap_limit_in_bytes,
    )


def sandbox_filter(
    *, sandbox_id: str | None, state: SandboxState | None, labels: Mapping[str, str]
) -> pb.PodSandboxFilter | None:
    """Return what sandboxes to list; None for all of them."""
    if not (sandbox_id or state or labels):
        return None
    return pb.PodSandboxFilter(
        id=sandbox_id or "",
        state=pb.PodSandboxStateValue(state=_number(state)) if state else None,
        label_selector=labels,
    )


def container_filter(
    *, container_id: str | None, state: ContainerState | None, sandbox_id: str | None, labels: Mapping[str, str]
) -> pb.ContainerFilter | None:
    """Return what containers to list; None for all of them."""
    if not (container_id or state or sandbox_id or labels):
        return None
    return pb.ContainerFilter(
        id=container_id or "",
        state=pb.ContainerStateValue(state=_number(state)) if state else None,
        pod_sandbox_id=sandbox_id or "",
        label_selector=labels,
    )


def container_stats_filter(
    *, container_id: str | None, sandbox_id: str | None, labels: Mapping[str, str]
) -> pb.ContainerStatsFilter | None:
    """Return whose stats to list; None for all containers."""
    if not (container_id or sandbox_id or labels):
        return None
    return pb.ContainerStatsFilter(id=container_id or "", pod_sandbox_id=sandbox_id or "", label_selector=labels)


def sandbox_stats_filter(*, sandbox_id: str | None, labels: Mapping[str, str]) -> pb.PodSandboxStatsFilter | None:
    """Return whose stats to list; None for all sandboxes."""
    return pb.PodSandboxStatsFilter(id=sandbox_id or "", label_selector=labels) if sandbox_id or labels else None


def image_filter(image: str | None) -> pb.ImageFilter | None:
    """Return which images to list; None for all of them."""
    return pb.ImageFilter(image=pb.ImageSpec(image=image)) if image else None


def _dns_config(dns: DNSConfig) -> pb.DNSConfig:
    return pb.DNSConfig(servers=dns.servers, searches=dns.searches, options=dns.options)


def _port_mapping(mapping: PortMapping) -> pb.PortMapping:
    return pb.PortMapping(
        protocol=pb.Protocol.Value(mapping.protocol),
        container_port=mapping.container_port,
        host_port=mapping.host_port,
        host_ip=mapping.host_ip,
    )


def _linux_sandbox_config(linux: LinuxSandboxConfig) -> pb.LinuxPodSandboxConfig:
    return pb.LinuxPodSandboxConfig(
        cgroup_parent=linux.cgroup_parent,
        security_context=_sandbox_security_context(linux.security_context),
        sysctls=linux.sysctls,
        overhead=_maybe(linux_resources, linux.overhead),
        resources=_maybe(linux_resources, linux.resources),
    )


def _sandbox_security_context(context: SandboxSecurityContext) -> pb.LinuxSandboxSecurityContext:
    return pb.LinuxSandboxSecurityContext(
        namespace_options=_namespace_option(context.namespace_options),
        selinux_options=_maybe(_selinux, context.selinux),
        run_as_user=_int64(context.run_as_user),
        run_as_group=_int64(context.run_as_group),
        readonly_rootfs=context.readonly_rootfs,
        supplemental_groups=context.supplemental_groups,
        supplemental_groups_policy=_groups_policy(strict=context.supplemental_groups_strict),
        privileged=context.privileged,
        seccomp=_maybe(_security_profile, context.seccomp),
        apparmor=_maybe(_security_profile, context.apparmor),
    )


def _linux_container_config(config: ContainerConfig) -> pb.LinuxContainerConfig | None:
    if config.resources is None and config.security_context is None:
        return None
    return pb.LinuxContainerConfig(
        resources=_maybe(linux_resources, config.resources),
        security_context=_maybe(_container_security_context, config.security_context),
    )


def _container_security_context(context: ContainerSecurityContext) -> pb.LinuxContainerSecurityContext:
    return pb.LinuxContainerSecurityContext(
        capabilities=_capability(context),
        privileged=context.privileged,
        namespace_options=_namespace_option(context.namespace_options),
        selinux_options=_maybe(_selinux, context.selinux),
        run_as_user=_int64(context.run_as_user),
        run_as_group=_int64(context.run_as_group),
        run_as_username=context.run_as_username,
        readonly_rootfs=context.readonly_rootfs,
        supplemental_groups=context.supplemental_groups,
        supplemental_groups_policy=_groups_policy(strict=context.supplemental_groups_strict),
        no_new_privs=context.no_new_privs,
        masked_paths=context.masked_paths,
        readonly_paths=context.readonly_paths,
        seccomp=_maybe(_security_profile, context.seccomp),
        apparmor=_maybe(_security_profile, context.apparmor),
        apparmor_profile=_old_apparmor(context.apparmor),
    )


def _old_apparmor(profile: SecurityProfile | None) -> str:
    """Return the text that older runtimes know a profile by; a kubelet fills in both fields."""
    if profile is None:
        return ""
    plain = {SeccompType.RUNTIME_DEFAULT: "runtime/default", SeccompType.UNCONFINED: "unconfined"}
    return plain.get(profile.type, f"localhost/{profile.localhost_ref}")


def _capability(context: ContainerSecurityContext) -> pb.Capability | None:
    if not (context.add_capabilities or context.drop_capabilities or context.add_ambient_capabilities):
        return None
    return pb.Capability(
        add_capabilities=context.add_capabilities,
        drop_capabilities=context.drop_capabilities,
        add_ambient_capabilities=context.add_ambient_capabilities,
    )


def _namespace_option(options: NamespaceOptions) -> pb.NamespaceOption:
    return pb.NamespaceOption(
        network=_number(options.network),
        pid=_number(options.pid),
        ipc=_number(options.ipc),
        target_id=options.target_id,
        userns_options=pb.UserNamespace(
            mode=_number(options.userns),
            uids=_id_mappings(options.userns_uids),
            gids=_id_mappings(options.userns_gids),
        ),
    )


def _selinux(option: SELinuxOption) -> pb.SELinuxOption:
    return pb.SELinuxOption(user=option.user, role=option.role, type=option.type, level=option.level)


def _security_profile(profile: SecurityProfile) -> pb.SecurityProfile:
    return pb.SecurityProfile(profile_type=_number(profile.type), localhost_ref=profile.localhost_ref)


def _mount(mount: Mount) -> pb.Mount:
    return pb.Mount(
        container_path=mount.container_path,
        host_path=mount.host_path,
        readonly=mount.readonly,
        selinux_relabel=mount.selinux_relabel,
        propagation=_number(mount.propagation),
        uidMappings=_id_mappings(mount.uid_mappings),
        gidMappings=_id_mappings(mount.gid_mappings),
        recursive_read_only=mount.recursive_read_only,
        image=_maybe(image_spec, mount.image),
        image_sub_path=mount.image_sub_path,
    )


def _id_mappings(mappings: Iterable[IDMapping]) -> list[pb.IDMapping]:
    return [
        pb.IDMapping(host_id=mapping.host_id, container_id=mapping.container_id, length=mapping.length)
        for mapping in mappings
    ]


def _maybe(convert: Callable[[T], M], value: T | None) -> M | None:
    return None if value is None else convert(value)


def _int64(value: int | None) -> pb.Int64Value | None:
    return None if value is None else pb.Int64Value(value=value)


def _groups_policy(*, strict: bool) -> Any:
    return pb.Strict if strict else pb.Merge


def _signal(number: int) -> Any:
    return number


def _number(member: Enum) -> Any:
    """Return an enum's CRI number; protobuf's own types for these exist only in its stubs."""
    return member.value
