"""Whatever the network's commands are called with, they end or wait, and never break."""

from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.catalogue import ImageEntry
from runtime_stub.network.pod import Fabric, PodNetwork
from runtime_stub.network.ports import Ports
from runtime_stub.shell.accounts import Identity
from runtime_stub.shell.commands import DEFAULT_PATH, find_command
from runtime_stub.shell.commands.network import COMMANDS
from runtime_stub.shell.context import Call, Context, Input
from runtime_stub.shell.files import Files, Memory, Mounted
from runtime_stub.shell.program import Output, Wait
from runtime_stub.shell.rootfs import rootfs
from runtime_stub.state.addresses import parse_ranges
from runtime_stub.state.records import Sandbox

POD = Sandbox(id="s", wire_config=pb.PodSandboxConfig().SerializeToString(), created_at=1, pid=1, ips=("10.0.0.2",))
HOSTS = b"127.0.0.1 localhost\nnonsense bad\n10.0.0.2\n"
HOSTS_AND_PORTS = "localhost bad 127.0.0.1 10.0.0.2 10.0.0.9 8.8.8.8 ::1 80 0 99999 -1"
URLS = "http:// http://localhost http://[ http://a:x/ https://b /x ftp://c"
SUBCOMMANDS = "addr route link show liveness netexec --port=x --spider --header -- -"
LETTERS = "abcdefhiklnopqrstuvwzSOTUWP46"
WORDS = st.one_of(
    st.sampled_from(f"{HOSTS_AND_PORTS} {URLS} {SUBCOMMANDS}".split()),
    st.sampled_from([f"-{letter}" for letter in LETTERS]),
    st.text(max_size=5).filter(lambda text: "\0" not in text),
)


def context() -> Context:
    now = [1e9]
    files = Files([Mounted("/", Memory({**rootfs(ImageEntry(name="")), "/etc/hosts": HOSTS}, lambda: now[0]))])
    fabric = Fabric(ports=Ports(), sandboxes=lambda: [POD], ranges=lambda: parse_ranges("10.0.0.0/24"))
    environment = {"PATH": DEFAULT_PATH}
    made = Context(
        files=files,
        identity=Identity(0, 0, ()),
        hostname="box",
        environment=environment,
        working_directory="/",
        network=PodNetwork(fabric, POD, "c"),
        now=lambda: now[0],
    )
    made.enders[-1] = lambda: now.__setitem__(0, now[0] + 1)
    return made


@given(st.sampled_from(sorted(COMMANDS)), st.lists(WORDS, max_size=5))
def test_no_arguments_break_a_command(name: str, arguments: list[str]) -> None:
    around = context()
    pass_time = around.enders.pop(-1)
    call = Call([name, *arguments], around, Input(b"typed\n"), around.environment, "/", around.begin([name]))
    steps = find_command(call, shell="sh")
    try:
        for _ in range(50):
            step = steps.send(None)
            assert isinstance(step, Output | Wait)
            pass_time()
    except StopIteration:
        pass
    finally:
        steps.close()
