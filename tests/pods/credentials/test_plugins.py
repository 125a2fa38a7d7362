"""Claims about credential providers: when they are asked, and for how long an answer holds."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from kubeletsim.base.timing import LoopClock
from kubeletsim.clients.credential_plugin import CredentialPluginError, CredentialResponse
from kubeletsim.pods.credentials import CredentialProvider, DockerConfigFiles, Login, NodeCredentials

pytestmark = pytest.mark.looptime
LOGIN = Login("me", "secret")


@dataclass
class Plugin:
    """A provider's program that says what it is told to."""

    key_type: str = "Image"
    seconds: float | None = None
    auth: Mapping[str, tuple[str, str]] = field(default_factory=lambda: {"*.example.com": ("me", "secret")})
    broken: bool = False
    asked: list[str] = field(default_factory=list)

    async def ask(self, image: str) -> CredentialResponse:
        self.asked.append(image)
        await asyncio.sleep(1)
        if self.broken:
            raise CredentialPluginError("exit status 1")
        return CredentialResponse(cache_key_type=self.key_type, cache_seconds=self.seconds, auth=self.auth)


def provider(plugin: Plugin, *, default: float = 60, wants_service_account: bool = False) -> CredentialProvider:
    return CredentialProvider(
        "test",
        plugin,
        match_images=["*.example.com"],
        default_cache_seconds=default,
        wants_service_account=wants_service_account,
        clock=LoopClock(),
    )


async def test_only_images_of_its_places_are_asked_about() -> None:
    plugin = Plugin()
    asked = provider(plugin)

    assert await asked.logins("docker.io/library/busybox") == {}
    assert await asked.logins("eu.example.com/app") == {"*.example.com": LOGIN}
    assert plugin.asked == ["eu.example.com/app"]


@pytest.mark.parametrize(
    ("key_type", "asked"),
    [
        ("Image", ["a.example.com/1", "a.example.com/2", "b.example.com/1"]),
        ("Registry", ["a.example.com/1", "b.example.com/1"]),
        ("Global", ["a.example.com/1"]),
    ],
)
async def test_an_answer_holds_for_as_much_as_it_says(key_type: str, asked: list[str]) -> None:
    plugin = Plugin(key_type)
    one = provider(plugin)

    for image in ["a.example.com/1", "a.example.com/2", "b.example.com/1", "a.example.com/1"]:
        await one.logins(image)

    assert plugin.asked == asked


@pytest.mark.parametrize(
    ("seconds", "default", "waits", "times"),
    [(30, 60, 29, 1), (30, 60, 31, 2), (None, 60, 59, 1), (None, 60, 61, 2), (0, 60, 0, 2), (None, 0, 0, 2)],
)
async def test_an_answer_holds_as_long_as_it_says_or_as_configured(
    seconds: float | None, default: float, waits: float, times: int
) -> None:
    plugin = Plugin(seconds=seconds)
    one = provider(plugin, default=default)

    await one.logins("a.example.com/1")
    await asyncio.sleep(waits)
    await one.logins("a.example.com/1")

    assert len(plugin.asked) == times


async def test_pulls_of_one_image_at_a_time_ask_once() -> None:
    plugin = Plugin()
    one = provider(plugin)

    await asyncio.gather(*(one.logins("a.example.com/1") for _ in range(5)))

    assert plugin.asked == ["a.example.com/1"]


@pytest.mark.parametrize("plugin", [Plugin(broken=True), Plugin("Moon")], ids=["it fails", "no such key type"])
async def test_trouble_with_a_provider_is_logged_and_leaves_nothing(
    plugin: Plugin, caplog: pytest.LogCaptureFixture
) -> None:
    one = provider(plugin)

    assert await one.logins("a.example.com/1") == {}
    assert await one.logins("a.example.com/1") == {}
    assert len(plugin.asked) == 2
    assert "credential provider" in caplog.text
    assert "secret" not in caplog.text


async def test_a_provider_that_needs_a_service_account_is_never_asked() -> None:
    plugin = Plugin()

    assert await provider(plugin, wants_service_account=True).logins("a.example.com/1") == {}
    assert plugin.asked == []


async def test_dockers_files_come_before_providers_and_both_are_tried(tmp_path) -> None:
    (tmp_path / "config.json").write_text('{"auths": {"a.example.com": {"username": "u", "password": "p"}}}')
    files = DockerConfigFiles(tmp_path, home=None, clock=LoopClock())

    found = await NodeCredentials(files, providers=[provider(Plugin())]).find("a.example.com/1")

    assert [(one.username, one.password) for one in found] == [("u", "p"), ("me", "secret")]
