"""Archives of one small image, as docker save and skopeo write them."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

CONFIG = {
    "User": "app:staff",
    "Entrypoint": ["/bin/echo"],
    "Cmd": ["by", "default"],
    "Env": ["GREETING=hello", "EMPTY="],
    "WorkingDir": "/srv",
}
ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1234:50:app:/srv:/bin/sh\n",
    "etc/group": "staff:x:50:\n",
}


def sha256(data: bytes) -> str:
    """Return a digest in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def tarred(files: dict[str, bytes]) -> bytes:
    """Return a tar of files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return made.getvalue()


LAYER = tarred({name: text.encode() for name, text in ACCOUNTS.items()})


def image(config: dict[str, Any] | None = None) -> bytes:
    """Return an image's configuration."""
    layers = {"type": "layers", "diff_ids": [f"sha256:{sha256(LAYER)}"]}
    return json.dumps({"os": "linux", "config": CONFIG if config is None else config, "rootfs": layers}).encode()


def docker_archive(path: Path, *names: str) -> Path:
    """Write what `docker save` writes, and return where."""
    config = image()
    manifest = [{"Config": f"{sha256(config)}.json", "RepoTags": list(names) or None, "Layers": ["1/layer.tar"]}]
    files = {f"{sha256(config)}.json": config, "1/layer.tar": LAYER, "manifest.json": json.dumps(manifest).encode()}
    path.write_bytes(tarred(files))
    return path


def oci_files(name: str, *, nested: bool = False) -> dict[str, bytes]:
    """Return the files of an OCI layout, whose one image is alone or behind a list of platforms."""
    config, layer = image(), gzip.compress(LAYER, mtime=0)
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def stored(data: bytes, **more: Any) -> dict[str, Any]:
        files[f"blobs/sha256/{sha256(data)}"] = data
        return {"digest": f"sha256:{sha256(data)}", "size": len(data), **more}

    content = {"config": stored(config), "layers": [stored(layer)]}
    described = stored(json.dumps(content).encode(), platform={"architecture": "amd64"})
    if nested:
        other = stored(json.dumps({**content, "layers": []}).encode(), platform={"architecture": "arm64"})
        listed = json.dumps({"manifests": [other, described]}).encode()
        described = stored(listed, mediaType="application/vnd.oci.image.index.v1+json")
    described["annotations"] = {"org.opencontainers.image.ref.name": name}
    files["index.json"] = json.dumps({"manifests": [described]}).encode()
    return files


def oci_layout(directory: Path, name: str, *, nested: bool = False) -> Path:
    """Write an OCI layout into a directory, and return it."""
    for path, data in oci_files(name, nested=nested).items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)
    return directory
