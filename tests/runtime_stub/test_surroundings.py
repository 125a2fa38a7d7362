"""What runs in a container finds the files, users, mounts and ports that its request names."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.host_files import HostVolume
from runtime_stub.settings import Settings
from tests.runtime_stub.conftest import IMAGE, Client, connected


async def executed(client: Client, id_: str, *command: str) -> tuple[bytes, bytes, int]:
    answer = await client.runtime.ExecSync(pb.ExecSyncRequest(container_id=id_, cmd=command, timeout=5))
    return answer.stdout, answer.stderr, answer.exit_code


async def started(client: Client, config: pb.ContainerConfig, pod: pb.PodSandboxConfig | None = None) -> str:
    id_ = await client.create(await client.run_sandbox(pod), config)
    await client.start(id_)
    return id_


async def test_processes_of_a_container_share_its_files(client: Client) -> None:
    id_ = await client.run("sh", "-c", "echo from one > /tmp/f; sleep 1000")

    assert await executed(client, id_, "cat", "/tmp/f") == (b"from one\n", b"", 0)
    assert await executed(client, id_, "sh", "-c", "pgrep sleep | wc -l") == (b"1\n", b"", 0)


async def test_a_mount_of_the_host_is_seen_and_written(client: Client, directory: Path) -> None:
    config = client.container("sleep", "1000")
    config.mounts.add(container_path="/data", host_path=str(directory))
    config.mounts.add(container_path="/fixed", host_path=str(directory), readonly=True)
    id_ = await started(client, config)

    assert await executed(client, id_, "sh", "-c", "echo x > /data/new; cat /fixed/new") == (b"x\n", b"", 0)
    assert await executed(client, id_, "touch", "/fixed/new") == (b"", b"touch: /fixed/new: Read-only file system\n", 1)
    assert (directory / "new").read_text() == "x\n"  # a test has time


async def test_an_image_volume_shows_the_images_files_and_nothing_can_be_changed(client: Client) -> None:
    config = client.container("sleep", "1000")
    config.mounts.add(container_path="/image", readonly=True, image_sub_path="etc").image.image = IMAGE
    id_ = await started(client, config)

    assert (await executed(client, id_, "grep", "-c", "^root", "/image/passwd"))[0] == b"1\n"
    assert (await executed(client, id_, "touch", "/image/x"))[2] == 1


async def test_the_security_context_shows_inside(client: Client) -> None:
    config = client.container("sleep", "1000")
    security = config.linux.security_context
    security.run_as_user.value, security.readonly_rootfs = 1001, True
    security.masked_paths.append("/bin/ls")
    security.capabilities.drop_capabilities.append("ALL")
    id_ = await started(client, config)

    assert await executed(client, id_, "id", "-u") == (b"1001\n", b"", 0)
    assert await executed(client, id_, "touch", "/x") == (b"", b"touch: /x: Read-only file system\n", 1)
    assert await executed(client, id_, "/bin/sh", "-c", "ls") == (b"", b"/bin/sh: ls: Permission denied\n", 126)
    assert b"CapBnd:\t0000000000000000\n" in (await executed(client, id_, "cat", "/proc/self/status"))[0]


async def test_dns_hostname_and_sysctls_are_the_pods(client: Client) -> None:
    pod = client.pod("named")
    pod.hostname = "named"
    pod.dns_config.servers.append("10.10.10.10")
    pod.linux.sysctls["kernel.shm_rmid_forced"] = "1"
    id_ = await started(client, client.container("sleep", "1000"), pod)

    assert (await executed(client, id_, "hostname"))[0] == b"named\n"
    assert (await executed(client, id_, "cat", "/etc/resolv.conf"))[0] == b"nameserver 10.10.10.10\n"
    assert (await executed(client, id_, "cat", "/proc/sys/kernel/shm_rmid_forced"))[0] == b"1\n"


async def test_too_large_a_block_ends_the_container(client: Client) -> None:
    config = client.container("sh", "-c", "dd if=/dev/zero of=/dev/null bs=20M")
    config.linux.resources.memory_limit_in_bytes = 15 * 1024 * 1024
    status = await client.status(await started(client, config))

    assert (status.exit_code, status.reason) == (137, "OOMKilled")


async def test_a_server_answers_on_its_pods_address_until_it_is_stopped(settings: Settings) -> None:
    async with connected(replace(settings, pod_cidr="")) as client:
        sandbox_id = await client.run_sandbox()
        script = "echo home > /tmp/index.html; httpd -f -p 18080 -h /tmp"
        id_, address = await client.run("sh", "-c", script, sandbox_id=sandbox_id), await client.ip(sandbox_id)
        assert (await fetched(address, 18080)).endswith(b"\r\n\r\nhome\n")
        assert b":18080 " in (await executed(client, id_, "netstat", "-ln"))[0]

        await client.runtime.StopContainer(pb.StopContainerRequest(container_id=id_))
        assert await refused(address, 18080)


async def refused(address: str, port: int) -> bool:
    for _ in range(1000):
        try:
            _, writer = await asyncio.open_connection(address, port)
        except ConnectionRefusedError:
            return True
        writer.close()
        await asyncio.sleep(0.02)
    return False


async def fetched(address: str, port: int) -> bytes:
    for _ in range(1000):  # the socket is opened a moment after the container is started
        try:
            reader, writer = await asyncio.open_connection(address, port)
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
    else:
        raise ConnectionRefusedError("refused")
    try:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("names", [["link"], ["link", "secret"]])
def test_a_link_that_leads_out_of_a_mount_leads_nowhere(directory: Path, names: Sequence[str]) -> None:
    (directory / "mounted").mkdir()
    (directory / "secret").write_text("s")
    (directory / "mounted" / "link").symlink_to(directory)

    with pytest.raises(FileNotFoundError):
        HostVolume(str(directory / "mounted")).look("/" + "/".join(names))
