"""A server of raw sockets on loopback: a thread for each connection, all of it gone at the end."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

PATIENCE_S = 20.0


@contextlib.contextmanager
def listening(one: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve connections with `one`, which closes them; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed: the test is over
            while True:
                connection, _ = listener.accept()
                connection.settimeout(PATIENCE_S)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(PATIENCE_S)
