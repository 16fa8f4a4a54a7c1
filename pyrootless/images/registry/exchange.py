"""One question to a host and its final answer: redirects followed, failures tried again.

What comes in: a `Question`.  What goes out: a response: no redirect, no passing fault.
Must never: carry an Authorization header to another host, port or scheme; hand on another
host's demand for one; go from HTTPS to HTTP; try for ever; keep a cookie.

Sources: RFC 9110 (status codes, Location, Retry-After).
"""

from __future__ import annotations

import email.utils
import random
import ssl
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import urllib3
from urllib3.response import BaseHTTPResponse

from pyrootless.errors import IntegrityError, RegistryError
from pyrootless.images.registry.settings import Patience
from pyrootless.images.registry.transport import Aborted, TooMuch, TooSlow, Transport

if TYPE_CHECKING:
    from _typeshed import SupportsRead

MAX_REDIRECTS = 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses that may be different the next time."""
MAX_ERROR_BYTES = 65536
FRAMING = 8
"""A body in chunks of one byte is six times as long as its content."""
UNREACHABLE_TRIES = 2
"""Where there is nobody at all: a wrong name must not cost half a minute."""
_UNREACHABLE = (
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.NameResolutionError,
    urllib3.exceptions.ProxyError,
)
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class Question:
    """A request, as it is asked for.

    Attributes:
        url: http or https.
        method: GET, HEAD, POST, PUT or PATCH.
        headers: Authorization among them, when the host wants one.
        body: Of what is not GET or HEAD; a file is read from where it stands, once.
        max_bytes: Longest content of the answer; None: the reader watches over it.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | SupportsRead[bytes] | None = field(default=None, repr=False)
    max_bytes: int | None = None


class ConnectionLost(RegistryError):
    """No connection, or one that broke; another try may help.

    Attributes:
        tries: How often it is worth trying.
        cause: What kind: "unreachable", "tls", "slow", "broken".
    """

    def __init__(self, message: str, *, cause: str, tries: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.cause = cause
        self.tries = tries


class Exchange:
    """Asks questions for one client."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._stopped = threading.Event()

    @property
    def patience(self) -> Patience:
        """The bounds of each exchange."""
        return self.transport.settings.patience

    def stop(self) -> None:
        """End what is under way, pauses too; nothing new begins."""
        self._stopped.set()
        self.transport.abort()

    def ask(self, question: Question) -> BaseHTTPResponse:
        """The answer, after as many tries as patience allows; a 4xx is an answer too.

        Raises:
            ConnectionLost: Nobody answered.
            RegistryError: Redirects that lead nowhere or to a worse place.
        """
        failures = 0
        while True:
            try:
                response = self.ask_once(question)
            except ConnectionLost as lost:
                failures += 1
                if failures >= min(lost.tries, self.patience.tries):
                    raise
                self.pause(failures, None)
                continue
            failures += 1
            if response.status not in PASSING or failures >= self.patience.tries:
                return response
            wish = response.headers.get("Retry-After")
            finish(response)
            self.pause(failures, wish)

    def ask_once(self, question: Question) -> BaseHTTPResponse:
        """One try: follow redirects to the answer.

        Raises:
            ConnectionLost: Nobody answered.
            RegistryError: Redirects that lead nowhere or to a worse place.
        """
        first = question.url
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(question)
            location = response.headers.get("Location")
            if response.status not in REDIRECTS or not location:
                self._refuse_demand(response, first, question.url)
                return response
            finish(response)
            question = redirected(question, location)
            self.refuse_plain(question.url, first)
        raise RegistryError(f"{origin(first)}: more than {MAX_REDIRECTS} redirects")

    def _refuse_demand(self, response: BaseHTTPResponse, first: str, last: str) -> None:
        """A place we were sent on to must not ask for the credentials of the place before."""
        if response.status == 401 and origin(last) != origin(first):
            finish(response)
            raise RegistryError(
                f"{origin(first)} redirects to {origin(last)}, which asks for a login: "
                "credentials are not sent there"
            )

    def pause(self, failures: int, retry_after: str | None) -> None:
        """Wait before the next try.  Raises RegistryError when the client was ended."""
        seconds = pause_seconds(self.patience, failures, retry_after, time.time())
        if self._stopped.wait(seconds):
            raise RegistryError("the transfer was ended")

    def refuse_plain(self, url: str, first: str) -> None:
        """Nobody is sent on to plain HTTP who did not ask for it.  Raises RegistryError."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme == "http" and not self.transport.settings.is_insecure(parts.netloc):
            raise RegistryError(
                f"{origin(first)} redirects to {origin(url)}: no plain HTTP is allowed there",
                remedy=f'if you trust that network, list "{parts.netloc}" under insecure in '
                "registries.toml",
            )

    def _send(self, question: Question) -> BaseHTTPResponse:
        budget = question.max_bytes
        try:
            return self.transport.open(
                question.method,
                question.url,
                {"Accept-Encoding": "identity", **question.headers},
                question.body,
                None if budget is None else budget * FRAMING + MAX_ERROR_BYTES,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self.failure(question.url, error) from error

    def failure(self, url: str, error: Exception) -> RegistryError:
        """What to say of a connection that failed."""
        if self.transport.aborted:
            return RegistryError("the transfer was ended")
        return connection_failure(origin(url), error, self.patience)


def redirected(question: Question, location: str) -> Question:
    """The question to ask next.

    Raises:
        RegistryError: The new place is no address, or plain HTTP after HTTPS.
    """
    before = urllib.parse.urlsplit(question.url)
    try:
        url = urllib.parse.urljoin(question.url, location)
        after = urllib.parse.urlsplit(url)
        elsewhere = (after.scheme, after.hostname, _port(after)) != (
            before.scheme,
            before.hostname,
            _port(before),
        )
    except ValueError:
        raise _bad_redirect(question.url, location, "this is no address") from None
    if after.scheme not in ("http", "https") or not after.hostname:
        raise _bad_redirect(question.url, location, "only http and https are followed")
    if before.scheme == "https" and after.scheme == "http":
        raise _bad_redirect(question.url, location, "this would leave HTTPS for plain HTTP")
    if question.method not in ("GET", "HEAD"):
        raise _bad_redirect(question.url, location, "what is sent is not sent on to it")
    plain = after._replace(netloc=after.netloc.rpartition("@")[2], fragment="").geturl()
    headers = {
        name: value
        for name, value in question.headers.items()
        if not (elsewhere and name.lower() in _SECRET_HEADERS)
    }
    return replace(question, url=plain, headers=headers)


def _bad_redirect(url: str, location: str, why: str) -> RegistryError:
    shown = location if len(location) <= 100 else f"{location[:100]}…"
    return RegistryError(f"{origin(url)} redirects to {shown!r}: {why}")


def _port(parts: urllib.parse.SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def origin(url: str) -> str:
    """SCHEME://HOST[:PORT] of an address, for errors: queries hold secrets."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def pause_seconds(
    patience: Patience, failures: int, retry_after: str | None, now_unix: float
) -> float:
    """How long to wait: what the host asks for, else exponential with jitter; capped.

    Args:
        failures: So far, from 1.
        retry_after: Seconds or a date (RFC 9110, 10.2.3), or None.
        now_unix: time.time().
    """
    if retry_after is not None:
        wished = _wished_seconds(retry_after.strip(), now_unix)
        if wished is not None:
            return min(max(wished, 0.0), patience.pause_limit_seconds)
    whole = min(patience.pause_seconds * 2.0 ** (failures - 1), patience.pause_limit_seconds)
    return whole * random.uniform(0.5, 1.0)


def _wished_seconds(text: str, now_unix: float) -> float | None:
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() - now_unix
    except (ValueError, TypeError, OverflowError):
        return None


def finish(response: BaseHTTPResponse) -> None:
    """Be done with a response: keep its connection when little is left of it, else close it."""
    left = getattr(response, "length_remaining", None)
    try:
        if left is not None and left <= MAX_ERROR_BYTES:
            response.drain_conn()
        else:
            response.close()
    except (urllib3.exceptions.HTTPError, OSError):
        response.close()


def read_document(response: BaseHTTPResponse, max_bytes: int, what: str) -> bytes:
    """The whole body of a small answer.

    Raises:
        IntegrityError: It is longer than max_bytes.
        urllib3.exceptions.HTTPError: It broke off.
        OSError: See the transport.
    """
    parts: list[bytes] = []
    length = 0
    while chunk := read_some(response, max_bytes + 1 - length):
        parts.append(chunk)
        length += len(chunk)
        if length > max_bytes:
            response.close()
            raise IntegrityError(f"{what}: longer than the {max_bytes} bytes that are allowed")
    finish(response)
    return b"".join(parts)


def read_some(response: BaseHTTPResponse, max_bytes: int) -> bytes:
    """What has arrived, at least a byte; b"" at the end.  Waits for no more than that."""
    return response.read1(max_bytes, decode_content=False)


def connection_failure(place: str, error: Exception, patience: Patience) -> ConnectionLost:
    """The words for a failed connection, and how often to try again."""
    causes = list(_chain(error))
    slow = next((item for item in causes if isinstance(item, TooSlow)), None)
    if slow is not None:
        return ConnectionLost(
            f"{place} is too slow: {slow}",
            cause="slow",
            tries=1,
            remedy="try again later, or raise patience.window-seconds in registries.toml",
        )
    if any(isinstance(item, TooMuch | Aborted) for item in causes):
        return ConnectionLost(f"{place}: {causes[-1]}", cause="broken", tries=1)
    tls = next((item for item in causes if isinstance(item, ssl.SSLError)), None)
    if tls is not None:
        return _tls_failure(place, tls)
    if any(isinstance(item, urllib3.exceptions.ReadTimeoutError) for item in causes):
        return ConnectionLost(
            f"{place} says nothing for {patience.window_seconds:g} s",
            cause="slow",
            tries=2,
            remedy="try again later, or raise patience.window-seconds in registries.toml",
        )
    if any(isinstance(item, _UNREACHABLE) for item in causes):
        return ConnectionLost(
            f"{place} cannot be reached: {_reason(causes)}",
            cause="unreachable",
            tries=UNREACHABLE_TRIES,
            remedy="check name, network and proxy (HTTPS_PROXY, NO_PROXY); registries.toml can "
            "name a mirror",
        )
    return ConnectionLost(
        f"{place}: the connection broke: {_reason(causes)}",
        cause="broken",
        tries=patience.tries,
        remedy="try again; what has arrived is kept",
    )


_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
"""What OpenSSL says of an answer that is no TLS: it depends on the answer's bytes and on its
version."""


def _tls_failure(place: str, error: ssl.SSLError) -> ConnectionLost:
    host = place.partition("://")[2]
    if error.reason in _NO_TLS:
        return ConnectionLost(
            f"{place} does not speak TLS: a registry with plain HTTP, or a proxy?",
            cause="tls",
            tries=1,
            remedy=f'if you trust the network to it, list "{host}" under insecure in '
            "registries.toml",
        )
    why = getattr(error, "verify_message", "") or error.reason or str(error)
    remedy = (
        f"put its CA's certificate at ~/.config/containers/certs.d/{host}/ca.crt; or, if you "
        f'trust the network, list "{host}" under insecure in registries.toml'
    )
    return ConnectionLost(
        f"{place}: no secure connection: {why}", cause="tls", tries=1, remedy=remedy
    )


def _chain(error: BaseException) -> list[BaseException]:
    """An error and what led to it, the outermost first."""
    found: list[BaseException] = []
    item: BaseException | None = error
    while item is not None and item not in found and len(found) < 10:
        found.append(item)
        inner = getattr(item, "reason", None) or getattr(item, "original_error", None)
        item = inner if isinstance(inner, BaseException) else item.__cause__ or item.__context__
    return found


def _reason(causes: list[BaseException]) -> str:
    """The system's own words, when there are some."""
    for item in reversed(causes):
        if isinstance(item, OSError) and item.strerror:
            return item.strerror
    return str(causes[-1]) or type(causes[-1]).__name__
