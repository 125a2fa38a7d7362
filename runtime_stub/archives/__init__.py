"""Real images as a source of configuration: an OCI layout, as a directory or a tar, or a docker-archive.

What is read is what containers depend on: an image's names, digests, layers and sizes, and its configuration (user,
entry point, arguments, environment, directory). Programs inside stay emulated, so layers are not unpacked; only who is
in `/etc/passwd` and `/etc/group` is looked up, for images whose user is a name.

`files` is where an archive's files are, `documents` what is in them.
"""

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from runtime_stub.archives.documents import DockerImages, Image, Index, Manifest, document
from runtime_stub.archives.files import ArchiveError, ArchiveFiles, opened
from runtime_stub.behaviour.catalogue import ImageEntry
from runtime_stub.behaviour.content import Content, Layer
from runtime_stub.settings import SettingsError
from runtime_stub.source import Source
from runtime_stub.state.references import InvalidReference, parse_reference

MAX_ACCOUNTS_BYTES = 1024 * 1024

_ACCOUNTS = ("/etc/passwd", "/etc/group")


def read_archives(paths: Sequence[str], *, source: Source) -> tuple[ImageEntry, ...]:
    """Return what is known of every image in some archives.

    Args:
        paths: of directories and tars.
        source: where they were asked for.

    Raises:
        SettingsError: one cannot be read, or is no archive of images; every fault on a line of its own.
    """
    entries: list[ImageEntry] = []
    faults: list[str] = []
    for number, path in enumerate(paths):
        try:
            entries += read_archive(Path(path))
        except OSError as error:
            faults.append(source.fault(("images", "archives", number), f"{path}: {error.strerror or error}"))
        except (ArchiveError, tarfile.TarError, EOFError) as error:
            faults.append(source.fault(("images", "archives", number), f"{path}: {error}"))
    if faults:
        raise SettingsError("\n".join(faults))
    return tuple(entries)


def read_archive(path: Path) -> list[ImageEntry]:
    """Return what is known of the images of one archive; images without a name are passed over.

    Raises:
        ArchiveError, TarError, EOFError, OSError: it cannot be read.
    """
    with opened(path) as files:
        if files.has("manifest.json"):
            return list(_docker_images(files))
        if files.has("index.json"):
            return list(_oci_images(files))
    raise ArchiveError("neither index.json nor manifest.json is in it: no OCI layout, no docker-archive")


def _docker_images(files: ArchiveFiles) -> Iterator[ImageEntry]:
    for one in document(files, "manifest.json", DockerImages).root:
        image = document(files, one.config, Image)
        digests = image.rootfs.diff_ids
        if len(digests) != len(one.layers):
            raise ArchiveError(f"{one.config}: {len(digests)} diff_ids for {len(one.layers)} layers")
        content = Content(
            digest=one.manifest_digest,
            config_digest=one.config_digest,
            layers=tuple(Layer(digest, files.size(name)) for digest, name in zip(digests, one.layers, strict=True)),
        )
        for name in one.tags:
            yield _entry(name, content, image, files, one.layers)


def _oci_images(files: ArchiveFiles) -> Iterator[ImageEntry]:
    for described in document(files, "index.json", Index).manifests:
        if not described.name:
            continue
        manifest = _manifest(files, described.blob, is_index=described.is_index)
        content = Content(
            digest=described.digest,
            config_digest=manifest.config.digest,
            layers=tuple(Layer(layer.digest, layer.size) for layer in manifest.layers),
        )
        image = document(files, manifest.config.blob, Image)
        yield _entry(described.name, content, image, files, [layer.blob for layer in manifest.layers])


def _manifest(files: ArchiveFiles, blob: str, *, is_index: bool) -> Manifest:
    """Return a manifest; of an index, the one for amd64, or else its first."""
    if not is_index:
        return document(files, blob, Manifest)
    manifests = document(files, blob, Index).manifests
    if not manifests:
        raise ArchiveError(f"{blob}: an index without manifests")
    fitting = next((one for one in manifests if one.platform.architecture == "amd64"), manifests[0])
    return document(files, fitting.blob, Manifest)


def _entry(name: str, content: Content, image: Image, files: ArchiveFiles, layers: Sequence[str]) -> ImageEntry:
    try:
        reference = parse_reference(name)
    except InvalidReference as error:
        raise ArchiveError(f"{name!r}: {error}") from error
    config = image.config
    user = config.user.partition(":")[0]
    return ImageEntry(
        name=f"{reference.path}:{reference.tag}",
        published=content,
        user=config.user,
        command=tuple(config.entry_point),
        arguments=tuple(config.arguments),
        environment={key: value for key, _, value in (variable.partition("=") for variable in config.environment)},
        working_directory=config.working_directory,
        files=_accounts(files, layers) if user and not user.isdecimal() else {},
    )


def _accounts(files: ArchiveFiles, layers: Sequence[str]) -> Mapping[str, str]:
    """Return who is known in an image, from the topmost layer that says so; layers that zstd compressed say nothing."""
    found: dict[str, str] = {}
    for layer in layers:
        with files.open(layer) as file, suppress(tarfile.ReadError), tarfile.open(fileobj=file, mode="r|*") as tar:
            for member in tar:
                path = "/" + member.name.removeprefix("./").lstrip("/")
                if path in _ACCOUNTS and member.isfile() and (content := tar.extractfile(member)) is not None:
                    found[path] = content.read(MAX_ACCOUNTS_BYTES).decode(errors="replace")
    return found
