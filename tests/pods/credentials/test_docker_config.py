"""Claims about Docker's files: where they are looked for, what they say, and that nothing of them is told."""

import asyncio
import base64
import json
import logging
from pathlib import Path

import pytest

from kubeletsim.base.timing import LoopClock
from kubeletsim.pods.credentials import DockerConfigFiles, Login
from kubeletsim.pods.credentials.docker_config import DockerConfigError, decode_docker_config

ENTRY = {"auth": base64.b64encode(b"me:top:secret").decode()}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("root", "home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "root"


@pytest.fixture
def home(root: Path) -> Path:
    return root.parent / "home"


def write(path: Path, document: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))


def read(root: Path, home: Path) -> dict[str, Login]:
    return dict(DockerConfigFiles(root, home=home, clock=LoopClock()).logins())


@pytest.mark.looptime
async def test_the_root_directory_comes_before_the_home_directory(root: Path, home: Path) -> None:
    write(home / ".docker" / "config.json", {"auths": {"home.io": ENTRY}})
    assert list(read(root, home)) == ["home.io"]

    write(root / "config.json", {"auths": {"root.io": ENTRY}})
    assert read(root, home) == {"root.io": Login("me", "top:secret")}


@pytest.mark.looptime
async def test_a_config_json_anywhere_comes_before_an_older_file(root: Path, home: Path) -> None:
    write(root / ".dockercfg", {"old.io": {"username": "u", "password": "p"}})
    assert read(root, home) == {"old.io": Login("u", "p")}

    write(home / ".docker" / "config.json", {"auths": {"home.io": ENTRY}})
    assert list(read(root, home)) == ["home.io"]


@pytest.mark.looptime
async def test_a_damaged_file_is_passed_over_and_not_quoted(
    root: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (root / "config.json").write_text('{"auths": {"a.io": {"auth": "topsecret"')
    write(home / ".docker" / "config.json", {"auths": {"home.io": ENTRY}})

    assert list(read(root, home)) == ["home.io"]
    assert "config.json" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.looptime
async def test_a_file_is_looked_at_again_after_five_minutes(root: Path, home: Path) -> None:
    files = DockerConfigFiles(root, home=home, clock=LoopClock())
    assert files.logins() == {}
    write(root / "config.json", {"auths": {"root.io": ENTRY}})

    await asyncio.sleep(299)
    assert files.logins() == {}
    await asyncio.sleep(1)
    assert list(files.logins()) == ["root.io"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        b"[]",
        b'{"auths": []}',
        b'{"auths": {"a": 1}}',
        b'{"auths": {"a": {"auth": "no base64!"}}}',
        b'{"auths": {"a": {"auth": "bm9jb2xvbg=="}}}',
        b'{"auths": {"a": {"username": 1}}}',
    ],
)
def test_what_is_no_docker_configuration_is_refused(content: bytes) -> None:
    with pytest.raises(DockerConfigError):
        decode_docker_config(content, nested=True)
