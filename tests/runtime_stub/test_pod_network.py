"""Commands in pods reach each other, and nothing else, over the simulated network; they say what busybox says."""

import asyncio

import pytest

from kubeletsim.pb import cri_pb2 as pb
from tests.runtime_stub.conftest import Bench

pytestmark = pytest.mark.looptime

SERVER = """
mkdir /www; echo page > /www/index.html; httpd -p 8080 -h /www
while true; do echo hello | nc -l -p 9000; done
"""
PEER, OWN, NOBODY = "10.88.0.3", "10.88.0.2", "10.88.0.99"
"""Addresses of the server's pod, of the one whose commands are looked at, and of none."""


async def said(lab: Bench, script: str, *, timeout_seconds: int = 60) -> tuple[int, str, str]:
    """Run a script in one pod while another serves; return its exit code and both outputs."""
    client = lab.client
    id_ = await client.run("sleep", "10000", name="client")
    await client.run("sh", "-c", SERVER, name="server")
    request = pb.ExecSyncRequest(container_id=id_, cmd=["sh", "-c", script], timeout=timeout_seconds)
    answer = await client.runtime.ExecSync(request)
    return answer.exit_code, answer.stdout.decode(), answer.stderr.decode()


@pytest.mark.parametrize(
    ("script", "code", "output", "complaint"),
    [
        (f"wget -qO- http://{PEER}:8080/", 0, "page\n", ""),
        (f"wget -q {PEER}:8080/index.html && cat index.html", 0, "page\n", ""),
        (f"wget -q {PEER}:8080; wget -q {PEER}:8080", 1, "", "wget: can't open 'index.html': File exists\n"),
        (f"wget -q http://{PEER}:8080/no", 1, "", "wget: server returned error: HTTP/1.1 404 Not Found\n"),
        (f"wget -q http://{PEER}:81", 1, "", f"wget: can't connect to remote host ({PEER}): Connection refused\n"),
        (f"wget -q -T 1 {NOBODY}", 1, "", f"wget: can't connect to remote host ({NOBODY}): Connection timed out\n"),
        (f"wget -q {NOBODY}", 1, "", f"wget: can't connect to remote host ({NOBODY}): No route to host\n"),
        ("wget -q 8.8.8.8", 1, "", "wget: can't connect to remote host (8.8.8.8): Network is unreachable\n"),
        ("wget -q http://example.com", 1, "", "wget: bad address 'example.com'\n"),
        ("nc -l -p 80 -e cat & wget -q localhost", 1, "", "wget: error getting response\n"),
        ("nc -l -p 80 -e sleep 9 & wget -q -T 2 localhost", 1, "", "wget: download timed out\n"),
        (f"wget -q --spider {PEER}:8080", 0, "", ""),
        (f"nc {PEER} 9000; nc {PEER} 9000", 0, "hello\nhello\n", ""),
        (f"nc -zv {PEER} 9000", 0, "", f"{PEER} ({PEER}:9000) open\n"),
        (f"nc -z {PEER} 9001", 1, "", ""),
        (f"nc -v -w 1 {NOBODY} 80", 1, "", f"nc: {NOBODY} ({NOBODY}:80): Connection timed out\n"),
        ("nc -l -p 80 -w 2", 1, "", "nc: timeout\n"),
        ("nc -l -p 80 & sleep 1; nc -l -p 80", 1, "", "nc: bind: Address already in use\n"),
        ("nc -l -p 99999", 1, "", "nc: bad port '99999'\n"),
        ("httpd -f -h /nosuch", 1, "", "httpd: can't change directory to '/nosuch': No such file or directory\n"),
        ("httpd -p 82 -h /etc && wget -qO- 127.0.0.1:82/passwd | head -n 1", 0, "root:x:0:0:root:/root:/bin/sh\n", ""),
        ("nslookup nosuch | tail -n 2", 0, "** server can't find nosuch: NXDOMAIN\n\n", ""),
        ("nslookup 10-88-0-3.default.pod.cluster.local | grep -c 'Address: 10.88.0.3'", 0, "1\n", ""),
        ("ping -c 1 8.8.8.8 > /dev/null", 1, "", "ping: sendto: Network is unreachable\n"),
        ("ping -c 1 nosuch", 1, "", "ping: bad address 'nosuch'\n"),
        (f"hostname -i; ip addr show eth0 | grep -c 'inet {OWN}/16 brd 10.88.255.255'", 0, f"{OWN}\n1\n", ""),
        ("ip route", 0, f"default via 10.88.0.1 dev eth0 \n10.88.0.0/16 dev eth0 scope link  src {OWN} \n", ""),
        ("ifconfig nosuch", 1, "", "ifconfig: nosuch: error fetching interface information: Device not found\n"),
        ("nc -lk -p 80 -e cat & sleep 1; netstat -ln | grep -c ':80 '; route -n | grep -c UG", 0, "1\n1\n", ""),
    ],
)
async def test_commands_of_the_network_say_what_busyboxs_do(
    lab: Bench, script: str, code: int, output: str, complaint: str
) -> None:
    assert await said(lab, script) == (code, output, complaint)


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("nc -l -p 80 -e tr a-z A-Z & echo shout | nc localhost 80; wait", "SHOUT\n"),
        ("(sleep 1; echo late) | nc -l -p 80 & nc localhost 80", "late\n"),
        ("nc -lk -p 80 -e sh -c 'read x; echo $x!' & for i in 1 2; do echo $i | nc localhost 80; done", "1!\n2!\n"),
        ("seq 50000 | nc -l -p 80 & sleep 1; nc localhost 80 | tail -n 1", "50000\n"),
        ("nc -l -p 80 > /tmp/got & seq 50000 | nc -w 1 localhost 80; wait; tail -n 1 /tmp/got", "50000\n"),
        ("sleep 3 | nc -w 1 localhost 80; echo $?", "1\n"),
    ],
)
async def test_both_ends_of_a_connection_may_be_commands_of_one_script(lab: Bench, script: str, output: str) -> None:
    assert (await said(lab, script))[1] == output


async def test_ping_counts_what_is_answered(lab: Bench) -> None:
    code, output, _ = await said(lab, f"ping -c 2 {PEER}; ping -c 2 -W 1 {NOBODY}")

    assert code == 1
    assert output.count("64 bytes from") == 2
    assert "2 packets transmitted, 2 packets received, 0% packet loss\nround-trip min/avg/max = 0." in output
    assert output.endswith("2 packets transmitted, 0 packets received, 100% packet loss\n")


async def test_what_a_container_listens_on_is_gone_with_it(lab: Bench) -> None:
    client = lab.client
    ids = [await client.run("nc", "-lk", "-p", "80", "-e", "date", name=name) for name in ("a", "b")]
    await client.runtime.StopContainer(pb.StopContainerRequest(container_id=ids[1], timeout=5))

    assert (await client.status(ids[1])).exit_code == 143  # nc heeds signals
    assert [one.address for one in lab.machine.ports.sockets()] == [OWN]


AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.40"


async def with_agnhost(lab: Bench, *arguments: str) -> str:
    """Run agnhost in a pod of its own, after the client's; return the container's id."""
    client = lab.client
    await client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image=AGNHOST)))
    config = client.container(image=AGNHOST, name="agnhost")
    config.args.extend(arguments)
    id_ = await client.create(await client.run_sandbox(client.pod("agnhost")), config)
    await client.start(id_)
    return id_


async def fetched(lab: Bench, id_: str, url: str) -> tuple[int, str, str]:
    request = pb.ExecSyncRequest(container_id=id_, cmd=["wget", "-qO-", f"http://{PEER}:{url}"], timeout=5)
    answer = await lab.client.runtime.ExecSync(request)
    return answer.exit_code, answer.stdout.decode(), answer.stderr.decode()


async def test_agnhost_is_lively_for_ten_seconds(lab: Bench) -> None:
    id_ = await lab.client.run("sleep", "10000", name="client")
    await with_agnhost(lab, "liveness")

    assert (await fetched(lab, id_, "8080/healthz"))[0] == 0
    await asyncio.sleep(10.5)
    assert "500 Internal Server Error" in (await fetched(lab, id_, "8080/healthz"))[2]


async def test_agnhost_serves_what_tests_ask_for_until_it_is_told_to_exit(lab: Bench) -> None:
    id_ = await lab.client.run("sleep", "10000", name="client")
    server = await with_agnhost(lab, "netexec", "--http-port=8081")

    assert await fetched(lab, id_, "8081/echo?msg=hello%20there") == (0, "hello there", "")
    assert await fetched(lab, id_, "8081/redirect?location=/echo?msg=here") == (0, "here", "")
    await fetched(lab, id_, "8081/exit?code=3")
    await asyncio.sleep(1)
    assert (await lab.client.status(server)).exit_code == 3


async def test_agnhost_says_over_http_what_its_grpc_health_is(lab: Bench) -> None:
    id_ = await lab.client.run("sleep", "10000", name="client")
    server = await with_agnhost(lab, "grpc-health-checking", "--port", "5001")

    assert await fetched(lab, id_, "8080/make-not-serving") == (0, "Marked as NOT_SERVING\n", "")
    connect = pb.ExecSyncRequest(container_id=server, cmd=["/agnhost", "connect", "--timeout=2s", "localhost:5001"])
    assert (await lab.client.runtime.ExecSync(connect)).exit_code == 0
    connect.cmd[-1] = "localhost:5002"
    assert (await lab.client.runtime.ExecSync(connect)).stderr == b"REFUSED\n"


async def test_an_nginx_shows_its_files_and_misses_those_that_are_removed(lab: Bench) -> None:
    client = lab.client
    id_ = await client.run("sleep", "10000", name="client")
    await client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image="nginx:1.27")))
    nginx = await client.create(await client.run_sandbox(), client.container(image="nginx:1.27", name="nginx"))
    await client.start(nginx)

    assert "Welcome to nginx!" in (await fetched(lab, id_, "80/"))[1]
    assert "404 Not Found" in (await fetched(lab, id_, "80/healthz"))[2]
    remove = ["rm", "/usr/share/nginx/html/index.html"]
    await client.runtime.ExecSync(pb.ExecSyncRequest(container_id=nginx, cmd=remove))
    assert "403 Forbidden" in (await fetched(lab, id_, "80/"))[2]


async def test_top_shows_the_processes_as_often_as_it_is_asked(lab: Bench) -> None:
    code, output, _ = await said(lab, "top -b -n 2 -d 1")

    assert (code, output.count("Mem: "), output.count(" sleep 10000\n"), output.count(" top -b")) == (0, 2, 2, 2)
