"""Claims about CredentialProviderConfig: every fault has a place, and a kubelet's files are understood."""

from pathlib import Path

import pytest

from kubeletsim.config.credential_provider_files import check_flags, read_credential_providers
from kubeletsim.config.credential_providers import CredentialProviderSettings
from kubeletsim.model.errors import ConfigError

HEAD = "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\n"
GOOD = (
    HEAD
    + """providers:
- name: ecr
  apiVersion: credentialprovider.kubelet.k8s.io/v1
  matchImages: ["*.dkr.ecr.*.amazonaws.com", "registry.io:8080/path"]
  defaultCacheDuration: 12h
  args: [get]
  env: [{name: AWS_PROFILE, value: example}]
"""
)


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("ecr", "gcr"):
        (directory / name).touch(mode=0o755)
    return directory


def faults(text: str, tmp_path: Path, bin_dir: Path) -> list[str]:
    path = tmp_path / "providers.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_credential_providers(path, bin_dir=bin_dir)
    return [str(fault).removeprefix(str(path)) for fault in caught.value.faults]


def test_a_file_becomes_settings(tmp_path: Path, bin_dir: Path) -> None:
    (tmp_path / "providers.yaml").write_text(GOOD)

    assert read_credential_providers(tmp_path / "providers.yaml", bin_dir=bin_dir) == (
        CredentialProviderSettings(
            name="ecr",
            api_version="credentialprovider.kubelet.k8s.io/v1",
            match_images=("*.dkr.ecr.*.amazonaws.com", "registry.io:8080/path"),
            default_cache_seconds=43_200,
            args=("get",),
            env=(("AWS_PROFILE", "example"),),
        ),
    )


def test_a_directory_is_read_in_lexical_order_and_knows_each_provider_once(tmp_path: Path, bin_dir: Path) -> None:
    directory = tmp_path / "conf"
    directory.mkdir()
    (directory / "20.yaml").write_text(GOOD)
    (directory / "10.yml").write_text(GOOD.replace("name: ecr", "name: gcr"))
    (directory / "notes.txt").write_text("not read")
    assert [one.name for one in read_credential_providers(directory, bin_dir=bin_dir)] == ["gcr", "ecr"]

    (directory / "30.json").write_text(GOOD)
    with pytest.raises(ConfigError, match="must be given once among all files"):
        read_credential_providers(directory, bin_dir=bin_dir)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "cannot be read"),
        ("kind: Pod", "must be CredentialProviderConfig"),
        (HEAD.replace("/v1\n", "/v2\n"), "must be one of kubelet.config.k8s.io/v1"),
        (HEAD, "providers: must have at least one item"),
        (GOOD + "  color: red\n", "providers[0].color: no such field"),
        (GOOD.replace("args: [get]", "args: get"), "providers[0].args: "),
        (GOOD.replace("12h", "soon"), "providers[0].defaultCacheDuration: "),
        (GOOD.replace("  defaultCacheDuration: 12h\n", ""), "defaultCacheDuration: must be given"),
        (GOOD.replace("12h", "-1s"), "must be given, and not negative"),
        (GOOD.replace("name: ecr", "name: ../ecr"), "without slashes"),
        (GOOD.replace("name: ecr", "name: absent"), "must be a program in"),
        (GOOD.replace("provider.kubelet.k8s.io/v1", "provider/v1"), "apiVersion: "),
        (GOOD.replace("registry.io:8080/path", "https://x"), "matchImages[1]: "),
        (GOOD + "  tokenAttributes: {}\n", "tokenAttributes.serviceAccountTokenAudience: must be given"),
    ],
)
def test_a_fault_is_named_with_its_place(text: str, told: str, tmp_path: Path, bin_dir: Path) -> None:
    assert any(told in fault for fault in faults(text, tmp_path, bin_dir))


def test_the_line_of_a_fault_is_told(tmp_path: Path, bin_dir: Path) -> None:
    (fault,) = faults(GOOD.replace("12h", "-1s"), tmp_path, bin_dir)

    assert fault.startswith(":7: providers[0].defaultCacheDuration: ")


def test_a_provider_may_need_a_service_account(tmp_path: Path, bin_dir: Path) -> None:
    token = "{serviceAccountTokenAudience: aud, cacheType: Token, requireServiceAccount: true}"
    (tmp_path / "providers.yaml").write_text(GOOD + f"  tokenAttributes: {token}\n")

    (one,) = read_credential_providers(tmp_path / "providers.yaml", bin_dir=bin_dir)
    assert one.requires_service_account


def test_the_two_flags_need_each_other_and_a_directory(tmp_path: Path, bin_dir: Path) -> None:
    check_flags(None, None)
    check_flags(tmp_path, bin_dir)
    for config, directory in ((tmp_path, None), (None, bin_dir), (tmp_path, tmp_path / "absent")):
        with pytest.raises(ConfigError, match="image-credential-provider"):
            check_flags(config, directory)
