"""Images as a user meets them: credentials that show up nowhere, records on disk, image volumes with content."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.lab import Lab

SECRET = "topsecret"
BUSYBOX = "docker.io/library/busybox:1.36"
PROVIDERS = {
    "apiVersion": "kubelet.config.k8s.io/v1",
    "kind": "CredentialProviderConfig",
    "providers": [
        {
            "name": "static-login",
            "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
            "matchImages": ["*.example.com"],
            "defaultCacheDuration": "10m",
        }
    ],
}
ANSWER = {
    "kind": "CredentialProviderResponse",
    "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
    "cacheKeyType": "Registry",
    "auth": {"*.example.com": {"username": "me", "password": SECRET}},
}


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"hostNetwork": True, "terminationGracePeriodSeconds": 1, "containers": list(containers), **spec},
    }


def provider(lab: Lab) -> list[str]:
    """Put a credential provider there that notes its request; return the flags that name it."""
    program = lab.root / "bin" / "static-login"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat > {lab.root}/request\necho '{json.dumps(ANSWER)}'\n")
    program.chmod(0o755)
    (lab.root / "providers.yaml").write_text(yaml.safe_dump(PROVIDERS))
    directory = ["--image-credential-provider-bin-dir", str(program.parent)]
    return ["--image-credential-provider-config", str(lab.root / "providers.yaml"), *directory]


def test_credentials_are_used_and_are_on_no_span_and_in_no_log(lab: Lab) -> None:
    lab.start_stub("--latency", "none")
    lab.start_collector()
    docker_config = lab.root / "kubelet" / "config.json"
    docker_config.parent.mkdir()
    docker_config.write_text(json.dumps({"auths": {"docker.io": {"username": "me", "password": SECRET}}}))
    kubelet = lab.start_kubelet("-v", "5", *provider(lab))
    sleep = {"command": ["sleep", "3600"]}

    lab.apply(pod("pulls", {"name": "a", "image": BUSYBOX, **sleep}, {"name": "b", "image": "eu.example.com/b:1"}))
    lab.wait(lambda: lab.phase("pulls") == "Running", what="the pod runs")

    assert json.loads((lab.root / "request").read_text())["image"] == "eu.example.com/b"
    records = [json.loads(path.read_text()) for path in (lab.root / "kubelet/image_manager/pulled").iterdir()]
    names = {name for record in records for name in record["credentialMapping"]}
    assert names == {"docker.io/library/busybox", "eu.example.com/b"}
    kubelet.stop()
    lab.wait(lambda: any(span.name.endswith("/PullImage") for span in lab.spans()), what="the spans")
    told = [program.output() for program in lab.programs]
    told += [str(span) for span in lab.spans()]
    told.append((lab.root / "kubelet" / "events.jsonl").read_text())
    assert not any(SECRET in text for text in told)


def test_an_image_volume_has_the_files_of_its_image(lab: Lab) -> None:
    lab.start_stub("--latency", "none")
    lab.start_kubelet()
    app = {
        "name": "app",
        "image": BUSYBOX,
        "command": ["sh", "-c", "ls /files; sleep 3600"],
        "volumeMounts": [{"name": "files", "mountPath": "/files", "subPath": "etc"}],
    }

    lab.apply(pod("reads", app, volumes=[{"name": "files", "image": {"reference": BUSYBOX}}]))
    lab.wait(lambda: lab.phase("reads") == "Running", what="the pod runs")

    def log() -> str:
        return "".join(path.read_text() for path in Path(lab.root, "logs").glob("*reads*/app/0.log"))

    lab.wait(lambda: "passwd" in log(), what="the image's files are listed")
