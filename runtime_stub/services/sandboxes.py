"""This module is the sandbox half of RuntimeService: run, stop, remove, status, list.

Upstream: internal/cri/server/sandbox_run.go, sandbox_stop.go, sandbox_remove.go, sandbox_status.go, sandbox_list.go.
"""

import json
from collections.abc import Iterable

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.profiles import Profile
from runtime_stub.machine import Machine
from runtime_stub.services.answers import Chunks, Listing, message_json, rfc3339
from runtime_stub.services.checks import check_user_namespace
from runtime_stub.services.oci_spec import network_namespace, sandbox_spec
from runtime_stub.services.performer import Performer
from runtime_stub.services.pulls import Puller
from runtime_stub.services.scene import Scene
from runtime_stub.services.stopping import removal_scene, stopping_scene
from runtime_stub.state.addresses import AddressPool
from runtime_stub.state.filters import select_sandboxes
from runtime_stub.state.records import Sandbox, SandboxState, uses_host_network
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.state.subjects import pod_key
from runtime_stub.state.views import sandbox_item, sandbox_status


class Sandboxes:
    """Handlers of the sandbox RPCs."""

    def __init__(
        self,
        machine: Machine,
        performer: Performer,
        *,
        profile: Profile,
        puller: Puller,
        pool: AddressPool,
        runtime_handlers: Iterable[str],
        sandbox_image: str,
    ) -> None:
        self._machine = machine
        self._performer = performer
        self._profile = profile
        self._puller = puller
        self._pool = pool
        self._runtime_handlers = frozenset({"", *runtime_handlers})
        self._sandbox_image = sandbox_image
        self._listing = Listing(sandbox_item)

    async def run_pod_sandbox(self, request: pb.RunPodSandboxRequest) -> pb.RunPodSandboxResponse:
        """Make a sandbox and start it; answer when it is ready and, unless it uses the host's, has a network."""
        world, id_ = self._machine.world, self._machine.new_id()
        config = request.config
        try:
            name = world.reserve_sandbox(id_, config)
        except Refusal as refusal:
            if self._profile.returns_existing and world.get_sandbox(refusal.holder) is not None:
                return pb.RunPodSandboxResponse(pod_sandbox_id=refusal.holder)
            raise
        ips: list[str] = []
        try:
            if request.runtime_handler not in self._runtime_handlers:
                raise Refusal(Reason.HANDLER_UNKNOWN, id=id_, handler=request.runtime_handler)
            check_user_namespace(config, id_=id_)
            scene = self._running_scene(id_, name, config, handler=request.runtime_handler, ips=ips)
            await self._performer.perform("RunPodSandbox", scene)
        finally:
            if world.get_sandbox(id_) is None:  # refused or cancelled before it was there
                world.release_sandbox(id_)
                self._pool.release(ips)
        return pb.RunPodSandboxResponse(pod_sandbox_id=id_)

    async def stop_pod_sandbox(self, request: pb.StopPodSandboxRequest) -> pb.StopPodSandboxResponse:
        """Kill a sandbox's containers and itself, and take its network down; fine when that has been done."""
        if (sandbox := self._find(request.pod_sandbox_id)) is not None:
            await self._performer.perform("StopPodSandbox", self._stopping_scene(sandbox))
        return pb.StopPodSandboxResponse()

    async def remove_pod_sandbox(self, request: pb.RemovePodSandboxRequest) -> pb.RemovePodSandboxResponse:
        """Stop a sandbox and forget it and its containers; fine when it is gone."""
        if (sandbox := self._find(request.pod_sandbox_id)) is None:
            return pb.RemovePodSandboxResponse()
        machine, id_ = self._machine, sandbox.id
        scene = self._stopping_scene(sandbox)

        def members() -> Iterable[Scene]:
            # The same group is stopped first and removed later; by then a scene must know how to do either.
            return [removal_scene(machine, one) for one in machine.world.containers_of(id_)]

        def commit() -> None:
            for late in machine.world.containers_of(id_):  # created while the sandbox was being taken apart
                machine.apply(machine.world.finish_removal(late.id))
            machine.apply(machine.world.remove_sandbox(id_))

        scene.groups = {"containers": members}
        scene.steps = {**scene.steps, "commit": commit}
        await self._performer.perform("RemovePodSandbox", scene)
        return pb.RemovePodSandboxResponse()

    def pod_sandbox_status(self, request: pb.PodSandboxStatusRequest) -> pb.PodSandboxStatusResponse:
        """Show one sandbox."""
        sandbox = self._machine.world.find_sandbox(request.pod_sandbox_id)
        info = {"info": self._info(sandbox)} if request.verbose else {}
        return pb.PodSandboxStatusResponse(status=sandbox_status(sandbox), info=info)

    def list_pod_sandbox(self, request: pb.ListPodSandboxRequest) -> bytes:
        """Show the sandboxes that a filter lets through."""
        world = self._machine.world
        return self._listing.wire_form(select_sandboxes(world, request.filter), total=world.sandbox_count)

    def stream_pod_sandboxes(
        self, request: pb.StreamPodSandboxesRequest
    ) -> Chunks[pb.PodSandbox, pb.StreamPodSandboxesResponse]:
        """Show the same in pieces."""
        items = map(sandbox_item, list(select_sandboxes(self._machine.world, request.filter)))
        return Chunks(items, lambda chunk: pb.StreamPodSandboxesResponse(pod_sandboxes=chunk))

    def update_pod_sandbox_resources(
        self, request: pb.UpdatePodSandboxResourcesRequest
    ) -> pb.UpdatePodSandboxResourcesResponse:
        """Take note that a pod's cgroup has changed, which means nothing here but that the pod must exist."""
        self._machine.world.find_sandbox(request.pod_sandbox_id)
        return pb.UpdatePodSandboxResourcesResponse()

    def _find(self, id_: str) -> Sandbox | None:
        try:
            return self._machine.world.find_sandbox(id_)
        except Refusal as refusal:
            if refusal.reason is Reason.SANDBOX_NOT_FOUND:
                return None
            raise

    def _running_scene(
        self, id_: str, name: str, config: pb.PodSandboxConfig, *, handler: str, ips: list[str]
    ) -> Scene:
        machine, created_at, pid = self._machine, self._machine.now(), self._machine.new_pid()
        facts = {
            **_facts(id_, created_at=created_at, pid=pid, image=self._sandbox_image),
            "name": name,
            "metadata": _metadata(config.metadata),
            "handler": handler,
            "netns": network_namespace(id_),
        }
        scene = Scene(subject=pod_key(config), facts=facts)

        def address() -> None:
            ips.extend(self._pool.take())
            if not ips:
                raise Refusal(Reason.NETWORK_EXHAUSTED, id=id_, ranges=self._pool.ranges)
            facts.update(ip=ips[0], additional_ips=len(ips) - 1)

        def commit() -> None:
            sandbox = Sandbox(
                id=id_,
                wire_config=config.SerializeToString(),
                runtime_handler=handler,
                created_at=created_at,
                pid=pid,
                ips=tuple(ips),
            )
            machine.apply(machine.world.add_sandbox(sandbox))

        def image() -> Iterable[Scene]:
            absent = machine.images.find(self._sandbox_image) is None
            return [self._puller.scene(self._sandbox_image, pinned=True)] if absent else []

        def leave() -> None:
            commit()
            machine.apply(machine.world.stop_sandbox(id_))

        scene.steps = {"address": address, "commit": commit}
        scene.leave = leave
        scene.conditions = {"pod network": lambda: not uses_host_network(config)}
        scene.groups = {"sandbox image": image}
        return scene

    def _stopping_scene(self, sandbox: Sandbox) -> Scene:
        machine, id_ = self._machine, sandbox.id

        def now() -> Sandbox:
            return machine.world.get_sandbox(id_) or sandbox

        def release() -> None:
            self._pool.release(now().ips)
            machine.apply(machine.world.release_network(id_))

        return Scene(
            subject=pod_key(sandbox.config),
            facts=_facts(id_, created_at=sandbox.created_at, pid=sandbox.pid, image=self._sandbox_image),
            conditions={
                "sandbox running": lambda: now().state is SandboxState.READY,
                "networked": lambda: bool(now().ips),
            },
            steps={
                "kill sandbox": lambda: None,  # the pause process is nobody's program; its end comes as a step
                "sandbox stopped": lambda: machine.apply(machine.world.stop_sandbox(id_)),
                "release network": release,
            },
            groups={
                "containers": lambda: [
                    stopping_scene(machine, one, timeout_seconds=0) for one in machine.world.containers_of(id_)
                ]
            },
        )

    def _info(self, sandbox: Sandbox) -> str:
        profile = self._profile
        return json.dumps(
            {
                "pid": sandbox.pid,
                "processStatus": "running" if sandbox.state is SandboxState.READY else "deleted",
                "netNamespaceClosed": not sandbox.ips and not sandbox.host_network,
                "image": self._sandbox_image,
                "snapshotKey": sandbox.id,
                "snapshotter": profile.snapshotter,
                **({"runtimeHandler": sandbox.runtime_handler} if sandbox.runtime_handler else {}),
                "runtimeType": profile.runtime_type,
                "config": message_json(sandbox.config),
                "runtimeSpec": sandbox_spec(sandbox, image=self._sandbox_image),
            }
        )


def _facts(id_: str, *, created_at: int, pid: int, image: str) -> dict[str, str | int | float | bool | tuple[str, ...]]:
    return {
        "id": id_,
        "sandbox_id": id_,
        "created_at": rfc3339(created_at),
        "pid": pid,
        "pid_text": str(pid),
        "image": image,
    }


def _metadata(metadata: pb.PodSandboxMetadata) -> str:
    """Return a pod's metadata as containerd's log prints them."""
    attempt = f"  attempt:{metadata.attempt}" if metadata.attempt else ""
    return f'name:"{metadata.name}"  uid:"{metadata.uid}"  namespace:"{metadata.namespace}"{attempt}'
