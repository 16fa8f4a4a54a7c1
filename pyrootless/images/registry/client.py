"""A registry: manifests, blobs and tags, through the distribution protocol.

What comes in: domain, settings, a way to find credentials; paths, tags, digests.
What goes out: bytes of manifests with type and digest, streams of blobs, lists of tags.
Must never: write to the store, give out bytes of a manifest whose digest is another than asked
for, or more bytes of a blob than its descriptor says.

Source: OCI distribution specification 1.1, "Pulling"; docker registry HTTP API V2.
"""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from urllib3.response import BaseHTTPResponse

from pyrootless.errors import IntegrityError, PyrootlessError, RegistryError
from pyrootless.images import ACCEPT, Descriptor
from pyrootless.images.registry.auth import Credential
from pyrootless.images.registry.credentials import find_credential
from pyrootless.images.registry.exchange import ConnectionLost, Exchange
from pyrootless.images.registry.host import Host
from pyrootless.images.registry.search import Match, search
from pyrootless.images.registry.settings import (
    REAL_HOSTS,
    SEARCH_HOSTS,
    Endpoint,
    RegistrySettings,
)
from pyrootless.images.registry.transport import Transport
from pyrootless.images.registry.upload import Uploads

MAX_MANIFEST_BYTES = 4 << 20
MAX_TAGS_BYTES = 4 << 20
PROGRESS_BYTES = 1 << 20
"""A broken transfer that brought this much is not counted against the tries."""

Answer = TypeVar("Answer")

FindCredential = Callable[[str, str], Credential | None]
"""Host, repository → what the user has for it."""


class RegistryClient:
    """One registry with its mirrors; may be used by several threads.  A context manager."""

    def __init__(
        self,
        domain: str,
        settings: RegistrySettings,
        credentials: FindCredential = find_credential,
    ) -> None:
        """Args:
        domain: Of a reference: "docker.io", "127.0.0.1:5000".
        settings: Mirrors, insecure hosts, patience.
        credentials: See FindCredential; asked only when the registry asks.
        """
        self.domain = domain
        self._settings = settings
        self._exchange = Exchange(Transport(settings))
        self._credentials = credentials
        self._lock = threading.Lock()
        self._hosts: dict[str, Host] = {}

    def manifest(
        self, path: str, tag_or_digest: str, accept: tuple[str, ...] = ACCEPT
    ) -> tuple[bytes, str | None, str]:
        """A manifest or index: its bytes, its type (None: not said), its digest.

        Raises:
            RegistryError: It is not there, or the registry failed.
            IntegrityError: It is longer than 4 MiB, or not what its digest says.
        """
        headers = {"Accept": ", ".join(accept)}
        suffix = f"manifests/{urllib.parse.quote(tag_or_digest, safe=':')}"
        what = f"manifest {path}:{tag_or_digest}"

        def read(host: Host, endpoint: Endpoint) -> tuple[bytes, str | None, str]:
            raw, reply = host.document(endpoint.path, suffix, headers, MAX_MANIFEST_BYTES)
            digest = _checked_digest(raw, tag_or_digest, reply, f"{what} of {host.name}")
            kind = (reply.get("Content-Type") or "").partition(";")[0].strip().lower()
            return raw, kind if kind in accept else None, digest

        return self._try_all(path, read)

    def blob(self, path: str, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """The blob's bytes from `offset` on, in one pass, resumed when a connection breaks.

        The caller checks the digest. Chunks have up to 256 KiB.

        Raises:
            RegistryError: It is not there, or did not arrive after all tries.
            IntegrityError: The registry has more or fewer bytes than the descriptor says.
        """
        position, failures = offset, 0
        while position < descriptor.size:
            begin = position
            try:
                for chunk in self._open(path, descriptor, position, failures):
                    position += len(chunk)
                    yield chunk
                lost = self._cut_off(path, descriptor, position)
            except ConnectionLost as error:
                lost = error
            if position >= descriptor.size:
                return
            failures = 1 if position - begin >= PROGRESS_BYTES else failures + 1
            if failures >= min(lost.tries, self._settings.patience.tries):
                raise lost
            self._exchange.pause(failures, None)

    def tags(self, path: str) -> list[str]:
        """The first page of a repository's tags.

        Raises:
            RegistryError: The registry does not list them.
            IntegrityError: The list is not what the protocol says.
        """

        def read(host: Host, endpoint: Endpoint) -> list[str]:
            raw, _ = host.document(endpoint.path, "tags/list?n=1000", {}, MAX_TAGS_BYTES)
            try:
                tags = json.loads(raw)["tags"] or []
                return [tag for tag in tags if isinstance(tag, str)]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise IntegrityError(
                    f"registry {host.name}: its list of tags: {error}"
                ) from error

        return self._try_all(path, read)

    def search(self, term: str, limit: int) -> list[Match]:
        """Repositories with the term in them.  Raises: as pyrootless.images.registry.search."""
        real = self._settings.endpoints(self.domain, "")[-1].host
        return search(self._host(SEARCH_HOSTS.get(self.domain, real)), term, limit)

    def uploads(self, path: str) -> Uploads:
        """Where blobs and manifests of a repository are sent: to the registry, no mirror."""
        endpoint = self._settings.endpoints(self.domain, path)[-1]
        return Uploads(self._host(endpoint.host), endpoint.path)

    def check_login(self) -> None:
        """Ask for the base of the protocol, as who we are.

        Raises:
            RegistryError: The registry refuses us, or is none.
        """
        endpoint = self._settings.endpoints(self.domain, "")[-1]
        self._host(endpoint.host).document("", "", {}, MAX_TAGS_BYTES)

    def _cut_off(self, path: str, descriptor: Descriptor, position: int) -> ConnectionLost:
        return ConnectionLost(
            f"registry {self.domain}, repository {path}: blob {descriptor.digest} ended after "
            f"{position} of {descriptor.size} bytes",
            cause="broken",
            tries=self._settings.patience.tries,
            remedy="try again; what has arrived is kept",
        )

    def _open(
        self, path: str, descriptor: Descriptor, position: int, failures: int
    ) -> Iterator[bytes]:
        """A mirror that failed twice is passed over."""
        return self._try_all(path, _opening(descriptor, position), direct=failures >= 2)

    def abort(self) -> None:
        """End what other threads are doing with this client."""
        self._exchange.stop()

    def close(self) -> None:
        """Close the connections."""
        self._exchange.transport.close()

    def __enter__(self) -> RegistryClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _try_all(
        self, path: str, read: Callable[[Host, Endpoint], Answer], *, direct: bool = False
    ) -> Answer:
        """The first mirror that has it, else the registry itself, whose failure counts."""
        *mirrors, last = self._settings.endpoints(self.domain, path)
        for endpoint in () if direct else mirrors:
            try:
                return read(self._host(endpoint.host), endpoint)
            except (RegistryError, IntegrityError):
                continue  # a mirror may lack what it likes
        return read(self._host(last.host), last)

    def _host(self, name: str) -> Host:
        with self._lock:
            if name not in self._hosts:
                ours = (REAL_HOSTS.get(self.domain), SEARCH_HOSTS.get(self.domain))
                shown = self.domain if name in ours else name
                self._hosts[name] = Host(name, shown, self._exchange, self._credentials)
            return self._hosts[name]


def _opening(
    descriptor: Descriptor, position: int
) -> Callable[[Host, Endpoint], Iterator[bytes]]:
    """Ask a host for the rest of a blob; the answer's headers are checked first."""

    def read(host: Host, endpoint: Endpoint) -> Iterator[bytes]:
        what = f"registry {host.name}, repository {endpoint.path}: blob {descriptor.digest}"
        headers = {"Range": f"bytes={position}-"} if position else {}
        response = host.get(endpoint.path, f"blobs/{descriptor.digest}", headers, None)
        try:
            skip = _bytes_to_skip(response, position, descriptor.size, what)
        except PyrootlessError:
            response.close()
            raise
        return host.stream(response, skip, descriptor.size - position, what)

    return read


def _bytes_to_skip(response: BaseHTTPResponse, position: int, size: int, what: str) -> int:
    """How many bytes of the body we have already.

    Raises:
        IntegrityError: The body is not the rest of a blob of this size.
        RegistryError: It is another part than was asked for.
    """
    skip = position
    if response.status == 206:
        given = response.headers.get("Content-Range", "")
        if not given.replace(" ", "").lower().startswith(f"bytes{position}-"):
            raise RegistryError(f"{what}: asked for what follows {position}, got {given!r}")
        skip = 0
    declared = response.headers.get("Content-Length", "")
    if response.status == 416 or (
        declared.isascii() and declared.isdigit() and int(declared) - skip != size - position
    ):
        raise IntegrityError(
            f"{what}: the manifest says {size} bytes, the registry has "
            f"{'fewer' if response.status == 416 else int(declared) + position - skip}",
            remedy="the image is damaged in the registry: push it again, or pull another tag",
        )
    return skip


def _checked_digest(raw: bytes, asked: str, reply: Mapping[str, str], what: str) -> str:
    """The digest of a manifest's bytes: that asked for, or that the registry itself says."""
    told = asked if ":" in asked else reply.get("Docker-Content-Digest", "")
    algorithm = told.partition(":")[0] if told.startswith("sha512:") else "sha256"
    digest = f"{algorithm}:{hashlib.new(algorithm, raw).hexdigest()}"
    if told and told != digest:
        raise IntegrityError(
            f"{what}: its digest is {digest}, expected was {told[:150]}",
            remedy="something between here and the registry changes answers: a proxy, a mirror",
        )
    return digest
