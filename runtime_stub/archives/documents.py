"""This module is the documents in an archive of images, as far as they matter; other fields are passed over.

Sources: OCI image-spec (image-layout.md, image-index.md, manifest.md, config.md), Docker's image specification 1.2.
"""

import hashlib
import re
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, RootModel, ValidationError

from runtime_stub.archives.files import ArchiveError, ArchiveFiles

MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
"""Nobody's manifest or configuration is larger."""

_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_HEX = re.compile(r"[0-9a-f]{64}")

Document = TypeVar("Document", bound=BaseModel)
Digest = Annotated[str, Field(pattern=r"^[a-z0-9]+:[0-9a-f]{32,128}$")]


def _or(empty: Any) -> BeforeValidator:
    """Let null, as Go writes what is empty, be an empty value."""
    return BeforeValidator(lambda value: empty if value is None else value)


Texts = Annotated[list[str], _or([])]
Text = Annotated[str, _or("")]


class Platform(BaseModel):
    """What a manifest is for."""

    architecture: Text = ""


class Descriptor(BaseModel):
    """A blob."""

    digest: Digest
    size: int = Field(ge=0)
    media_type: Text = Field(default="", alias="mediaType")
    platform: Platform = Platform()
    annotations: Annotated[dict[str, str], _or({})] = Field(default_factory=dict)

    @property
    def blob(self) -> str:
        """Where it is in a layout."""
        return f"blobs/{self.digest.replace(':', '/', 1)}"

    @property
    def name(self) -> str:
        """The image's name, if it has one; containerd's annotation has the registry, too."""
        containerds = self.annotations.get("io.containerd.image.name", "")
        return containerds or self.annotations.get("org.opencontainers.image.ref.name", "")

    @property
    def is_index(self) -> bool:
        """Whether the blob is a list of manifests, one a platform."""
        return self.media_type in _INDEX_TYPES


class Index(BaseModel):
    """index.json, or a list of manifests."""

    manifests: list[Descriptor]


class Manifest(BaseModel):
    """An image's configuration and layers."""

    config: Descriptor
    layers: list[Descriptor]


class ContainerDefaults(BaseModel):
    """What an image's containers get unless they say otherwise."""

    user: Text = Field(default="", alias="User")
    entry_point: Texts = Field(default_factory=list, alias="Entrypoint")
    arguments: Texts = Field(default_factory=list, alias="Cmd")
    environment: Texts = Field(default_factory=list, alias="Env")
    working_directory: Text = Field(default="", alias="WorkingDir")


class RootFS(BaseModel):
    """The layers of an image, uncompressed."""

    diff_ids: list[Digest] = Field(default_factory=list)


class Image(BaseModel):
    """An image's configuration."""

    config: Annotated[ContainerDefaults, _or({})] = ContainerDefaults()
    rootfs: RootFS = RootFS()


class DockerImage(BaseModel):
    """One image of a docker-archive."""

    config: str = Field(alias="Config")
    tags: Texts = Field(default_factory=list, alias="RepoTags")
    layers: list[str] = Field(alias="Layers")

    @property
    def config_digest(self) -> str:
        """The image's id: its configuration is called after its digest."""
        stem = self.config.rpartition("/")[2].removesuffix(".json")
        return f"sha256:{stem}" if _HEX.fullmatch(stem) else _digest(self.config)

    @property
    def manifest_digest(self) -> str:
        """A stand-in: archives of this kind have no manifest that a registry would know."""
        return _digest(f"manifest of {self.config_digest}")


class DockerImages(RootModel[list[DockerImage]]):
    """manifest.json."""


def document(files: ArchiveFiles, name: str, kind: type[Document]) -> Document:
    """Return a document of an archive.

    Raises:
        ArchiveError: it is missing, too large, or not of that kind.
    """
    with files.open(name) as file:
        text = file.read(MAX_DOCUMENT_BYTES + 1)
    if len(text) > MAX_DOCUMENT_BYTES:
        raise ArchiveError(f"{name}: larger than {MAX_DOCUMENT_BYTES} bytes")
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArchiveError(f"{name}: {f'{where}: ' if where else ''}{first['msg']}") from error


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
