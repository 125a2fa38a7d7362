"""Scrapes see what containers' logs take on disk, and survive whatever lies in the directory."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from kubeletsim.upkeep.log_usage import NAME, LogUsage


def samples(directory: Path) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(LogUsage(directory))
    [family] = registry.collect()
    assert family.name == NAME
    order = ("namespace", "pod", "uid", "container")
    return {tuple(one.labels[label] for label in order): one.value for one in family.samples}


def test_every_container_has_the_room_that_all_its_log_files_take(tmp_path: Path) -> None:
    logs = tmp_path / "default_web-0_u-1" / "app"
    logs.mkdir(parents=True)
    (logs / "0.log").write_bytes(b"x" * 10_000)
    (logs / "0.log.20261123-120000.gz").write_bytes(b"x" * 5_000)
    (tmp_path / "default_web-0_u-1" / "quiet").mkdir()
    on_disk = sum(file.stat().st_blocks * 512 for file in logs.iterdir())

    found = samples(tmp_path)
    assert found == {("default", "web-0", "u-1", "app"): on_disk, ("default", "web-0", "u-1", "quiet"): 0}
    assert on_disk >= 15_000


def test_what_is_nobodys_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "lost+found" / "x").mkdir(parents=True)
    (tmp_path / "a_b_c").write_text("no directory")
    (tmp_path / "d_e_f").symlink_to(tmp_path)

    assert samples(tmp_path) == {}
    assert samples(tmp_path / "missing") == {}
