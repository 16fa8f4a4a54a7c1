"""A small HTTP/1.1 server: h11 on asyncio.

What comes in: connections. What goes out: one response for each request, from one function.
Must never: read more than it was allowed, wait for ever for a client, show a client a
traceback.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import h11

BODY_MAX_BYTES = 64 << 20
_HEAD_MAX_BYTES = 64 << 10
_READ_BYTES = 64 << 10
_CLIENT_SECONDS = 60
_CONNECTIONS_MAX = 512


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole.

    Attributes:
        method: In capitals.
        path: Without the query.
        headers: Names in small letters.
        body: Its bytes.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """One response."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Answer = Callable[[Request], Awaitable[Response]]


class _TooLarge(Exception):
    """A body beyond what is taken."""


class Server:
    """Listens until it is closed.

    Args:
        answer: Called for each request.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Begin; where it listens."""
        self._server = await asyncio.start_server(self._connected, host, port)
        address = self._server.sockets[0].getsockname()
        return str(address[0]), int(address[1])

    async def close(self) -> None:
        """Take no more; end the connections that are there."""
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= _CONNECTIONS_MAX:
            writer.close()
            return
        self._tasks.add(task)
        try:
            await _Connection(reader, writer, self._answer).serve()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the client went away, or was too slow, or the server is closed
        finally:
            self._tasks.discard(task)
            writer.close()


class _Connection:
    """One client."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer
    ) -> None:
        self._reader, self._writer, self._answer = reader, writer, answer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_MAX_BYTES)

    async def serve(self) -> None:
        """Request after request until one side has enough."""
        while True:
            try:
                async with asyncio.timeout(_CLIENT_SECONDS):
                    request = await self._request()
            except h11.RemoteProtocolError as error:
                await self._send(Response(error.error_status_hint), "GET")
                return
            except _TooLarge:
                await self._send(Response(413), "GET")
                return
            if request is None:
                return
            await self._send(await self._safely(request), request.method)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _safely(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except Exception:  # a fault of ours ends this request, not the server
            traceback.print_exc(file=sys.stderr)
            return Response(500)

    async def _request(self) -> Request | None:
        """None: the client has left."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                await self._more()
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_MAX_BYTES:
                    raise _TooLarge
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _request(head, bytes(body))
            else:
                return None

    async def _more(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self._writer.write(self._http.send(go_on) or b"")
        self._http.receive_data(await self._reader.read(_READ_BYTES))

    async def _send(self, response: Response, method: str) -> None:
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = dict(response.headers)
        if response.status != 204:
            headers["Content-Length"] = str(len(response.body))
        head = h11.Response(status_code=response.status, headers=list(headers.items()))
        data = self._http.send(head) or b""
        if response.body and method != "HEAD" and response.status != 204:
            data += self._http.send(h11.Data(data=response.body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        self._writer.write(data)
        async with asyncio.timeout(_CLIENT_SECONDS):
            await self._writer.drain()


def _request(head: h11.Request, body: bytes) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    path = head.target.decode("latin-1").partition("?")[0]
    return Request(head.method.decode("latin-1").upper(), path, headers, body)
