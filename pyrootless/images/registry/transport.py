"""Connections to registries: which proxy, which certificates, how slow is too slow.

What comes in: one request (method, address, headers, body).  What goes out: its response, with
the body still to be read.
Must never: follow a redirect, try twice, send a request in plain HTTP that was not asked for in
plain HTTP, wait for ever.

A registry may be slow, silent or endless.  Each socket counts what arrives while somebody waits
for it: less than Patience.window_bytes in Patience.window_seconds of waiting ends the exchange,
whether the bytes are status line, headers, chunk sizes or body; and no reply may be longer than
its budget.  Time in which nobody reads (a slow disk) does not count.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
import time
import urllib.parse
import weakref
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import BaseHTTPResponse

from pyrootless.errors import RegistryError, UsageError
from pyrootless.images.registry.settings import (
    Patience,
    RegistrySettings,
    host_name,
    is_loopback,
)

if TYPE_CHECKING:
    from _typeshed import SupportsRead

HEADER_BYTES = 1 << 20
"""Status line and headers of a reply, interim replies among them."""
MAX_CONNECTIONS = 4
"""Kept open to one host."""
SENT_BYTES = 1 << 18
"""Of a body that is a file, at once."""


class TooSlow(TimeoutError):
    """Bytes came, but too few."""


class TooMuch(OSError):
    """A reply is longer than anything that was asked for."""


class Aborted(OSError):
    """The client was ended while it was at work."""


class _Watch:
    """Counts what arrives for one exchange."""

    def __init__(self, patience: Patience, budget_bytes: int | None) -> None:
        self._patience = patience
        self._budget_bytes = budget_bytes
        self._left: int | None = None
        self._waited_seconds = 0.0
        self._window_bytes = 0
        self.sockets: weakref.WeakSet[socket.socket] | None = None

    def begin_headers(self) -> None:
        self._left = HEADER_BYTES
        self._waited_seconds, self._window_bytes = 0.0, 0

    def begin_body(self) -> None:
        self._left = self._budget_bytes

    def count(self, arrived_bytes: int, seconds: float) -> None:
        """Raises TooSlow or TooMuch."""
        if self._left is not None:
            self._left -= arrived_bytes
            if self._left < 0:
                raise TooMuch("the reply does not end")
        self._waited_seconds += seconds
        self._window_bytes += arrived_bytes
        if self._waited_seconds < self._patience.window_seconds:
            return
        if self._window_bytes < self._patience.window_bytes:
            raise TooSlow(
                f"{self._window_bytes} bytes in {self._waited_seconds:.0f} s are too few"
            )
        self._waited_seconds, self._window_bytes = 0.0, 0


_current_watch: ContextVar[_Watch | None] = ContextVar("watch of the request", default=None)


class _Watched:
    """A socket that counts what it receives; mixed into plain and TLS sockets."""

    watch: _Watch | None = None

    def recv_into(self, *args: Any, **options: Any) -> int:
        begin = time.monotonic()
        received: int = super().recv_into(*args, **options)  # type: ignore[misc]
        if self.watch is not None:
            self.watch.count(received, time.monotonic() - begin)
        return received


class _PlainSocket(_Watched, socket.socket):
    pass


class _TLSSocket(_Watched, ssl.SSLSocket):
    pass


def _watched_reply(connection: HTTPConnection) -> urllib3.HTTPResponse:
    """Read status line and headers under the watch of the current request."""
    watch = _current_watch.get()
    sock = connection.sock
    if watch is None or not isinstance(sock, _Watched):
        return HTTPConnection.getresponse(connection)
    sock.watch = watch
    if watch.sockets is not None and isinstance(sock, socket.socket):
        watch.sockets.add(sock)
    watch.begin_headers()
    response = HTTPConnection.getresponse(connection)
    watch.begin_body()
    return response


def _watched_socket(sock: socket.socket) -> socket.socket:
    timeout = sock.gettimeout()
    watched = _PlainSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())
    watched.settimeout(timeout)
    return watched


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _watched_socket(super()._new_conn())

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        return _watched_reply(self)


class _TLSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _watched_socket(super()._new_conn())

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        return _watched_reply(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection

    def _validate_conn(self, conn: Any) -> None:
        """Connect before the request is sent; urllib3 would warn of what the user listed."""
        if conn.is_closed:
            conn.connect()


_POOLS = {"http": _Pool, "https": _TLSPool}


class Transport:
    """Connections of one client; may be used by several threads."""

    def __init__(
        self, settings: RegistrySettings, environ: Mapping[str, str] | None = None
    ) -> None:
        """Args:
        settings: Certificates, insecure hosts, patience.
        environ: Where the proxies stand; None: this process's own.
        """
        self.settings = settings
        self._environ = dict(os.environ if environ is None else environ)
        self._lock = threading.Lock()
        self._managers: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._aborted = False

    def open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | SupportsRead[bytes] | None,
        budget_bytes: int | None,
    ) -> BaseHTTPResponse:
        """Send one request; the response's body is still to be read.

        Args:
            budget_bytes: Longest body, framing included; None: the reader watches over it.

        Raises:
            urllib3.exceptions.HTTPError: No connection, or no reply.
            OSError: See TooMuch and Aborted.
        """
        if self._aborted:
            raise Aborted("the client was ended")
        watch = _Watch(self.settings.patience, budget_bytes)
        watch.sockets = self._sockets
        token = _current_watch.set(watch)
        patience = self.settings.patience
        try:
            return self._manager(url).request(
                method,
                url,
                headers=dict(headers),
                body=body,  # type: ignore[arg-type]  # read() is all that is used of a file
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(
                    connect=patience.connect_seconds, read=patience.window_seconds
                ),
            )
        finally:
            _current_watch.reset(token)

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            for manager in self._managers.values():
                manager.clear()
            self._managers.clear()

    @property
    def aborted(self) -> bool:
        """Whether `abort` was called."""
        return self._aborted

    def abort(self) -> None:
        """End every exchange that is under way, from whatever thread; nothing new begins."""
        self._aborted = True
        for sock in list(self._sockets):
            try:
                # Not SSLSocket.shutdown: it takes the TLS state away from the reading thread.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already

    def _manager(self, url: str) -> urllib3.PoolManager:
        parts = urllib.parse.urlsplit(url)
        key = (parts.scheme, parts.netloc)
        with self._lock:
            if key not in self._managers:
                self._managers[key] = self._new_manager(url, parts.netloc)
            return self._managers[key]

    def _new_manager(self, url: str, host: str) -> urllib3.PoolManager:
        options: dict[str, Any] = {"num_pools": 2, "maxsize": MAX_CONNECTIONS}
        options["blocksize"] = SENT_BYTES
        if url.startswith("https:"):
            options["ssl_context"] = tls_context(self.settings, host)
        proxy = find_proxy(url, self._environ)
        manager: urllib3.PoolManager
        if proxy is None:
            manager = urllib3.PoolManager(**options)
        else:
            manager = _proxy_manager(proxy, options)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def _proxy_manager(proxy: str, options: dict[str, Any]) -> urllib3.PoolManager:
    parts = urllib.parse.urlsplit(proxy)
    if parts.username:
        words = urllib.parse.unquote(f"{parts.username}:{parts.password or ''}")
        options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=words)
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        return urllib3.ProxyManager(address, **options)
    except (ValueError, urllib3.exceptions.HTTPError) as error:
        raise UsageError(
            f"the proxy {parts.hostname} of the environment is unusable: {error}; "
            "write http://HOST:PORT"
        ) from error


def find_proxy(url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy for an address; None: connect directly.

    $HTTPS_PROXY, $HTTP_PROXY or $ALL_PROXY, small letters first; $NO_PROXY holds "*", names
    (with what lies below them), addresses, ranges of addresses, each with a port or without.
    Loopback never has one.
    """
    parts = urllib.parse.urlsplit(url)
    name = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if is_loopback(name) or _is_excluded(name, port, _variable("no_proxy", environ)):
        return None
    proxy = _variable(f"{parts.scheme}_proxy", environ) or _variable("all_proxy", environ)
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(name: str, environ: Mapping[str, str]) -> str:
    return environ.get(name) or environ.get(name.upper()) or ""


def _is_excluded(name: str, port: int, listed: str) -> bool:
    return any(_entry_fits(entry.strip().lower(), name.lower(), port)
               for entry in listed.split(",") if entry.strip())  # fmt: skip


def _entry_fits(entry: str, name: str, port: int) -> bool:
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(name) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        pass  # one of the two is a name
    wanted = host_name(entry)
    given = entry.removeprefix(f"[{wanted}]").removeprefix(wanted).removeprefix(":")
    if given and given != str(port):
        return False
    suffix = wanted.removeprefix("*").removeprefix(".")
    return bool(suffix) and (name == suffix or name.endswith(f".{suffix}"))


def tls_context(settings: RegistrySettings, host: str) -> ssl.SSLContext:
    """The system's certificates and those of certs.d; unverified for hosts that are insecure,
    whose context does without the system's: reading them takes 6 ms.

    Raises:
        RegistryError: A certificate or key of certs.d cannot be used.
    """
    insecure = settings.is_insecure(host)
    context = (
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if insecure else ssl.create_default_context()
    )
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TLSSocket
    # Python 3.13 sets it; private authorities often lack what it demands, and curl, git, docker
    # and podman take them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for directory in settings.certificates:
        place = directory / host
        try:
            files = sorted(place.iterdir())
        except OSError:
            continue  # no directory for this host, or not for this user
        for path in files:
            try:
                if path.suffix == ".crt":
                    context.load_verify_locations(path)
                elif path.suffix == ".cert":
                    context.load_cert_chain(path, path.with_suffix(".key"))
            except OSError as error:  # ssl.SSLError is one
                raise RegistryError(
                    f"registry {host}: the certificate {path} cannot be used: {error}",
                    remedy="a CA is NAME.crt; a client has NAME.cert and NAME.key (PEM)",
                ) from error
        break
    return context
