"""An HTTP server that says exactly what a test tells it to, byte for byte.

In: a function from a request to what is sent: bytes, or pieces of bytes with pauses between.
Out: a server on 127.0.0.1, and the requests it got.
Never: a correction of what the test wants to be wrong.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

TLS_HELLO = b"\x16"
HANG_SECONDS = 30.0


@dataclass
class Request:
    """One request.

    Attributes:
        method, target: Of the request line.
        headers: Names in lower case.
        body: As long as Content-Length says.
        server: Who got it.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    server: ScriptedServer = field(repr=False)


Answer = Callable[[Request], "bytes | Iterable[bytes]"]


class ScriptedServer:
    """Serves until the end of its `with` block; each connection is a thread.

    A connection stays open after bytes with "Connection: close" missing, and is closed after
    pieces.
    """

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.stopped = threading.Event()
        self.context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> ScriptedServer:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # over already
        for thread in self._threads:
            thread.join(timeout=HANG_SECONDS)

    def paths(self) -> list[str]:
        """Targets of the requests, without the probe of the protocol's base."""
        return [item.target for item in self.requests if item.target != "/v2/"]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(HANG_SECONDS)
            try:
                if self.context is None and connection.recv(1, socket.MSG_PEEK) == TLS_HELLO:
                    return  # we speak plain HTTP
                spoken = connection.dup()
                if self.context is not None:
                    spoken = self.context.wrap_socket(spoken, server_side=True)
                with spoken, spoken.makefile("rb") as stream:
                    while (request := self._read(stream)) is not None:
                        self.requests.append(request)
                        if not self._send(spoken, self.answer(request)):
                            break
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the client went away

    def _send(self, connection: socket.socket, said: bytes | Iterable[bytes]) -> bool:
        """Whether the connection goes on."""
        if isinstance(said, bytes):
            connection.sendall(said)
            return b"connection: close" not in said[:2000].lower()
        for piece in said:
            if self.stopped.is_set():
                break
            connection.sendall(piece)
        return False

    def _read(self, stream: Iterator[bytes]) -> Request | None:
        line = stream.readline()  # type: ignore[attr-defined]
        if not line:
            return None
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers = {}
        while (line := stream.readline()) not in (b"\r\n", b""):  # type: ignore[attr-defined]
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))  # type: ignore[attr-defined]
        return Request(method, target, headers, body, self)


def reply(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """A well-formed reply; `content_type="a/b"` becomes the header Content-Type."""
    named = {"Content-Length": str(len(body))}
    named |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    lines = [f"{name}: {value}\r\n" for name, value in named.items()]
    return f"HTTP/1.1 {status} Said\r\n{''.join(lines)}\r\n".encode() + body


def head(status: int = 200, *lines: str) -> bytes:
    """Status line and headers alone."""
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} Said", *lines, "")).encode()


def drip(server: ScriptedServer, piece: bytes, seconds: float = 0.02) -> Iterator[bytes]:
    """The same piece again and again, slowly, until the server stops."""
    while not server.stopped.wait(seconds):
        yield piece
