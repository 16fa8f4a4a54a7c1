"""One host that speaks the distribution protocol: its scheme, its authentication, its errors.

What comes in: repository, what to get from it or to send to it, headers.
What goes out: answers that are good, documents read whole, blobs as streams.
Must never: use plain HTTP with a host that is not allowed it, send a secret before it is asked
for, try a refused one twice.
"""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import urllib3
from urllib3.response import BaseHTTPResponse

import pyrootless
from pyrootless.errors import IntegrityError, RegistryError
from pyrootless.images.registry.auth import Authorizer, Credential, TokenRequest, access_denied
from pyrootless.images.registry.exchange import (
    MAX_ERROR_BYTES,
    PASSING,
    ConnectionLost,
    Exchange,
    Question,
    finish,
    origin,
    read_document,
    read_some,
)

if TYPE_CHECKING:
    from _typeshed import SupportsRead

MAX_TOKEN_BYTES = 1 << 20
CHUNK_BYTES = 256 * 1024


class NotThere(RegistryError):
    """The host knows no such repository, tag or blob."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent.

    Attributes:
        method: HEAD, GET, POST, PUT or PATCH.
        headers: Beside those that every message has.
        body: Its content; tried again where the connection breaks.
        file: In its place: opens the content anew; not tried again.
    """

    method: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    file: Callable[[], SupportsRead[bytes]] | None = None


class Host:
    """A host; may be used by several threads.

    Attributes:
        name: As people know it ("docker.io"), for errors.
    """

    def __init__(
        self,
        address: str,
        name: str,
        exchange: Exchange,
        credentials: Callable[[str, str], Credential | None],
    ) -> None:
        """Args:
        address: HOST[:PORT] to connect to.
        credentials: Host, repository → what the user has for it.
        """
        self.name = name
        self._address = address
        self._exchange = exchange
        self._lock = threading.Lock()
        self._scheme = ""
        self._authorizer = Authorizer(
            name, lambda repository: credentials(name, repository), self._fetch_token
        )

    def document(
        self, repository: str, suffix: str, headers: Mapping[str, str], max_bytes: int
    ) -> tuple[bytes, Mapping[str, str]]:
        """A small answer, read whole, and its headers.

        Raises:
            NotThere, RegistryError: As `get`.
            IntegrityError: It is longer than max_bytes.
        """
        what = f"registry {self.name}, repository {repository}: {suffix.partition('?')[0]}"
        failures = 0
        while True:
            response = self.get(repository, suffix, headers, max_bytes)
            try:
                return read_document(response, max_bytes, what), response.headers
            except (urllib3.exceptions.HTTPError, OSError) as error:
                response.close()
                lost = self._exchange.failure(self._base(), error)
                failures += 1
                if not isinstance(lost, ConnectionLost) or failures >= lost.tries:
                    raise lost from error
                self._exchange.pause(failures, None)

    def get(
        self,
        repository: str,
        suffix: str,
        headers: Mapping[str, str],
        max_bytes: int | None,
    ) -> BaseHTTPResponse:
        """A good answer, authenticated where the host asks for it; to a Range 416 is one too.

        Args:
            repository: "" for what is of none.
            suffix: What comes after it; without one, also a whole path ("/v1/search").

        Raises:
            NotThere: 404.
            RegistryError: Refused, failed, or out of reach.
        """
        path = f"/v2/{urllib.parse.quote(repository)}/{suffix}" if repository else suffix
        if not path.startswith("/"):
            path = f"/v2/{path}"
        authorization = self._authorizer.header(repository)
        response = self._ask(path, headers, authorization, max_bytes)
        if response.status == 401:
            wanted = ", ".join(response.headers.getlist("WWW-Authenticate"))
            finish(response)
            authorization = self._authorizer.answer(repository, wanted, authorization)
            response = self._ask(path, headers, authorization, max_bytes)
        if response.status in ((200, 206, 416) if "Range" in headers else (200,)):
            return response
        raise self._refused(response, repository, suffix.partition("?")[0])

    def send(
        self, message: Message, repository: str, target: str, good: Collection[int]
    ) -> BaseHTTPResponse:
        """The answer to what changes something or looks at no content.

        Args:
            message: Method, headers, body.
            repository: Whose.
            target: What comes after its name in the path, or the whole address of an upload,
                which gets our authorization only where it is this host's.
            good: Statuses that are no failure.

        Raises:
            NotThere: 404.
            ConnectionLost: It broke, or the host is busy; of a body that is a file, which is
                not sent twice, at once.
            RegistryError: Refused, failed, or out of reach.
        """
        self._find_scheme()
        base = self._base()
        whole = target.startswith(("http://", "https://"))
        path = f"/v2/{urllib.parse.quote(repository)}/{target}" if repository else "/v2/"
        url = target if whole else base + path
        self._exchange.refuse_plain(url, base)
        ours = origin(url) == origin(base)
        authorization = self._authorizer.header(repository) if ours else None
        response = self._send(url, message, authorization)
        if response.status == 401 and ours:
            wanted = ", ".join(response.headers.getlist("WWW-Authenticate"))
            finish(response)
            authorization = self._authorizer.answer(repository, wanted, authorization)
            response = self._send(url, message, authorization)
        if response.status in good:
            return response
        if message.file is not None and response.status in PASSING:
            finish(response)
            raise ConnectionLost(
                f"registry {self.name}, repository {repository}: it is busy (HTTP "
                f"{response.status})",
                cause="broken",
                tries=self._exchange.patience.tries,
                remedy="try again later",
            )
        raise self._refused(response, repository, target.partition("?")[0])

    def _send(self, url: str, message: Message, authorization: str | None) -> BaseHTTPResponse:
        named = {"User-Agent": f"pyrootless/{pyrootless.__version__}", **message.headers}
        if authorization:
            named["Authorization"] = authorization
        body = message.body if message.file is None else message.file()
        question = Question(url, message.method, named, body, MAX_ERROR_BYTES)
        ask = self._exchange.ask if message.file is None else self._exchange.ask_once
        return ask(question)

    def pause(self, failures: int) -> None:
        """Wait before the next try.  Raises RegistryError when the client was ended."""
        self._exchange.pause(failures, None)

    @property
    def tries(self) -> int:
        """How often something is tried."""
        return self._exchange.patience.tries

    def stream(
        self, response: BaseHTTPResponse, skip: int, length: int, what: str
    ) -> Iterator[bytes]:
        """`length` bytes of a body, after `skip` that are thrown away; closes it in every case.

        Raises:
            ConnectionLost: It broke off or is too slow.
            IntegrityError: It is longer.
        """
        left = skip + length
        done = False
        try:
            while left > 0 and (chunk := read_some(response, min(CHUNK_BYTES, left + 1))):
                left -= len(chunk)
                if left < 0:
                    raise IntegrityError(
                        f"{what}: longer than the manifest says",
                        remedy="do not trust this registry or mirror",
                    )
                keep = chunk[skip:]
                skip = max(0, skip - len(chunk))
                if keep:
                    yield keep
            done = left == 0
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._exchange.failure(self._base(), error) from error
        finally:
            if done:
                finish(response)
            else:
                response.close()

    def _ask(
        self,
        path: str,
        headers: Mapping[str, str],
        authorization: str | None,
        max_bytes: int | None,
    ) -> BaseHTTPResponse:
        named = {"User-Agent": f"pyrootless/{pyrootless.__version__}", **headers}
        if authorization:
            named["Authorization"] = authorization
        self._find_scheme()
        return self._exchange.ask(
            Question(self._base() + path, headers=named, max_bytes=max_bytes)
        )

    @property
    def base(self) -> str:
        """SCHEME://HOST[:PORT], when the scheme is known."""
        return self._base()

    def _base(self) -> str:
        return f"{self._scheme or 'https'}://{self._address}"

    def _find_scheme(self) -> None:
        """HTTPS; where plain HTTP is allowed, what answers: HTTPS is asked first.

        Raises:
            ConnectionLost: Neither answers.
        """
        with self._lock:
            if self._scheme:
                return
            if not self._exchange.transport.settings.is_insecure(self._address):
                self._scheme = "https"
                return
            try:
                finish(self._exchange.ask_once(Question(f"https://{self._address}/v2/")))
                self._scheme = "https"
            except ConnectionLost:
                finish(self._exchange.ask(Question(f"http://{self._address}/v2/")))
                self._scheme = "http"

    def _fetch_token(self, request: TokenRequest) -> bytes:
        """The body of a token server's good reply.

        Raises:
            RegistryError: It refused, or is one for plain HTTP.
        """
        place = urllib.parse.urlsplit(request.url)
        allowed = self._exchange.transport.settings.is_insecure(place.netloc)
        if place.scheme == "http" and not allowed:
            raise RegistryError(
                f"registry {self.name} sends us for a token to {origin(request.url)}: no plain "
                "HTTP is allowed there",
                remedy=f'if you trust that network, list "{place.netloc}" under insecure in '
                "registries.toml",
            )
        headers = {"User-Agent": f"pyrootless/{pyrootless.__version__}", **request.headers}
        question = Question(request.url, request.method, headers, request.body, MAX_TOKEN_BYTES)
        response = self._exchange.ask(question)
        what = f"token server {origin(request.url)} of registry {self.name}"
        try:
            body = read_document(response, MAX_TOKEN_BYTES, what)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._exchange.failure(request.url, error) from error
        if response.status == 200:
            return body
        if response.status in (400, 401, 403):
            why = f"{what} refuses: {_told(body, response.status)}"
            raise access_denied(self.name, "", why, self._authorizer.user)
        raise RegistryError(f"{what}: {_told(body, response.status)}", remedy="try again later")

    def _refused(self, response: BaseHTTPResponse, repository: str, what: str) -> RegistryError:
        """The error for a status that is no success."""
        status = response.status
        try:
            body = read_document(response, MAX_ERROR_BYTES, "")
        except (urllib3.exceptions.HTTPError, OSError, IntegrityError):
            body = b""
        told = _told(body, status)
        if status in (401, 403):
            return access_denied(self.name, repository, told, self._authorizer.user)
        place = f"registry {self.name}" + (f", repository {repository}" if repository else "")
        if status == 404:
            noun, _, name = what.partition("/")
            return NotThere(f"{place}: there is no {noun.removesuffix('s')} {name} ({told})")
        if status == 429:
            return RegistryError(
                f"{place}: too many requests: {told}",
                remedy=f"wait, log in (pyrootless login {self.name}), or name a mirror in "
                "registries.toml",
            )
        return RegistryError(
            f"{place}: {what or 'the protocol'}: {told}",
            remedy="try again later, or name a mirror in registries.toml"
            if status >= 500
            else "check that this host is a registry, and its name",
        )


def _told(body: bytes, status: int) -> str:
    """A registry's own words: the first error of its JSON, made printable, and the status."""
    words = ""
    try:
        document = json.loads(body)
        first = document["errors"][0] if "errors" in document else document
        words = str(first.get("message") or first.get("details") or first.get("code") or "")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    printable = "".join(char if char.isprintable() else "?" for char in words[:200])
    return f"{printable} (HTTP {status})" if printable else f"HTTP {status}"
