"""This module is the ImageService: list, status, pull, remove, file system usage.

Anything pulls, except from hosts below `.invalid`. Upstream: internal/cri/server/images.
"""

import base64
import json
from pathlib import Path

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.catalogue import Credential, ImageEntry
from runtime_stub.behaviour.plan import Scalar
from runtime_stub.machine import Machine
from runtime_stub.services.answers import Chunks
from runtime_stub.services.performer import Performer
from runtime_stub.services.pulls import Puller
from runtime_stub.services.scene import Scene
from runtime_stub.state.views import image_item

UNPACKED_PER_COMPRESSED = 2.6
"""How much larger an image is on disk than in a registry, roughly."""

_BYTES_PER_INODE = 24_000


def _container_defaults(entry: ImageEntry) -> dict[str, object]:
    """Return what an image's containers get unless they say otherwise, as its configuration spells it."""
    fields = {
        "User": entry.user,
        "Env": [f"{name}={value}" for name, value in entry.environment.items()],
        "Entrypoint": list(entry.command),
        "Cmd": list(entry.arguments),
        "WorkingDir": entry.working_directory,
    }
    return {name: value for name, value in fields.items() if value}


def credential_of(auth: pb.AuthConfig) -> Credential | None:
    """Return what a request brings along for the registry; `auth` is Base64 of `user:password`, as Docker has it."""
    if auth.identity_token or auth.registry_token:
        return Credential(token=auth.identity_token or auth.registry_token)
    if auth.username or not auth.auth:
        return Credential(username=auth.username, password=auth.password) if auth.username else None
    try:
        username, _, password = base64.b64decode(auth.auth, validate=True).decode().partition(":")
    except ValueError:
        return None
    return Credential(username=username, password=password.rstrip("\0"))


class ImageHandlers:
    """Handlers of the ImageService's RPCs.

    Args:
        machine: where the images are.
        performer: carries out plans.
        puller: brings images in.
        filesystem: an existing directory that stands for the image file system.
        lists_container_filesystem: the same is named as the file system for containers, too.
    """

    def __init__(
        self,
        machine: Machine,
        performer: Performer,
        *,
        puller: Puller,
        filesystem: Path,
        lists_container_filesystem: bool = False,
    ) -> None:
        self._machine = machine
        self._performer = performer
        self._puller = puller
        self._filesystem = filesystem
        self._lists_container_filesystem = lists_container_filesystem

    def list_images(self, request: pb.ListImagesRequest) -> pb.ListImagesResponse:
        """Show every image; containerd ignores the filter."""
        del request
        return pb.ListImagesResponse(images=[image_item(image) for image in self._machine.images.all()])

    def stream_images(self, request: pb.StreamImagesRequest) -> Chunks[pb.Image, pb.StreamImagesResponse]:
        """Show the same in pieces."""
        del request
        items = map(image_item, self._machine.images.all())
        return Chunks(items, lambda chunk: pb.StreamImagesResponse(images=chunk))

    def image_status(self, request: pb.ImageStatusRequest) -> pb.ImageStatusResponse:
        """Show one image; no image, and no error, when it is not present."""
        image = self._machine.images.find(request.image.image)
        if image is None:
            return pb.ImageStatusResponse()
        config = _container_defaults(self._machine.image_entry(request.image.image))
        image_spec = {"architecture": "amd64", "os": "linux", "config": config, "rootfs": {"type": "layers"}}
        spec = {"chainID": image.id, "imageSpec": image_spec}
        info = {"info": json.dumps(spec)} if request.verbose else {}
        return pb.ImageStatusResponse(image=image_item(image), info=info)

    async def pull_image(self, request: pb.PullImageRequest) -> pb.PullImageResponse:
        """Make an image present and answer with its id."""
        scene = self._puller.scene(request.image.image, credential=credential_of(request.auth))
        await self._performer.perform("PullImage", scene)
        image = self._machine.images.find(str(scene.facts["image"]))
        return pb.PullImageResponse(image_ref=image.id if image is not None else "")

    async def remove_image(self, request: pb.RemoveImageRequest) -> pb.RemoveImageResponse:
        """Forget an image under all its names; fine when it is not present."""
        machine = self._machine
        image = machine.images.find(request.image.image)
        if image is None:
            return pb.RemoveImageResponse()

        def commit() -> None:
            if (present := machine.images.find(image.id)) is not None:  # nobody else was quicker
                machine.apply(machine.images.remove(present))

        facts: dict[str, Scalar] = {"id": image.id, "asked": request.image.image}
        await self._performer.perform("RemoveImage", Scene(subject=image.id, facts=facts, steps={"commit": commit}))
        return pb.RemoveImageResponse()

    def image_fs_info(self, request: pb.ImageFsInfoRequest) -> pb.ImageFsInfoResponse:
        """Show how much room the images take, and the layers of those that are being pulled."""
        del request
        present = sum(image.size_bytes for image in self._machine.images.all())
        used = (present + self._puller.kept_bytes) * UNPACKED_PER_COMPRESSED
        usage = pb.FilesystemUsage(
            timestamp=self._machine.now(),
            fs_id=pb.FilesystemIdentifier(mountpoint=str(self._filesystem)),
            used_bytes=pb.UInt64Value(value=int(used)),
            inodes_used=pb.UInt64Value(value=int(used / _BYTES_PER_INODE)),
        )
        containers = [usage] if self._lists_container_filesystem else []
        return pb.ImageFsInfoResponse(image_filesystems=[usage], container_filesystems=containers)
