"""This module is `top`: the processes of a container, again and again until ^C."""

from runtime_stub.shell.accounts import user_name
from runtime_stub.shell.commands.options import UsageError, options
from runtime_stub.shell.commands.text import out
from runtime_stub.shell.context import Call
from runtime_stub.shell.program import FOREVER, Steps, Wait

DEFAULT_SECONDS = 5.0
MACHINE_BYTES = 8 << 30
"""The memory of the machine, for a container without a limit."""
PROCESS_KIB = 4416
"""How large a busybox command is, by its own account."""
_CLEAR = "\x1b[H\x1b[J"


def top(call: Call) -> Steps:
    """`top [-b] [-n COUNT] [-d SECONDS]`: nothing here takes processor time worth a percent."""
    found, _ = options(call.arguments, "bmH", valued="nd")
    try:
        count, seconds = float(found.get("n", FOREVER)), float(found.get("d", DEFAULT_SECONDS))
    except ValueError:
        raise UsageError("invalid number") from None
    shown = 0
    while shown < count:
        if shown:
            yield Wait(max(seconds, 0.1), heeds_signals=True)
        yield out(("" if "b" in found else _CLEAR) + _page(call))
        shown += 1
    return 0


def _page(call: Call) -> str:
    total = (call.context.memory_limit_bytes or MACHINE_BYTES) // 1024
    processes = sorted(call.context.processes.items())
    used = min(total, PROCESS_KIB * len(processes))
    passwd = call.files.read("/etc/passwd").decode(errors="replace") if call.files.exists("/etc/passwd") else ""
    user = user_name(call.context.identity.uid, passwd) or str(call.context.identity.uid)
    share = 100 * PROCESS_KIB // total
    lines = [
        f"Mem: {used}K used, {total - used}K free, 0K shrd, 0K buff, 0K cached",
        "CPU:   0% usr   0% sys   0% nic 100% idle   0% io   0% irq   0% sirq",
        f"Load average: 0.00 0.00 0.00 1/{len(processes)} {max(call.context.processes, default=1)}",
        "  PID  PPID USER     STAT   VSZ %VSZ CPU %CPU COMMAND",
    ]
    for pid, argv in processes:
        parent, state = (0, "S") if pid == 1 else (1, "R" if pid == call.pid else "S")
        lines.append(
            f"{pid:5d} {parent:5d} {user:8.8} {state:4} {PROCESS_KIB:5d} {share:3d}%   0   0% {' '.join(argv)}"
        )
    return "".join(f"{line}\n" for line in lines)
