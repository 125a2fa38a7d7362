"""A TCP proxy for one connection that counts what the client sends."""

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def counting_proxy(target: str) -> Iterator[tuple[str, list[int]]]:
    """Forward to `target`; yields the proxy's own address and, growing, the sizes of what the client sent."""
    host, _, port = target.rpartition(":")
    sizes: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, socket.create_connection((host, int(port))) as server:
                back = threading.Thread(target=_pump, args=(server, client, []))
                back.start()
                _pump(client, server, sizes)
                back.join()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", sizes
        thread.join(10)


def _pump(source: socket.socket, sink: socket.socket, sizes: list[int]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sizes.append(len(data))
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
