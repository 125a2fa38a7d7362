"""This module is the RPCs of the image service."""

from collections.abc import AsyncGenerator

from kubeletsim.clients.cri.calls import Calls
from kubeletsim.clients.cri.required import required_image, required_text
from kubeletsim.clients.cri_convert import answers, requests
from kubeletsim.model.requests import AuthConfig, ImageSpec, SandboxConfig
from kubeletsim.model.runtime import Image, ImageFsInfo
from kubeletsim.pb import cri_pb2 as pb


class ImageCalls:
    """Images and the disk they use."""

    _calls: Calls

    async def list_images(self, *, image: str | None = None) -> list[Image]:
        """List all images, or those that a reference names (some runtimes list all even so)."""
        return await self._calls.one(
            "ListImages",
            self._calls.images.ListImages,
            pb.ListImagesRequest(filter=requests.image_filter(image)),
            lambda answer: [answers.image(item) for item in answer.images],
        )

    def stream_images(self, *, image: str | None = None) -> AsyncGenerator[Image, None]:
        """List as `list_images` does, without a limit on the size of the whole."""
        return self._calls.many(
            "StreamImages",
            self._calls.images.StreamImages,
            pb.StreamImagesRequest(filter=requests.image_filter(image)),
            lambda answer: map(answers.image, answer.images),
        )

    async def image_status(self, spec: ImageSpec) -> Image | None:
        """Ask for an image by any of its names; None where the runtime does not have it."""

        def read(answer: pb.ImageStatusResponse) -> Image | None:
            required_image(answer, image=spec.image)
            return answers.image(answer.image) if answer.HasField("image") else None

        request = pb.ImageStatusRequest(image=requests.image_spec(spec))
        return await self._calls.one("ImageStatus", self._calls.images.ImageStatus, request, read)

    async def pull_image(
        self, spec: ImageSpec, *, auth: AuthConfig | None = None, sandbox_config: SandboxConfig | None = None
    ) -> str:
        """Pull an image and return the reference to run it by; no deadline, since only the registry knows how long.

        Args:
            spec: what to pull.
            auth: credentials; None pulls without.
            sandbox_config: the pod it is for; runtimes may use its annotations.

        Raises:
            CRIError: `desc` is the runtime's text as it came, so that its prefix can be told
                (`RegistryUnavailable`, `SignatureValidationFailed`).
        """
        return await self._calls.one(
            "PullImage",
            self._calls.images.PullImage,
            pb.PullImageRequest(
                image=requests.image_spec(spec),
                auth=requests.auth_config(auth) if auth else None,
                sandbox_config=requests.sandbox_config(sandbox_config) if sandbox_config else None,
            ),
            lambda answer: required_text(answer.image_ref, rpc="PullImage", field="image_ref"),
            within=None,
        )

    async def remove_image(self, spec: ImageSpec) -> None:
        """Remove an image with all its names; gone already is success."""
        await self._calls.one(
            "RemoveImage",
            self._calls.images.RemoveImage,
            pb.RemoveImageRequest(image=requests.image_spec(spec)),
            lambda _: None,
        )

    async def image_fs_info(self) -> ImageFsInfo:
        """Ask how much disk images and containers use."""
        return await self._calls.one(
            "ImageFsInfo", self._calls.images.ImageFsInfo, pb.ImageFsInfoRequest(), answers.image_fs_info
        )
