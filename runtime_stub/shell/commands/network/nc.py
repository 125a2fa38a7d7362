"""This module is `nc`, busybox's larger one (networking/nc_bloaty.c in its sources), without UDP."""

import errno
from collections import deque
from collections.abc import Generator
from functools import partial

from runtime_stub.network.stream import End
from runtime_stub.shell.commands.network.reaching import addresses, connected
from runtime_stub.shell.commands.options import UsageError, options
from runtime_stub.shell.context import Call, Input
from runtime_stub.shell.jobs import Jobs
from runtime_stub.shell.program import FOREVER, Output, Read, Step, Steps, Wait, news, relayed
from runtime_stub.shell.redirection import complaint, wording

_FLAGS, _VALUED = "lknuvz", "pswio"
_TRANSFER_BYTES, _TRANSFER_SECONDS = 64 * 1024, 0.001
"""Time passes in a transfer, so that an endless one leaves the stub time for others."""
_SILENT_TIMEOUTS = 2
"""So often `-w` may run out after the end of the input before nc leaves."""


def nc(call: Call) -> Steps:
    """`nc [-nvz] [-w SEC] [-e PROG…] HOST PORT`, `nc -l [-k] -p PORT [-e PROG…]`."""
    words, program = _split(call.arguments)
    found, operands = options(words, _FLAGS, valued=_VALUED)
    if "u" in found:
        raise UsageError("UDP is not simulated")
    wait = _number(found.get("w", "0"))
    if "l" in found or "k" in found:
        port = _port(found.get("p") or (operands[-1] if operands else ""))
        # a script calls it a port in either place: `-l 80` is BSD's way
        return (yield from _listen(call, port, program, wait=wait, persists="k" in found, verbose="v" in found))
    if len(operands) != 2:
        raise UsageError("Usage: nc [OPTIONS] HOST PORT  - connect")
    host, port = operands[0], _port(operands[1])
    at = yield from addresses(call, host)
    if not at:
        yield from complaint(call.name, f"bad address '{host}'")
        return 1
    verbosity = call.arguments.count("-v") + sum(one.count("v") > 1 for one in words)
    try:
        end = yield from connected(call, at[0], port, timeout_seconds=wait)
    except OSError as error:
        if verbosity > 1 or ("v" in found and error.errno != errno.ECONNREFUSED):
            yield from complaint(call.name, f"{host} ({at[0]}:{port})", wording(error))
        return 1
    if "v" in found:
        yield Output("stderr", f"{host} ({at[0]}:{port}) open\n".encode())
    if "z" in found:
        end.close()
        return 0
    return (yield from (_run(call, end, program) if program else _talk(call, end, wait=wait)))


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return options and operands, and the program after `-e`."""
    for number, word in enumerate(arguments):
        if word.startswith("-") and word.endswith("e") and set(word[1:-1]) <= set(_FLAGS):
            letters = [word[:-1]] if len(word) > 2 else []
            return arguments[:number] + letters, arguments[number + 1 :]
    return arguments, []


def _listen(call: Call, port: int, program: list[str], *, wait: float, persists: bool, verbose: bool) -> Steps:
    arrived: deque[End] = deque()

    def accept(end: End) -> None:
        arrived.append(end)
        end.on_news = call.context.bell.ring
        call.context.bell.ring()

    try:
        leave = call.context.network.listen(port, accept)
    except OSError as error:
        yield from complaint(call.name, "bind", wording(error))
        return 1
    if verbose:
        yield Output("stderr", f"listening on 0.0.0.0:{port} ...\n".encode())
    children = Jobs(call.context.now)
    try:
        if persists and program:
            return (yield from children.mixed(_serve(call, arrived, program, children)))
        end = yield from _first(call, arrived, wait=wait)
        leave()
        if end is None:
            yield from complaint(call.name, "timeout")
            return 1
        if verbose:
            yield Output("stderr", f"connect to {end.local} from {end.remote} ({end.remote})\n".encode())
        return (yield from (_run(call, end, program) if program else _talk(call, end, wait=wait)))
    finally:
        leave()
        children.close()
        for one in arrived:
            one.reset()


def _first(call: Call, arrived: deque[End], *, wait: float) -> Generator[Step, bytes | None, End | None]:
    """Return the first connection; None when none comes in time."""
    until = call.context.now() + wait if wait else FOREVER
    while not arrived:
        left = until - call.context.now()
        if left <= 0:
            return None
        yield news(call.context.bell, left)
    return arrived.popleft()


def _serve(call: Call, arrived: deque[End], program: list[str], children: Jobs) -> Steps:
    """Run the program for each connection, for ever."""
    while True:
        end = yield from _first(call, arrived, wait=0)
        if end is not None:
            pid = call.context.begin(program)
            children.begin(_run(call, end, program), pid=pid, end=partial(call.context.end, pid))


def _run(call: Call, end: End, program: list[str]) -> Steps:
    """Become a program whose input and output are the connection."""
    from runtime_stub.shell.commands import find_command  # the table of commands has this one

    def sent(step: Step) -> Generator[Step, bytes | None, bytes | None]:
        if not isinstance(step, Output) or step.stream != "stdout":
            return (yield step)
        yield from _send(call, end, step.data)
        return None

    inner = Call(program, call.context, Received(call, end), call.environment, call.directory, call.pid)
    try:
        return (yield from relayed(find_command(inner, shell=call.name), sent))  # a name for messages
    except OSError:
        return 1  # nobody listens any more
    finally:
        end.close()


class Received(Input):
    """Standard input that comes from a connection."""

    def __init__(self, call: Call, end: End) -> None:
        super().__init__()
        self._call = call
        self._end = end

    def chunk(self) -> Steps:
        """Wait for what is sent."""
        while not self._end.has_data and not self._end.is_over:
            yield news(self._call.context.bell)
        try:
            data = self._end.read()
        except OSError:
            return 0
        self._rest += data
        return int(bool(data))


def _send(call: Call, end: End, data: bytes) -> Steps:
    """Send everything, at the pace of the other side."""
    while data:
        if not end.room and not end.is_abandoned:
            yield news(call.context.bell)
            continue
        end.write(data[:_TRANSFER_BYTES])
        data = data[_TRANSFER_BYTES:]
        if data:
            yield Wait(_TRANSFER_SECONDS, heeds_signals=True)
    return 0


def _talk(call: Call, end: End, *, wait: float) -> Steps:
    """Carry the input to the other side and what it says to the output, until both are through."""
    typed = _Typed(call.stdin)
    silent = 0
    try:
        while not (end.is_over and typed.is_over):
            if end.has_data:
                yield Output("stdout", end.read())
                yield Wait(_TRANSFER_SECONDS, heeds_signals=True)
                continue
            if typed.data and (end.room or end.is_over):
                try:
                    end.write(typed.take())
                except OSError:
                    continue  # nobody takes it any more, and nc goes on reading
                continue
            if typed.is_over and typed.has_to_tell:
                end.end()
                typed.has_to_tell = False
                continue
            began = call.context.now()
            woken = yield from typed.go_on(call, limit_seconds=wait or FOREVER)
            silent = silent + 1 if typed.is_over and wait and not woken and call.context.now() - began >= wait else 0
            if silent >= _SILENT_TIMEOUTS:
                break
    except ConnectionError:
        pass  # it is over for nc, without a word
    finally:
        typed.close()
        end.close()
    return 0


class _Typed:
    """Standard input that is read while something else may happen."""

    def __init__(self, stdin: Input) -> None:
        self._stdin = stdin
        self._steps: Generator[Step, bytes | None, bytes] | None = None
        self._step: Step | None = None
        self._left = 0.0
        self.data = b""
        self.is_over = False
        self.has_to_tell = True
        """Whether the other side does not know yet that there is no more."""

    def take(self) -> bytes:
        data, self.data = self.data, b""
        return data

    def close(self) -> None:
        if self._steps is not None:
            self._steps.close()

    def go_on(self, call: Call, *, limit_seconds: float) -> Generator[Step, bytes | None, bool]:
        """Read on until something comes, there or over the network; tell whether anything did."""
        if self.is_over or self.data:
            step = news(call.context.bell, limit_seconds)
            yield step
            return step.is_over
        if self._steps is None:
            self._steps = self._stdin.read()
            self._advance(None)
        match self._step:
            case None:
                return True
            case Wait():
                wait = news(call.context.bell, min(self._left, limit_seconds))
                began = call.context.now()
                yield wait
                self._left -= min(wait.seconds, call.context.now() - began) if wait.is_over else wait.seconds
                if self._left <= 0 or self._step.is_over:
                    self._advance(None)
                return True
            case Read():
                data = yield Read(call.context.bell, call.context.bell.rings)
                if data is not None:
                    self._advance(data)
                return True
            case other:
                self._advance((yield other))
                return True

    def _advance(self, sent: bytes | None) -> None:
        assert self._steps is not None  # noqa: S101
        try:
            self._step = self._steps.send(sent)
            if isinstance(self._step, Wait):
                self._left = self._step.seconds
        except StopIteration as end:
            self._steps = self._step = None
            self.data = end.value
            self.is_over = not self.data


def _number(text: str) -> float:
    if not text.isdecimal():
        raise UsageError(f"invalid number '{text}'")
    return float(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise UsageError(f"bad port '{text}'")
    return int(text)
