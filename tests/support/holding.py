"""An SMTP server that takes every message and gives its last answer when it is told to: a busy engine, for as long as
a test needs one."""

from __future__ import annotations

import socket
import threading
from types import TracebackType


class HoldingServer:
    """Use it as a context. `taken` are the recipients whose content it has, `answered` those that it said 250 to."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.answered: list[str] = []
        self.release = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._connections: list[socket.socket] = []

    def __enter__(self) -> HoldingServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release.set()
        self._server.close()
        for connection in self._connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._converse(connection)
        except OSError:  # the client was cut
            return

    def _converse(self, connection: socket.socket) -> None:
        connection.sendall(b"220 holding ESMTP\r\n")
        recipient = ""
        with connection.makefile("rb") as lines:
            for line in lines:
                word = line[:4].upper()
                if word == b"RCPT":
                    recipient = line.decode().partition("<")[2].partition(">")[0]
                if word == b"DATA":
                    connection.sendall(b"354 go on\r\n")
                    while next(lines, b".\r\n") != b".\r\n":
                        continue
                    self.taken.append(recipient)
                    self.release.wait()
                    self.answered.append(recipient)
                connection.sendall(b"250 fine\r\n")
                if word == b"QUIT":
                    return
