"""This module is the commands about users, processes, the time, the network, and the shell itself."""

import re
import time
from collections.abc import Callable, Mapping, Sequence

from runtime_stub.shell.accounts import group_name, user_name
from runtime_stub.shell.commands.options import UsageError, options
from runtime_stub.shell.commands.text import guarded, out
from runtime_stub.shell.context import Call
from runtime_stub.shell.program import Steps
from runtime_stub.shell.redirection import complaint


def identity(call: Call) -> Steps:
    """`id [-ugGn]`, `whoami`."""
    found, _ = options(["-un"] if call.name == "whoami" else call.arguments, "ugGnr")
    who = call.context.identity
    passwd, group = (_read(call, f"/etc/{name}") for name in ("passwd", "group"))

    def user(uid: int) -> str:
        return user_name(uid, passwd)

    def named(gid: int) -> str:
        return group_name(gid, group)

    if "u" in found:
        text = (user(who.uid) or str(who.uid)) if "n" in found else str(who.uid)
    elif "g" in found:
        text = (named(who.gid) or str(who.gid)) if "n" in found else str(who.gid)
    elif "G" in found:
        text = " ".join((named(one) or str(one)) if "n" in found else str(one) for one in who.all_groups)
    else:
        groups = ",".join(_labelled(one, named(one)) for one in who.all_groups)
        first = f"uid={_labelled(who.uid, user(who.uid))} gid={_labelled(who.gid, named(who.gid))}"
        text = f"{first} groups={groups}"
    yield out(f"{text}\n")
    return 0


def _labelled(number: int, name: str) -> str:
    return f"{number}({name})" if name else str(number)


def _read(call: Call, path: str) -> str:
    try:
        return call.files.read(path).decode(errors="replace")
    except OSError:
        return ""


def env(call: Call) -> Steps:
    """`env [NAME=VALUE]… [COMMAND …]`, `printenv [NAME]…`."""
    from runtime_stub.shell.commands import find_command  # the table of commands has this one

    if call.name == "printenv" and call.arguments:
        values = [call.environment.get(name) for name in call.arguments]
        yield out("".join(f"{value}\n" for value in values if value is not None))
        return int(None in values)
    environment, words = dict(call.environment), call.arguments
    if words[:1] in (["-i"], ["-"]):
        environment, words = {}, words[1:]
    while words and "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if words:
        inner = Call(words, call.context, call.stdin, environment, call.directory, call.pid)
        return (yield from find_command(inner, shell="env"))  # noqa: S604  # a name for messages
    yield out("".join(f"{name}={value}\n" for name, value in environment.items()))
    return 0


def hostname(call: Call) -> Steps:
    """`hostname [-sfid]`; setting it needs a privilege that nobody has."""
    found, names = options(call.arguments, "sfid")
    if names:
        yield from complaint(call.name, "sethostname", "Operation not permitted")
        return 1
    name = call.context.hostname
    if "i" in found:
        name = " ".join(call.context.network.addresses)
    elif "s" in found:
        name = name.partition(".")[0]
    elif "d" in found:
        name = name.partition(".")[2]
    yield out(f"{name}\n")
    return 0


def uname(call: Call) -> Steps:
    """`uname [-asnrm]`."""
    found, _ = options(call.arguments, "asnrmvpio")
    values = {"s": "Linux", "n": call.context.hostname, "r": "6.12.0", "v": "#1 SMP", "m": "x86_64", "o": "GNU/Linux"}
    chosen = [text for letter, text in values.items() if letter in found or "a" in found]
    yield out(" ".join(chosen or ["Linux"]) + "\n")
    return 0


def date(call: Call) -> Steps:
    """`date [-u] [+FORMAT]`."""
    _, words = options(call.arguments, "uRI", valued="d")
    now = call.context.now()
    form = words[0][1:] if words and words[0].startswith("+") else "%a %b %e %H:%M:%S UTC %Y"
    form = form.replace("%N", f"{int(now % 1 * 1e9):09d}").replace("%s", str(int(now)))
    yield out(time.strftime(form, time.gmtime(now)) + "\n")
    return 0


def ps(call: Call) -> Steps:
    """`ps`."""
    lines = [f"{pid:5d} {_user(call):8} 0:00 {' '.join(argv)}\n" for pid, argv in _processes(call)]
    yield out("PID   USER     TIME  COMMAND\n" + "".join(lines))
    return 0


def pgrep(call: Call) -> Steps:
    """`pgrep [-flx] PATTERN`, `pidof NAME`."""
    found, words = options(call.arguments, "flxaovn" if call.name == "pgrep" else "so")
    if not words:
        raise UsageError("no pattern given")
    pids = []
    for pid, argv in _processes(call):
        if pid == call.pid:
            continue
        name = argv[0].rpartition("/")[2]
        text = " ".join(argv) if "f" in found else name
        exact = call.name == "pidof" or "x" in found
        if (name in words) if exact else any(re.search(re.escape(word), text) for word in words):
            pids.append(str(pid))
    if pids:
        yield out((" " if call.name == "pidof" else "\n").join(pids) + "\n")
    return int(not pids)


def _processes(call: Call) -> list[tuple[int, list[str]]]:
    return sorted(call.context.processes.items())


def _user(call: Call) -> str:
    uid = call.context.identity.uid
    return user_name(uid, _read(call, "/etc/passwd")) or str(uid)


def test(call: Call) -> Steps:
    """`test EXPRESSION`, `[ EXPRESSION ]`."""
    words = call.arguments
    if call.name in ("[", "[["):
        if words[-1:] != [{"[": "]", "[[": "]]"}[call.name]]:
            raise UsageError("missing ]")
        words.pop()
    reader = _Condition(call, words)
    result = reader.whole() if words else False
    yield from ()
    return int(not result)


class _Condition:
    """The expressions of `test`: -o below -a below !."""

    _NUMBERS: Mapping[str, Callable[[int, int], bool]] = {
        "-eq": lambda a, b: a == b,
        "-ne": lambda a, b: a != b,
        "-lt": lambda a, b: a < b,
        "-le": lambda a, b: a <= b,
        "-gt": lambda a, b: a > b,
        "-ge": lambda a, b: a >= b,
    }

    def __init__(self, call: Call, words: Sequence[str]) -> None:
        self._call = call
        self._words = list(words)

    def whole(self) -> bool:
        result = self._or()
        if self._words:
            raise UsageError(f"{self._words[0]}: unknown operand")
        return result

    def _or(self) -> bool:
        result = self._and()
        while self._words[:1] in (["-o"], ["||"]):
            self._words.pop(0)
            result = self._and() or result
        return result

    def _and(self) -> bool:
        result = self._not()
        while self._words[:1] in (["-a"], ["&&"]):
            self._words.pop(0)
            result = self._not() and result
        return result

    def _not(self) -> bool:
        if self._words[:1] == ["!"] and len(self._words) > 1:
            self._words.pop(0)
            return not self._not()
        return self._primary()

    def _primary(self) -> bool:
        words = self._words
        if not words:
            raise UsageError("argument expected")
        if words[0] == "(" and ")" in words:
            words.pop(0)
            result = self._or()
            if words[:1] != [")"]:
                raise UsageError("closing paren expected")
            words.pop(0)
            return result
        if len(words) >= 3 and words[1] in ("=", "==", "!=", *self._NUMBERS):
            left, operator, right = words[:3]
            del words[:3]
            if operator in self._NUMBERS:
                return self._NUMBERS[operator](_integer(left), _integer(right))
            return (left == right) is (operator != "!=")
        if len(words) >= 2 and re.fullmatch(r"-[a-zA-Z]", words[0]):
            operator, operand = words[:2]
            del words[:2]
            return self._unary(operator, operand)
        return bool(words.pop(0))

    def _unary(self, operator: str, operand: str) -> bool:
        if operator in ("-n", "-z"):
            return bool(operand) is (operator == "-n")
        if operator == "-t":
            return False
        try:
            facts = self._call.files.look(self._call.path(operand))
        except OSError:
            return False
        match operator:
            case "-d":
                return facts.is_directory
            case "-f":
                return not facts.is_directory
            case "-s":
                return facts.size > 0
            case "-x":
                return bool(facts.mode & 0o111)
            case "-e" | "-r" | "-w":
                return True
            case "-L" | "-h" | "-b" | "-c" | "-p" | "-S" | "-u" | "-g" | "-k":
                return False
        raise UsageError(f"{operator}: unknown operand")


def _integer(text: str) -> int:
    if not re.fullmatch(r"\s*[-+]?\d+\s*", text):
        raise UsageError(f"{text}: bad number")
    return int(text)


def shell(call: Call) -> Steps:
    """`sh [-e] [-c SCRIPT [NAME ARGUMENT…] | FILE ARGUMENT…]`."""
    flags, words = "", call.arguments
    while words and words[0].startswith("-") and words[0] != "-" and "c" not in flags:
        flags += words.pop(0)[1:]
    if "c" in flags:
        if not words:
            yield from complaint(call.argv[0], "-c requires an argument")
            return 2
        script, *rest = words
        return (yield from run_shell(call, script, rest or [call.argv[0]], stop_at_failure="e" in flags))
    if words:
        try:
            script = call.files.read(call.path(words[0])).decode(errors="surrogateescape")
        except OSError:
            yield from complaint(call.argv[0], f"can't open '{words[0]}'", "No such file or directory")
            return 2
        return (yield from run_shell(call, script, words, stop_at_failure="e" in flags))
    return (yield from run_shell(call, None, [call.argv[0]], stop_at_failure="e" in flags))


def run_shell(call: Call, script: str | None, words: Sequence[str], *, stop_at_failure: bool = False) -> Steps:
    """Run a script in a new shell; without one, what comes from standard input."""
    from runtime_stub.shell.interpreter import Shell  # the shell knows the commands

    made = Shell(call.context, name=words[0], variables=call.environment, directory=call.directory)
    made.pid = call.pid
    made.process_id = call.pid or 1
    made.arguments, made.stdin, made.stop_at_failure = list(words[1:]), call.stdin, stop_at_failure
    return (yield from made.interact() if script is None else made.run(script, replaces_shell=True))


def _nothing(call: Call) -> Steps:
    del call
    yield from ()
    return 0


COMMANDS: Mapping[str, Callable[[Call], Steps]] = {
    name: guarded(command)
    for name, command in {
        "[": test,
        "[[": test,
        "date": date,
        "env": env,
        "hostname": hostname,
        "id": identity,
        "pgrep": pgrep,
        "pidof": pgrep,
        "printenv": env,
        "ps": ps,
        "sync": _nothing,
        "test": test,
        "uname": uname,
        "whoami": identity,
    }.items()
}
