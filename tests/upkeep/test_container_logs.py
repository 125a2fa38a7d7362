"""The log files on disk: what is found, and what must never be touched."""

from kubeletsim.upkeep.container_logs import ContainerLogs


def test_a_log_path_that_names_no_file_of_ours_deletes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "precious").write_text("x")
    logs = ContainerLogs(pod_logs_dir=tmp_path / "pods", links_dir=tmp_path / "links")

    for log_path in ("", "precious", "./precious"):
        logs.delete_files(log_path)

    assert (tmp_path / "precious").exists()
    assert logs.pod_directories() == []
    assert logs.dangling_links() == []


def test_a_pods_directory_goes_with_its_content_and_a_stray_file_or_link_of_that_name_by_itself(tmp_path):
    logs = ContainerLogs(pod_logs_dir=tmp_path / "pods", links_dir=tmp_path / "links")
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "pods" / "default_web_1" / "app").mkdir(parents=True)
    elsewhere.mkdir()
    (tmp_path / "pods" / "default_web_2").write_text("")
    (tmp_path / "pods" / "default_web_3").symlink_to(elsewhere)

    for name in logs.pod_directories():
        logs.delete_pod_directory(name)

    assert logs.pod_directories() == []
    assert elsewhere.is_dir()
