"""The REST interface of Jobe, which Moodle's CodeRunner speaks.

What comes in: requests below /jobe/index.php/restapi. What goes out: Jobe's answers.
Must never: run more at once than it was told; run anything for a client without the key, or
for a web page of another site (only JSON is taken, and no page is allowed to send that).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pyrootless.api.http import Request, Response
from pyrootless.sandbox import Quiet
from pyrootless.sandbox.jobe import (
    FileCache,
    SpecError,
    failed,
    language_versions,
    overload,
    parse_spec,
    run_spec,
)

PREFIX = "/jobe/index.php/restapi"
_PATH = re.compile(re.escape(PREFIX) + r"/(runs|files|languages|runresults)(?:/([^/]*))?/?")
_WAITING_PER_WORKER = 32


class Jobe:
    """One server's state.

    Args:
        jobs: Runs at once.
        keys: What clients may send as X-API-KEY; empty: none is asked for.
        files: The cache of their files.
        waiting: Requests that may wait for each of the runs at once.
    """

    def __init__(
        self,
        jobs: int,
        keys: frozenset[str],
        files: FileCache,
        waiting: int = _WAITING_PER_WORKER,
    ) -> None:
        self._workers = ThreadPoolExecutor(jobs, "jobe")
        self._most = jobs * (1 + waiting)
        self._waiting = 0
        self._keys = [key.encode() for key in keys]
        self._files = files
        self._quiet = Quiet()

    def close(self) -> None:
        """Wait for what is running."""
        self._workers.shutdown(cancel_futures=True)

    async def answer(self, request: Request) -> Response:
        """One request."""
        match = _PATH.fullmatch(request.path)
        if match is None:
            return _say(
                404, "Please access this API via the runs, files or languages collections"
            )
        if not self._is_allowed(request):
            return _say(403, "Invalid API key")
        noun, name = match[1], match[2] or ""
        try:
            return await self._serve(request, noun, name)
        except SpecError as error:
            return _say(error.status, str(error))

    def _is_allowed(self, request: Request) -> bool:
        given = request.headers.get("x-api-key", "").encode("latin-1")
        right = [hmac.compare_digest(key, given) for key in self._keys]
        return any(right) or not self._keys

    async def _serve(self, request: Request, noun: str, name: str) -> Response:
        if (noun, request.method) == ("languages", "GET"):
            return _say(200, await self._in_thread(language_versions))
        if noun == "runs" and request.method in ("POST", "PUT"):
            return await self._run(_document(request))
        if (noun, request.method) == ("files", "HEAD"):
            return Response(204 if self._files.has(name) else 404)
        if (noun, request.method) == ("files", "PUT"):
            return await self._put(name, _document(request))
        if noun == "runresults":
            raise SpecError("all submissions run immediately; no result is kept", 404)
        raise SpecError(f"{request.method} is not allowed here", 405)

    async def _run(self, document: Any) -> Response:
        spec = parse_spec(document)
        if self._waiting >= self._most:
            return _say(200, overload())
        try:
            return _say(
                200, await self._in_thread(run_spec, spec, self._files.get, self._quiet)
            )
        except SpecError:
            raise
        except Exception as error:  # no thread could be started, or no file read
            return _say(200, failed(error))

    async def _put(self, name: str, document: Any) -> Response:
        if not self._files.is_id(name):
            raise SpecError("put: a file's id is 8 letters and digits or more")
        text = document.get("file_contents") if isinstance(document, dict) else None
        if not isinstance(text, str):
            raise SpecError("put: missing file_contents parameter")
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise SpecError(f"put: contents of file {name} are not valid base-64") from None
        await self._in_thread(self._files.put, name, data)
        return Response(204)

    async def _in_thread(self, function: Any, *args: Any) -> Any:
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._workers, function, *args)
        finally:
            self._waiting -= 1


def _document(request: Request) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise SpecError("send application/json", 415)
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        raise SpecError("Non-JSON post data received") from None


def _say(status: int, value: object) -> Response:
    body = json.dumps(value).encode()
    return Response(status, body, {"Content-Type": "application/json; charset=utf-8"})
