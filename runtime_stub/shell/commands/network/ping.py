"""This module is `ping`: simulated replies of the hosts that there are, busybox's lines."""

import ipaddress
import zlib

from runtime_stub.shell.commands.network.reaching import addresses
from runtime_stub.shell.commands.options import UsageError, options
from runtime_stub.shell.context import Call
from runtime_stub.shell.proc import CAPABILITIES
from runtime_stub.shell.program import FOREVER, Interrupted, Output, Steps, Wait
from runtime_stub.shell.redirection import complaint, wording

LINGER_SECONDS = 10.0
_DEFAULT_SIZE = 56


def ping(call: Call) -> Steps:
    """`ping [-46q] [-c COUNT] [-W SEC] [-w SEC] [-i SEC] [-s SIZE] HOST`."""
    found, words = options(call.arguments, "46nq", valued="cWwisIt")
    if not words:
        raise UsageError("missing host")
    count, linger = _number(found, "c", FOREVER), _number(found, "W", LINGER_SECONDS)
    interval, deadline = _number(found, "i", 1.0), _number(found, "w", FOREVER)
    size = int(_number(found, "s", _DEFAULT_SIZE))
    if not _may_send(call):
        yield from complaint(call.name, "permission denied (are you root?)")
        return 1
    host = words[0]
    at = yield from addresses(call, host)
    if not at:
        yield from complaint(call.name, f"bad address '{host}'")
        return 1
    yield _out(f"PING {host} ({at[0]}): {size} data bytes\n")
    answers = True
    try:
        call.context.network.check(str(ipaddress.ip_address(at[0])))
    except OSError as error:
        if "unreachable" in wording(error) and "Network" in wording(error):
            yield from complaint(call.name, "sendto", wording(error))
            return 1
        answers = False
    times: list[float] = []
    sent, began = 0, call.context.now()
    try:
        while sent < count:
            if answers:
                times.append(_milliseconds(at[0], sent))
                if "q" not in found:
                    yield _out(f"{size + 8} bytes from {at[0]}: seq={sent} ttl=64 time={times[-1]:.3f} ms\n")
            sent += 1
            pause = interval if sent < count else 0.0 if answers else linger
            if call.context.now() + pause - began >= deadline:
                pause = max(0.0, deadline - (call.context.now() - began))
                yield Wait(pause, heeds_signals=True)
                break
            if pause:
                yield Wait(pause, heeds_signals=True)
    except Interrupted:
        pass  # whoever types ^C wants to know how it went so far
    yield _out(_summary(host, sent, times))
    return int(not times)


def _summary(host: str, sent: int, times: list[float]) -> str:
    lost = 100 * (sent - len(times)) // max(sent, 1)
    counts = f"{sent} packets transmitted, {len(times)} packets received, {lost}% packet loss"
    text = f"\n--- {host} ping statistics ---\n{counts}\n"
    if times:
        mean = sum(times) / len(times)
        text += f"round-trip min/avg/max = {min(times):.3f}/{mean:.3f}/{max(times):.3f} ms\n"
    return text


def _milliseconds(address: str, number: int) -> float:
    """Return how long an answer takes: about as long as on one machine, and always the same."""
    return 0.05 + zlib.crc32(f"{address} {number}".encode()) % 60 / 1000


def _may_send(call: Call) -> bool:
    """Tell whether raw sockets are allowed, as the capabilities in /proc say."""
    try:
        status = call.files.read("/proc/self/status").decode()
    except OSError:
        return True
    held = [line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")]
    return not held or bool(int(held[0], 16) & CAPABILITIES["NET_RAW"])


def _number(found: dict[str, str], letter: str, default: float) -> float:
    if letter not in found:
        return default
    try:
        number = float(found[letter])
    except ValueError:
        raise UsageError(f"invalid number '{found[letter]}'") from None
    return number if number > 0 or letter == "c" else default


def _out(text: str) -> Output:
    return Output("stdout", text.encode())
