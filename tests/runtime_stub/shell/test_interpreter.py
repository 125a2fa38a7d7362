"""The emulated shell does what busybox's does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime_stub.behaviour.catalogue import ImageEntry
from runtime_stub.shell.accounts import Identity
from runtime_stub.shell.commands import DEFAULT_PATH, find_command
from runtime_stub.shell.context import Call, Context, Input, Socket
from runtime_stub.shell.files import Devices, Files, Memory, Mounted
from runtime_stub.shell.program import Output, Wait
from runtime_stub.shell.rootfs import rootfs


class Network:
    def listening(self) -> list[Socket]:
        return [Socket("0.0.0.0", 80)]


def context(**changes: object) -> Context:
    files = Files([Mounted("/", Memory(rootfs(ImageEntry(name="")), lambda: 0.0)), Mounted("/dev", Devices())])
    environment = {"PATH": DEFAULT_PATH, "HOME": "/root"}
    who = Identity(1000, 1000, (50_000, 1234))
    made = Context(files, who, "box", environment, "/", Network(), lambda: 1e9, **changes)  # type: ignore[arg-type]
    made.begin(["top"])
    return made


def run(script: str, *, stdin: bytes = b"", steps: int = 20_000) -> tuple[int | None, str, str, float]:
    """Return status, both outputs, and how long it took."""
    around = context()
    around.begin(["sh"])
    process = find_command(Call(["sh", "-c", script], around, Input(stdin), around.environment, "/", 2), shell="sh")
    written: dict[str, bytes] = {"stdout": b"", "stderr": b""}
    seconds = 0.0
    try:
        for _ in range(steps):
            match process.send(None):
                case Output(stream, data):
                    written[stream] += data
                case Wait(length):
                    seconds += length
    except StopIteration as end:
        assert list(around.processes) == [1, 2]  # nothing is left behind
        return end.value, written["stdout"].decode(), written["stderr"].decode(), seconds
    process.close()
    return None, written["stdout"].decode(), written["stderr"].decode(), seconds


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("x=1; echo $x ${y:-def} $((x + 2 * 3)) $(echo a; echo b) `echo c`", "1 def 7 a b c\n"),
        ('echo "a  $(echo "b  c")"; echo a  b', "a  b  c\na b\n"),
        ("echo hi | cat | tr a-z A-Z", "HI\n"),
        ("while true; do echo a; done | head -n 2", "a\na\n"),
        ("touch f && [ -f f ] && echo Found", "Found\n"),
        ("mkdir -p /a/b && for i in $(seq 1 2); do echo hi >> /a/b/f$i; done; ls /a/b; cat /a/b/*", "f1\nf2\nhi\nhi\n"),
        ("pgrep sleep || true", ""),
        ("pgrep top", "1\n"),
        ("f() { echo $1 $#; return 3; }; f a b; echo $?", "a 2\n3\n"),
        ("case abc in x|a*) echo yes;; *) echo no;; esac", "yes\n"),
        ("if false; then echo a; elif true; then echo b; else echo c; fi", "b\n"),
        ("cat <<END\nhello $HOME\nEND\necho done", "hello /root\ndone\n"),
        ("cat <<'END'\n$HOME\nEND", "$HOME\n"),
        ("echo a b c | while read x y; do echo $y; done", "b c\n"),
        (
            "i=0; while [ $i -lt 4 ]; do i=$((i+1)); [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done",
            "1\n3\n",
        ),
        ("until true; do :; done; echo $?", "0\n"),
        ('set -- a \'b c\'; for x; do echo "<$x>"; done; shift; echo $# "$@"', "<a>\n<b c>\n1 b c\n"),
        ("x=/a/b.c; echo ${#x} ${x%.*} ${x##*/} ${z:=new} $z", "6 /a/b b.c new new\n"),
        ("(x=2; exit 3); echo $? $x", "3\n"),
        ("x=$(false); echo $?", "1\n"),
        ("! true; echo $?", "1\n"),
        ("false | true; echo $?", "0\n"),
        ("ls /nosuch 2>&1 >/dev/null | wc -l; cat /nosuch 2>/dev/null || echo none", "1\nnone\n"),
        ("cd /etc; echo pass*; pwd", "passwd\n/etc\n"),
        ("echo abcabc | sed 's/b/[&]/g' | grep -c 'a\\[b'", "1\n"),
        ("printf 'b 2\\na 10\\n' | sort | cut -d' ' -f2; printf '3\\n10\\n' | sort -rn | wc -l", "10\n2\n2\n"),
        ("printf '%s=%03d\\n' a 7 b 8", "a=007\nb=008\n"),
        ("id -u; id -G; whoami; hostname", "1000\n1000 1234 50000\n1000\nbox\n"),
        ("echo x > f; cp f g; mv g h; rm f; ls -A | grep -E '^(f|g|h)$'; stat -c '%s %F' h", "h\n2 regular file\n"),
        ("netstat -ln | grep -c ':80 '", "1\n"),
        ("sh -c 'echo $0 $1' a b; eval 'echo $((7 % 4 ? 1 : 2))'", "a b\n1\n"),
        ("echo 'echo script $1' > s; chmod +x s; ./s one; . ./s", "script one\nscript\n"),
        ("echo 'echo no' > s; ./s 2>&1; echo $?; [ -x s ] || echo data", "sh: ./s: Permission denied\n126\ndata\n"),
        ("mkdir d; ./d 2>&1; echo $?; chmod 700 d; stat -c %a d", "sh: ./d: Permission denied\n126\n700\n"),
        ("touch f; for m in 755 u-x,go=r a+w o= +x; do chmod $m f; stat -c %a f; done", "755\n644\n666\n660\n771\n"),
        ("command -v ls; env A=1 sh -c 'echo $A'; export B=2; sh -c 'echo $B'", "/bin/ls\n1\n2\n"),
        ("find /etc -name 'pass*'; basename /a/b.c .c; date +%s", "/etc/passwd\nb\n1000000000\n"),
        ("yes | head -n 1; echo ok | tee copy; cat copy", "y\nok\nok\n"),
    ],
)
def test_a_script_writes_what_it_should(script: str, output: str) -> None:
    status, stdout, stderr, _ = run(script)

    assert (stdout, stderr) == (output, "")
    assert status is not None


@pytest.mark.parametrize(
    ("script", "status", "complaint"),
    [
        ("echo 'x", 2, "sh: syntax error: unterminated quoted string\n"),
        ("if true", 2, "sh: syntax error: unexpected end of file\n"),
        ("echo a;; b", 2, 'sh: syntax error: unexpected ";;"\n'),
        ("nosuch", 127, "sh: nosuch: not found\n"),
        ("ls /nosuch", 1, "ls: /nosuch: No such file or directory\n"),
        ("cat /etc", 1, "cat: read error: Is a directory\n"),
        ("echo x > /no/dir", 1, "sh: can't open /no/dir: no such file\n"),
        ("echo $((1 / 0))", 2, "sh: divide by zero\n"),
        ("echo ${x:?is missing}", 2, "sh: x: is missing\n"),
        ("rmdir /etc", 1, "rmdir: '/etc': Directory not empty\n"),
        ("mkdir /etc", 1, "mkdir: can't create directory '/etc': File exists\n"),
        ("[ 1 -eq x ]", 1, "[: x: bad number\n"),
        ("ls -Z", 1, "ls: invalid option -- 'Z'\n"),
        ("kill 99", 1, "sh: can't kill pid 99: No such process\n"),
        ("set -e; false; echo never", 1, ""),
        ("f() { f; }; f", 2, "sh: maximum function nesting level exceeded\n"),
    ],
)
def test_what_is_wrong_is_complained_about(script: str, status: int, complaint: str) -> None:
    ended, _, stderr, _ = run(script)

    assert (ended, stderr.replace("kill: ", "")) == (status, complaint)


def test_waits_add_up() -> None:
    assert run("for i in 1 2 3; do echo $i; sleep 1.5; done")[3] == 4.5


def test_the_background_goes_on_while_the_shell_waits() -> None:
    _, stdout, _, seconds = run("(sleep 2; echo late) & (sleep 1; echo early) & echo first; wait; echo last")

    assert (stdout, seconds) == ("first\nearly\nlate\nlast\n", 2.0)


def test_a_job_can_be_killed() -> None:
    assert run("sleep 1000 & kill $!; wait $!; echo $?")[1] == "143\n"


def test_an_endless_loop_takes_time_even_if_it_never_waits() -> None:
    status, _, _, seconds = run("while :; do :; done", steps=50)

    assert status is None
    assert seconds > 0


def test_the_end_of_a_script_takes_the_shells_place_and_its_middle_does_not() -> None:
    around = context(is_busybox=False, unknown=(Wait(9, heeds_signals=True),))
    heeds = [
        step.heeds_signals
        for step in find_command(Call(["sh", "-c", "x=1; server; server"], around, Input(), {}, "/"), shell="sh")
        if isinstance(step, Wait)
    ]

    assert heeds == [False, True]


pieces = [*"ab=$(){}'\"`;&|<>! \n#*?[]\\-12", "if ", "then ", "fi ", "do ", "done ", "case ", "$((", "<<a\n"]
scripts = st.lists(st.sampled_from(pieces), max_size=40).map("".join)


@given(scripts)
@settings(max_examples=300, deadline=None)
def test_no_text_brings_the_shell_down(script: str) -> None:
    run(script, steps=300)
