"""The removal of one container: its files, its link, the recorded calls."""

from pathlib import Path

import pytest

from kubeletsim.model.runtime import ContainerID
from kubeletsim.upkeep.container_logs import ContainerLogs
from kubeletsim.upkeep.container_removal import ContainerRemover


def put_directory_at(log_path: str) -> None:
    """Have something there that no file removal can remove."""
    Path(log_path).mkdir(parents=True)


@pytest.fixture
def remover(node, tmp_path):
    (tmp_path / "links").mkdir()
    logs = ContainerLogs(pod_logs_dir=tmp_path / "pods", links_dir=tmp_path / "links")
    return ContainerRemover(node.cri, logs=logs)


@pytest.mark.looptime
async def test_a_removed_container_takes_its_log_the_rotated_ones_and_the_link_with_it(remover, node, log_of, tmp_path):
    gone = await node.container("web", "app", attempt=1)
    log = Path(log_of(node.cri, gone))
    log.parent.mkdir(parents=True)
    rotated = log.with_name("1.log.20261123-070000.gz")
    other = log.with_name("10.log")
    link = tmp_path / "links" / f"web_default_app-{gone}.log"
    for file in (log, rotated, other):
        file.write_text("x")
    link.symlink_to(log)

    await remover.remove(gone)

    assert [file.exists() for file in (log, rotated, other)] == [False, False, True]
    assert not link.is_symlink()
    assert node.cri.containers() == []
    assert node.cri.names()[-3:] == ["ContainerStatus", "ContainerStatus", "RemoveContainer"]


@pytest.mark.looptime
async def test_removing_a_container_that_is_gone_is_no_failure(remover):
    await remover.remove(ContainerID("gone"))


@pytest.mark.looptime
async def test_a_log_that_cannot_be_deleted_keeps_the_container_for_another_try(remover, node, log_of):
    kept = await node.container("web", "app")
    put_directory_at(log_of(node.cri, kept))

    with pytest.raises(OSError, match=r"0\.log"):
        await remover.remove(kept)

    assert [container.id for container in node.cri.containers()] == [kept]
