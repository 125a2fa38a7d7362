"""What a runtime keeps books on: images, users, mounts, user namespaces, metrics, streamed lists, checkpoints."""

import base64
import json
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.archives import read_archive
from runtime_stub.behaviour.catalogue import Credential, ImageEntry
from runtime_stub.behaviour.metrics import METRICS
from runtime_stub.config_file import load_settings
from runtime_stub.settings import Settings
from tests.fakes.image_archives import LAYER, docker_archive
from tests.runtime_stub.conftest import IMAGE, Client, connected
from tests.runtime_stub.test_contract import MISSING, failure

CATALOGUE = (
    ImageEntry(name="tools/one:*", content="one"),
    ImageEntry(name="tools/uid", user="1002:users"),
    ImageEntry(name="tools/name", user="www-data"),
    ImageEntry(name="tools/ghost", user="ghost"),
    ImageEntry(
        name="tools/private",
        credentials=(Credential(username="me", password="right"), Credential(token="open sesame")),
    ),
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, catalogue=CATALOGUE)


async def pulled(client: Client, name: str) -> pb.Image:
    await client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image=name)))
    answer = await client.images.ImageStatus(pb.ImageStatusRequest(image=pb.ImageSpec(image=name)))
    return answer.image  # type: ignore[no-any-return]


async def test_images_of_one_content_key_are_one_image_with_all_tags(client: Client) -> None:
    first, second = await pulled(client, "tools/one:1"), await pulled(client, "tools/one:2")

    assert first.id == second.id
    assert list(second.repo_tags) == ["docker.io/tools/one:1", "docker.io/tools/one:2"]


async def test_an_image_shows_its_user_without_the_group(client: Client) -> None:
    by_uid, by_name, root = [await pulled(client, name) for name in ("tools/uid", "tools/name", "tools/root")]

    assert (by_uid.uid.value, by_uid.username) == (1002, "")
    assert (by_name.HasField("uid"), by_name.username) == (False, "www-data")
    assert (root.HasField("uid"), root.username) == (False, "")


async def test_a_container_runs_as_the_images_user_in_the_groups_of_its_files(client: Client) -> None:
    await pulled(client, "tools/uid")
    id_ = await client.create(await client.run_sandbox(), client.container("sleep", "9", image="tools/uid"))

    user = (await client.status(id_)).user.linux
    assert (user.uid, user.gid, list(user.supplemental_groups)) == (1002, 100, [100])


async def test_a_container_gets_what_its_archives_image_says_unless_it_says_otherwise(
    settings: Settings, tmp_path: Path
) -> None:
    entries = read_archive(docker_archive(tmp_path / "a.tar", "tools/app:1"))
    async with connected(replace(settings, catalogue=entries)) as client:
        image = await pulled(client, "tools/app:1")
        sandbox_id = await client.run_sandbox()
        plain = client.container(name="plain", image="tools/app:1")
        asking = client.container("sh", "-c", "pwd; echo $GREETING $PATH; id", name="asking", image="tools/app:1")
        asking.envs.add(key="PATH", value=b"/bin")
        given = client.container(name="given", image="tools/app:1")
        given.args.extend(["given"])
        outputs = []
        for config in (plain, asking, given):
            id_ = await client.create(sandbox_id, config)
            await client.start(id_)
            lines = Path((await client.status(id_)).log_path).read_text().splitlines()  # noqa: ASYNC240
            outputs.append([line.split(" ", 3)[3] for line in lines])

    assert image.size == len(LAYER)
    assert outputs == [
        ["by default"],
        ["/srv", "hello /bin", "uid=1234(app) gid=50(staff) groups=50(staff)"],
        ["given"],
    ]


@pytest.mark.parametrize(
    ("auth", "allowed"),
    [
        (pb.AuthConfig(), False),
        (pb.AuthConfig(username="me", password="wrong"), False),
        (pb.AuthConfig(username="me", password="right"), True),
        (pb.AuthConfig(auth=base64.b64encode(b"me:right").decode()), True),
        (pb.AuthConfig(auth="no base64"), False),
        (pb.AuthConfig(registry_token="open sesame"), True),
        (pb.AuthConfig(identity_token="open sesame"), True),
    ],
)
async def test_a_private_image_is_pulled_with_the_right_credentials_only(
    client: Client, auth: pb.AuthConfig, allowed: bool
) -> None:
    pull = client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image="tools/private"), auth=auth))
    if allowed:
        assert (await pull).image_ref
        return
    code, text = await failure(pull)

    assert code is grpc.StatusCode.UNKNOWN
    assert "docker.io/tools/private:latest" in text
    assert "pull access denied" in text
    assert "right" not in text


async def test_a_user_that_the_image_does_not_know_is_refused(client: Client) -> None:
    await pulled(client, "tools/ghost")
    sandbox_id = await client.run_sandbox()

    code, text = await failure(client.create(sandbox_id, client.container("sleep", "9", image="tools/ghost")))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text.startswith("config.linux.security_context: ")
    assert text.endswith("no users found for ghost")


@pytest.mark.parametrize(
    ("mode", "mappings", "complaint"),
    [
        (pb.POD, [(0, 1000, 9), (9, 2000, 9)], "only one uid mapping is supported"),
        (pb.POD, [(1, 1000, 9)], "container uid 0 must be mapped"),
        (pb.POD, [], "only one uid mapping is supported"),
        (pb.CONTAINER, [], "unsupported user namespace mode: CONTAINER"),
        (pb.TARGET, [], "unsupported user namespace mode: TARGET"),
    ],
)
async def test_a_user_namespace_that_cannot_be_is_refused(
    client: Client, mode: pb.NamespaceMode.ValueType, mappings: list[tuple[int, int, int]], complaint: str
) -> None:
    config, wanted = client.pod(), [pb.IDMapping(container_id=c, host_id=h, length=n) for c, h, n in mappings]
    options = pb.UserNamespace(mode=mode, uids=wanted, gids=wanted)
    config.linux.security_context.namespace_options.userns_options.CopyFrom(options)

    _, text = await failure(client.run_sandbox(config))
    assert complaint in text
    assert await client.run_sandbox()  # its name is free


@pytest.mark.parametrize(
    ("mount", "complaint"),
    [
        (pb.Mount(container_path="/m", host_path="/tmp", recursive_read_only=True), "needs readonly"),
        (
            pb.Mount(
                container_path="/m",
                host_path="/tmp",
                readonly=True,
                recursive_read_only=True,
                propagation=pb.PROPAGATION_BIDIRECTIONAL,
            ),
            "got PROPAGATION_BIDIRECTIONAL",
        ),
        (pb.Mount(container_path="/m", image=pb.ImageSpec(image=IMAGE)), "can only be mounted read-only"),
        (pb.Mount(container_path="/m", image=pb.ImageSpec(image="none"), readonly=True), '"none" is not present'),
        (
            pb.Mount(container_path="/m", image=pb.ImageSpec(image=IMAGE), readonly=True, image_sub_path="nowhere"),
            '"nowhere" is not in the image',
        ),
    ],
)
async def test_a_mount_that_cannot_be_made_is_refused(client: Client, mount: pb.Mount, complaint: str) -> None:
    config = client.container("sleep", "9")
    config.mounts.append(mount)

    _, text = await failure(client.create(await client.run_sandbox(), config))
    assert complaint in text


async def test_the_status_of_an_image_volume_names_the_image(client: Client) -> None:
    config = client.container("sleep", "9")
    config.mounts.add(container_path="/m", readonly=True, image_sub_path="etc").image.image = IMAGE
    status = await client.status(await client.create(await client.run_sandbox(), config))

    assert status.mounts[0].image.image_ref == status.image_id


async def test_every_metric_has_samples_with_a_value_for_each_label(client: Client) -> None:
    id_ = await client.run("sleep", "1000")
    described = await client.runtime.ListMetricDescriptors(pb.ListMetricDescriptorsRequest())
    listed = await client.runtime.ListPodSandboxMetrics(pb.ListPodSandboxMetricsRequest())

    keys = {one.name: len(one.label_keys) for one in described.descriptors}
    (pod,) = listed.pod_metrics
    (container,) = pod.container_metrics
    samples = [*pod.metrics, *container.metrics]
    assert container.container_id == id_
    assert set(keys) == {one.name for one in samples} == {one.name for one in METRICS}
    assert all(len(one.label_values) == keys[one.name] for one in samples)
    assert all(one.help for one in described.descriptors)


async def ids(stream: AsyncIterator[object], field: str) -> list[str]:
    """Return the ids in a streamed list."""
    pieces = [list(getattr(piece, field)) async for piece in stream]
    assert all(pieces)  # no piece is empty
    items = [item for piece in pieces for item in piece]
    return [
        next(filter(None, (getattr(one, key, "") for key in ("id", "pod_sandbox_id"))), "") or one.attributes.id
        for one in items
    ]


async def test_streamed_lists_have_what_the_lists_have(client: Client) -> None:
    container_id = await client.run("sleep", "1000")
    sandbox_id = (await client.runtime.ListContainers(pb.ListContainersRequest())).containers[0].pod_sandbox_id
    runtime = client.runtime

    assert await ids(runtime.StreamContainers(pb.StreamContainersRequest()), "containers") == [container_id]
    assert await ids(runtime.StreamPodSandboxes(pb.StreamPodSandboxesRequest()), "pod_sandboxes") == [sandbox_id]
    stats = runtime.StreamContainerStats(pb.StreamContainerStatsRequest())
    assert await ids(stats, "container_stats") == [container_id]
    pod_stats = runtime.StreamPodSandboxStats(pb.StreamPodSandboxStatsRequest())
    assert await ids(pod_stats, "pod_sandbox_stats") == [sandbox_id]
    metrics = runtime.StreamPodSandboxMetrics(pb.StreamPodSandboxMetricsRequest())
    assert await ids(metrics, "pod_sandbox_metrics") == [sandbox_id]
    images = client.images.StreamImages(pb.StreamImagesRequest())
    assert len(await ids(images, "images")) == 2


async def test_an_empty_list_is_streamed_without_a_message(client: Client) -> None:
    assert await ids(client.runtime.StreamContainers(pb.StreamContainersRequest()), "containers") == []


async def test_a_checkpoint_describes_the_container(client: Client, directory: Path) -> None:
    id_ = await client.run("sleep", "1000")
    location = directory / "checkpoint.tar"
    request = pb.CheckpointContainerRequest(container_id=id_, location=str(location))
    await client.runtime.CheckpointContainer(request)

    with tarfile.open(location) as archive:
        config = archive.extractfile("config.dump")
        assert config is not None
        assert json.load(config)["id"] == id_
    assert not location.with_name("checkpoint.tar.partial").exists()  # a test has time


@pytest.mark.parametrize("location", ["", "relative.tar", "/nowhere/at/all.tar"])
async def test_a_checkpoint_needs_a_place_it_can_be_written_to(client: Client, location: str) -> None:
    id_ = await client.run("sleep", "1000")
    request = pb.CheckpointContainerRequest(container_id=id_, location=location)

    code, text = await failure(client.runtime.CheckpointContainer(request))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text.startswith(f'location: failed to checkpoint container "{id_}"')


async def test_the_resources_of_a_pod_that_is_not_there_cannot_be_updated(client: Client) -> None:
    update = client.runtime.UpdatePodSandboxResources
    await update(pb.UpdatePodSandboxResourcesRequest(pod_sandbox_id=await client.run_sandbox()))

    code, _ = await failure(update(pb.UpdatePodSandboxResourcesRequest(pod_sandbox_id=MISSING)))
    assert code is grpc.StatusCode.NOT_FOUND


def test_the_configuration_for_critest_is_sound() -> None:
    settings = load_settings(Path(__file__).parents[2] / "config" / "conformance.yaml")

    assert len(settings.catalogue) > 5
