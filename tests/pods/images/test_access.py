"""Claims about who may use an image: what records say outlives the kubelet, and doubt means a pull."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.runtime import Image, ImageID
from kubeletsim.pods.images import ImageAccess, PullRecordFiles, Verification
from kubeletsim.pods.images.records import PullCredentials, PulledRecord

pytestmark = pytest.mark.looptime
NAME = "docker.io/library/busybox"
TIED = PullCredentials(holders={"kubernetesSecrets": [{"uid": "u", "namespace": "n", "name": "s"}]})


@pytest.fixture
def files(tmp_path: Path) -> PullRecordFiles:
    made = PullRecordFiles(tmp_path)
    made.make()
    return made


@pytest.fixture
async def access(files: PullRecordFiles) -> ImageAccess:
    return ImageAccess(files, verification=Verification(), clock=LoopClock(), registry=CollectorRegistry())


async def test_what_was_pulled_is_everybodys_also_for_the_next_kubelet(
    access: ImageAccess, files: PullRecordFiles
) -> None:
    access.begin("busybox")
    access.pulled("busybox", "sha256:1")

    after_restart = ImageAccess(
        files, verification=Verification("AlwaysVerify"), clock=LoopClock(), registry=CollectorRegistry()
    )
    assert not after_restart.must_pull("busybox:latest", "sha256:1")
    assert after_restart.must_pull("other/busybox", "sha256:1")


async def test_an_image_tied_to_somebodys_secret_is_pulled_by_whoever_else_wants_it(
    access: ImageAccess, files: PullRecordFiles
) -> None:
    files.write_pulled(PulledRecord(image_ref="sha256:1", last_updated_at=0, credentials={NAME: TIED}))

    assert access.must_pull("busybox", "sha256:1")
    access.begin("busybox")
    access.pulled("busybox", "sha256:1")
    assert not access.must_pull("busybox", "sha256:1")


async def test_records_that_cannot_be_read_mean_a_pull(access: ImageAccess, tmp_path: Path) -> None:
    access.begin("busybox")
    access.pulled("busybox", "sha256:1")
    (record,) = (tmp_path / "image_manager" / "pulled").iterdir()
    record.write_text("{")

    assert access.must_pull("busybox", "sha256:1")


async def test_an_image_that_appears_during_its_own_pull_is_not_preloaded(access: ImageAccess) -> None:
    access.begin("busybox")

    assert access.must_pull("busybox", "sha256:1")


async def test_the_intent_stays_until_the_last_of_several_pulls_ends(
    access: ImageAccess, files: PullRecordFiles
) -> None:
    access.begin("busybox")
    access.begin("busybox")

    access.failed("busybox")
    assert files.intents() == ["busybox"]
    access.failed("busybox")
    assert files.intents() == []


async def test_an_unfinished_pull_whose_image_is_there_becomes_a_record_without_credentials(
    access: ImageAccess, files: PullRecordFiles
) -> None:
    files.write_intent("docker.io/library/busybox:1")
    files.write_intent("docker.io/library/absent:1")
    present = Image(id=ImageID("sha256:1"), repo_tags=("docker.io/library/busybox:1",), size_bytes=1)

    access.adopt(access.unfinished(), [present])

    assert files.intents() == ["docker.io/library/absent:1"]
    (record,) = files.all_pulled()
    assert (record.image_ref, record.credentials) == ("sha256:1", {})
    assert access.must_pull("busybox:1", "sha256:1")


async def test_records_of_images_that_are_gone_are_forgotten_unless_they_are_new(
    access: ImageAccess, files: PullRecordFiles
) -> None:
    for ref, at in (("gone", 5), ("there", 5), ("new", 15)):
        files.write_pulled(PulledRecord(image_ref=ref, last_updated_at=at))

    access.prune({"there"}, until=10)

    assert {record.image_ref for record in files.all_pulled()} == {"there", "new"}


async def test_checks_and_records_are_counted(files: PullRecordFiles) -> None:
    registry = CollectorRegistry()
    access = ImageAccess(files, verification=Verification(), clock=LoopClock(), registry=registry)

    access.must_pull("busybox", "sha256:1")
    access.begin("busybox")
    access.must_pull("busybox", "sha256:1")
    assert registry.get_sample_value("kubelet_imagemanager_ondisk_pullintents") == 1
    access.pulled("busybox", "sha256:1")
    access.must_pull("busybox", "sha256:1")

    name = "kubelet_imagemanager_image_mustpull_checks_total"
    for result in ("credentialPolicyAllowed", "mustAuthenticate", "credentialRecordFound"):
        assert registry.get_sample_value(name, {"result": result}) == 1
    assert registry.get_sample_value("kubelet_imagemanager_ondisk_pullintents") == 0
    assert registry.get_sample_value("kubelet_imagemanager_ondisk_pulledrecords") == 1
