"""This module is the container half of RuntimeService: create, start, stop, remove, update, status, list, reopen log.

Upstream: internal/cri/server/container_create.go, container_start.go and their neighbours.
"""

import asyncio
import json
import os

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.profiles import Profile
from runtime_stub.behaviour.refusals import word
from runtime_stub.machine import Machine
from runtime_stub.services.answers import Chunks, Listing, message_json, rfc3339
from runtime_stub.services.checks import check_mounts
from runtime_stub.services.oci_spec import container_spec
from runtime_stub.services.performer import Performer
from runtime_stub.services.scene import Scene
from runtime_stub.services.stopping import container_facts, is_running, removal_scene, stopping_scene
from runtime_stub.shell.accounts import Identity, UnknownUser
from runtime_stub.shell.entrypoint import NotExecutable
from runtime_stub.shell.program import Program
from runtime_stub.state.filters import select_containers
from runtime_stub.state.records import Container, ContainerState, Image, Sandbox, SandboxState
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.state.subjects import container_key
from runtime_stub.state.views import container_item, container_status, image_names


class Containers:
    """Handlers of the container RPCs."""

    def __init__(self, machine: Machine, performer: Performer, *, profile: Profile) -> None:
        self._machine = machine
        self._performer = performer
        self._profile = profile
        self._listing = Listing(container_item)

    async def create_container(self, request: pb.CreateContainerRequest) -> pb.CreateContainerResponse:
        """Make a container in a running sandbox from an image that is present; it does not start."""
        world, id_ = self._machine.world, self._machine.new_id()
        sandbox = world.find_sandbox(request.pod_sandbox_id, reason=Reason.SANDBOX_OF_CONTAINER_NOT_FOUND)
        _require_ready(sandbox, id_=sandbox.id, reason=Reason.SANDBOX_NOT_RUNNING)
        config = request.config
        try:
            name = world.reserve_container(id_, sandbox, config)
        except Refusal as refusal:
            if self._profile.returns_existing and world.get_container(refusal.holder) is not None:
                return pb.CreateContainerResponse(container_id=refusal.holder)
            raise
        try:
            container = self._draft(id_, sandbox, config, request.sandbox_config.log_directory)
            await self._performer.perform("CreateContainer", self._creation_scene(container, sandbox, name))
        finally:
            if world.get_container(id_) is None:  # refused or cancelled before it was there
                world.release_container(id_)
        return pb.CreateContainerResponse(container_id=id_)

    async def start_container(self, request: pb.StartContainerRequest) -> pb.StartContainerResponse:
        """Start a created container; one that cannot start has exited 128 / StartError afterwards."""
        machine = self._machine
        container = machine.world.find_container(request.container_id)
        machine.world.begin_start(container.id)
        try:
            sandbox = machine.world.get_sandbox(container.sandbox_id)
            _require_ready(sandbox, id_=container.sandbox_id, reason=Reason.SANDBOX_OF_START_NOT_RUNNING)
            await self._performer.perform("StartContainer", self._starting_scene(container))
        except Refusal as refusal:
            self._note_start_failure(container, word(refusal, self._profile.wordings)[1])
            raise
        except asyncio.CancelledError:
            self._note_start_failure(container, "context canceled")
            raise
        if (started := machine.world.get_container(container.id)) is not None:  # a first list of thousands takes long
            self._listing.learn(started, total=machine.world.container_count)
        return pb.StartContainerResponse()

    async def stop_container(self, request: pb.StopContainerRequest) -> pb.StopContainerResponse:
        """Ask a container to end, and kill it after the timeout; fine when it does not run or is gone."""
        if (container := self._find(request.container_id)) is not None:
            scene = stopping_scene(self._machine, container, timeout_seconds=request.timeout)
            await self._performer.perform("StopContainer", scene)
        return pb.StopContainerResponse()

    async def remove_container(self, request: pb.RemoveContainerRequest) -> pb.RemoveContainerResponse:
        """Kill a container if it runs, and forget it; its log stays. Fine when it is gone."""
        if (container := self._find(request.container_id)) is not None:
            await self._performer.perform("RemoveContainer", removal_scene(self._machine, container))
        return pb.RemoveContainerResponse()

    async def update_container_resources(
        self, request: pb.UpdateContainerResourcesRequest
    ) -> pb.UpdateContainerResourcesResponse:
        """Set new limits, which ContainerStatus shows from then on."""
        machine = self._machine
        container = machine.world.find_container(request.container_id, reason=Reason.STATS_CONTAINER_NOT_FOUND)

        def commit() -> None:
            machine.apply(machine.world.update_resources(container.id, request.linux))

        scene = Scene(
            subject=container_key(machine.world, container),
            facts=container_facts(container),
            conditions={"running": lambda: is_running(machine, container.id)},
            steps={"commit": commit},
        )
        await self._performer.perform("UpdateContainerResources", scene)
        return pb.UpdateContainerResourcesResponse()

    def container_status(self, request: pb.ContainerStatusRequest) -> pb.ContainerStatusResponse:
        """Show one container."""
        container = self._machine.world.find_container(request.container_id)
        info = {"info": self._info(container)} if request.verbose else {}
        return pb.ContainerStatusResponse(status=container_status(container), info=info)

    def list_containers(self, request: pb.ListContainersRequest) -> bytes:
        """Show the containers that a filter lets through."""
        world = self._machine.world
        return self._listing.wire_form(select_containers(world, request.filter), total=world.container_count)

    def stream_containers(
        self, request: pb.StreamContainersRequest
    ) -> Chunks[pb.Container, pb.StreamContainersResponse]:
        """Show the same in pieces."""
        items = map(container_item, list(select_containers(self._machine.world, request.filter)))
        return Chunks(items, lambda chunk: pb.StreamContainersResponse(containers=chunk))

    def reopen_container_log(self, request: pb.ReopenContainerLogRequest) -> pb.ReopenContainerLogResponse:
        """Begin a new log file, after the old one was renamed."""
        container = self._machine.world.find_container(request.container_id)
        if container.state is not ContainerState.RUNNING:
            raise Refusal(Reason.LOG_NOT_RUNNING)
        try:
            self._machine.reopen_log(container)
        except OSError as error:
            raise Refusal(Reason.LOG_FAILED, cause=_file_error(error)) from error
        return pb.ReopenContainerLogResponse()

    def _find(self, id_: str) -> Container | None:
        try:
            return self._machine.world.find_container(id_)
        except Refusal as refusal:
            if refusal.reason is Reason.CONTAINER_NOT_FOUND:
                return None
            raise

    def _draft(self, id_: str, sandbox: Sandbox, config: pb.ContainerConfig, log_directory: str) -> Container:
        """Return the container that a request describes, not yet part of the world."""
        security = config.linux.security_context
        if security.HasField("run_as_group") and not (security.HasField("run_as_user") or security.run_as_username):
            raise Refusal(Reason.GROUP_WITHOUT_USER, id=id_, group=str(security.run_as_group.value))
        image = self._machine.images.find(config.image.image)
        if image is None:
            raise Refusal(Reason.IMAGE_UNRESOLVED, image=config.image.image)
        images = self._machine.images
        check_mounts(config, find=images.find, holds=self._machine.image_holds)
        identity = self._identity(id_, config, image)
        name, digest = image_names(image)
        directory = log_directory or sandbox.config.log_directory
        return Container(
            id=id_,
            sandbox_id=sandbox.id,
            wire_config=config.SerializeToString(),
            image_id=image.id,
            image_name=name,
            image_digest=digest,
            log_path=os.path.join(directory, config.log_path) if directory and config.log_path else "",  # noqa: PTH118
            created_at=self._machine.now(),
            wire_resources=config.linux.resources.SerializeToString(),
            uid=identity.uid,
            gid=identity.gid,
            groups=identity.groups,
        )

    def _identity(self, id_: str, config: pb.ContainerConfig, image: Image) -> Identity:
        try:
            return self._machine.identity_of(config, image)
        except UnknownUser as error:
            raise Refusal(Reason.USER_UNKNOWN, id=id_, cause=str(error)) from error

    def _creation_scene(self, container: Container, sandbox: Sandbox, name: str) -> Scene:
        def commit() -> None:
            self._machine.apply(self._machine.world.add_container(container))

        facts = {
            **container_facts(container),
            "name": name,
            "sandbox_pid_text": str(sandbox.pid),
            "created_at": rfc3339(container.created_at),
        }
        key = container_key(self._machine.world, container)
        return Scene(subject=key, facts=facts, steps={"commit": commit}, leave=commit)

    def _starting_scene(self, container: Container) -> Scene:
        machine = self._machine
        programs: list[Program] = []
        pid = machine.new_pid()

        def execute() -> None:
            programs.append(self._program(container))

        def commit() -> None:
            machine.start_process(container, programs[0], pid=pid)

        facts = {**container_facts(container), "pid": pid, "pid_text": str(pid)}
        key = container_key(machine.world, container)
        return Scene(subject=key, facts=facts, steps={"execute": execute, "commit": commit})

    def _program(self, container: Container) -> Program:
        """Return what a container does. Its log is there even if that cannot be done: containerd makes it before."""
        try:
            self._machine.check_command(container, self._machine.argv_of(container))
            program = self._machine.program_of(container)
        except NotExecutable as error:
            self._open_log(container, ())
            raise Refusal(Reason.START_FAILED, id=container.id, cause=str(error)) from error
        self._open_log(container, program)
        return program

    def _open_log(self, container: Container, program: Program) -> None:
        try:
            self._machine.open_log(container, program)
        except OSError as error:
            raise Refusal(Reason.LOG_FAILED, cause=_file_error(error)) from error

    def _note_start_failure(self, container: Container, message: str) -> None:
        now = self._machine.world.get_container(container.id)
        if now is not None and now.state is ContainerState.CREATED:
            failed = self._machine.world.fail_start(container.id, at=self._machine.now(), message=message)
            self._machine.apply(failed)
            self._machine.forget_log(container.id)

    def _info(self, container: Container) -> str:
        profile, machine = self._profile, self._machine
        sandbox = machine.world.get_sandbox(container.sandbox_id)
        assert sandbox is not None  # noqa: S101  # it cannot be removed before its containers
        spec = container_spec(
            container,
            sandbox,
            image=machine.image_entry(container.image_name),
            argv=machine.argv_of(container),
            hostname=machine.surroundings.hostname_of(sandbox),
        )
        return json.dumps(
            {
                "sandboxID": container.sandbox_id,
                "pid": container.pid,
                "removing": False,
                "snapshotKey": container.id,
                "snapshotter": profile.snapshotter,
                "runtimeType": profile.runtime_type,
                "config": message_json(container.config),
                "runtimeSpec": spec,
            }
        )


def _require_ready(sandbox: Sandbox | None, *, id_: str, reason: Reason) -> None:
    if sandbox is None or sandbox.state is not SandboxState.READY:
        raise Refusal(reason, id=id_)


def _file_error(error: OSError) -> str:
    """Return a failure to open a log as Go words it."""
    return f"failed to create and open log file: open {error.filename}: {(error.strerror or str(error)).lower()}"
