"""What a registry takes: blobs and manifests.

What comes in: descriptors, a way to open a blob's file, a manifest's bytes.
What goes out: whether it was there, was taken from another repository, or was sent.
Must never: send a blob that the registry has; believe that one arrived before it says so; send
an authorization to another host.

Source: OCI distribution specification 1.1, "Pushing Blobs", "Mounting a blob from another
repository", "Resumable pushes".
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO

from pyrootless.errors import IntegrityError, RegistryError
from pyrootless.images import Descriptor
from pyrootless.images.registry.exchange import ConnectionLost, finish
from pyrootless.images.registry.host import Host, Message, NotThere

_OCTETS = {"Content-Type": "application/octet-stream"}
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")
_PROGRESS_BYTES = 1 << 20
"""A broken transfer that brought this much is not counted against the tries."""

Open = Callable[[], BinaryIO]
Told = Callable[[int], None]


class Sent(Enum):
    """What became of a blob."""

    THERE = "already there"
    MOUNTED = "taken from another repository"
    UPLOADED = "uploaded"


@dataclass(frozen=True, slots=True)
class Uploads:
    """One repository of one host, to be written to; may be used by several threads."""

    host: Host
    path: str

    def has(self, blob: Descriptor) -> bool:
        """Whether the repository has a blob.

        Raises:
            RegistryError: It does not say.
        """
        try:
            answer = self.host.send(Message("HEAD"), self.path, f"blobs/{blob.digest}", (200,))
        except NotThere:
            return False
        finish(answer)
        return answer.headers.get("Content-Length", str(blob.size)) == str(blob.size)

    def put_blob(
        self, blob: Descriptor, opened: Open, told: Told, sources: Sequence[str] = ()
    ) -> Sent:
        """Have a blob in the repository.

        Args:
            blob: Which.
            opened: Opens its file; called again after a broken connection.
            told: Is told how many more bytes have been sent; a negative number when some have
                to be sent again.
            sources: Repositories of the same registry that may have it.

        Raises:
            RegistryError: The registry refuses it, or it did not arrive after all tries.
        """
        if self.has(blob):
            return Sent.THERE
        place = ""
        for source in sources[:1] or ("",):
            place = self._begin(blob, source)
        if not place:
            return Sent.MOUNTED
        _Upload(self, blob, opened, told).run(place)
        return Sent.UPLOADED

    def put_manifest(self, name: str, raw: bytes, media_type: str, digest: str) -> None:
        """Store a manifest or index under a tag or its digest.

        Raises:
            RegistryError: The registry refuses it, or lacks a blob of it.
            IntegrityError: It says that it stored something else.
        """
        suffix = f"manifests/{urllib.parse.quote(name, safe=':')}"
        message = Message("PUT", {"Content-Type": media_type}, raw)
        answer = self.host.send(message, self.path, suffix, (200, 201, 202))
        finish(answer)
        told = answer.headers.get("Docker-Content-Digest", digest)
        if told != digest and told.startswith("sha256:"):
            raise IntegrityError(
                f"registry {self.host.name}, repository {self.path}: it was sent the manifest "
                f"{digest} and stored {told[:100]}",
                remedy="something between here and the registry changes what is sent: a proxy?",
            )

    def begin(self, blob: Descriptor) -> str:
        """The address of a new upload.  Raises RegistryError."""
        return self._begin(blob, "")

    def _begin(self, blob: Descriptor, source: str) -> str:
        """The address of an upload; "": the registry took the blob from the source."""
        query = urllib.parse.urlencode({"mount": blob.digest, "from": source}) if source else ""
        target = f"blobs/uploads/{'?' * bool(query)}{query}"
        try:
            message = Message("POST", {"Content-Length": "0"})
            answer = self.host.send(message, self.path, target, (201, 202))
        except NotThere as error:
            raise RegistryError(
                f"registry {self.host.name}: there is no repository {self.path}, and none may "
                "be made",
                remedy="make it there first, or check the name: HOST[:PORT]/PATH:TAG",
            ) from error
        finish(answer)
        if answer.status == 201:
            return ""
        return self.address(answer.headers.get("Location"), "")

    def address(self, location: str | None, before: str) -> str:
        """Where an upload goes on; an answer without a Location means the same place.

        Raises:
            RegistryError: There is no place.
        """
        if not location:
            if before:
                return before
            raise RegistryError(f"registry {self.host.name}: it names no place for an upload")
        return urllib.parse.urljoin(f"{self.host.base}/v2/", location)


@dataclass(slots=True)
class _Upload:
    """One blob on its way."""

    uploads: Uploads
    blob: Descriptor
    opened: Open
    told: Told
    position: int = 0
    _sent: int = 0

    def run(self, place: str) -> None:
        """Send it; after a broken connection go on where the registry says.

        Raises:
            RegistryError: As `Uploads.put_blob`.
        """
        failures = 0
        while True:
            begin = self.position
            try:
                self._send(place)
                return
            except ConnectionLost as error:
                lost = error
            host = self.uploads.host
            failures += 1
            if failures >= min(lost.tries, host.tries):
                raise lost
            host.pause(failures)
            if self.uploads.has(self.blob):
                return  # the answer alone was lost
            place = self._resume(place)
            if self.position - begin >= _PROGRESS_BYTES:
                failures = 0

    def _send(self, place: str) -> None:
        """The rest: a whole blob at once, else what is missing and then the end."""
        size = self.blob.size
        headers = {**_OCTETS, "Content-Length": str(size - self.position)}
        if self.position == 0:
            self._ask("PUT", self._final(place), headers, file=self._open)
            return
        headers["Content-Range"] = f"{self.position}-{size - 1}"
        if self.position < size:
            place = self._ask("PATCH", place, headers, file=self._open)
        self._ask("PUT", self._final(place), {**_OCTETS, "Content-Length": "0"})

    def _ask(
        self, method: str, place: str, headers: dict[str, str], file: Open | None = None
    ) -> str:
        message = Message(method, headers, file=file)
        host, path = self.uploads.host, self.uploads.path
        answer = host.send(message, path, place, (201, 202, 204))
        finish(answer)
        return self.uploads.address(answer.headers.get("Location"), place)

    def _resume(self, place: str) -> str:
        """Ask how much arrived; an upload that is gone begins anew."""
        host, path = self.uploads.host, self.uploads.path
        try:
            answer = host.send(Message("GET"), path, place, (200, 202, 204))
        except ConnectionLost:
            raise
        except RegistryError:
            self.position = 0
            self._count(0)
            return self.uploads.begin(self.blob)
        finish(answer)
        match = _RANGE.fullmatch(answer.headers.get("Range", "").strip())
        kept = int(match[1]) + 1 if match else 0
        self.position = kept if 1 < kept <= self.blob.size else 0
        self._count(self.position)
        return self.uploads.address(answer.headers.get("Location"), place)

    def _final(self, place: str) -> str:
        parts = urllib.parse.urlsplit(place)
        digest = urllib.parse.urlencode({"digest": self.blob.digest})
        query = "&".join(part for part in (parts.query, digest) if part)
        return parts._replace(query=query).geturl()

    def _open(self) -> BinaryIO:
        stream = self.opened()
        stream.seek(self.position)
        self._count(self.position)
        return _Counted(stream, self._advance)  # type: ignore[return-value]

    def _advance(self, count: int) -> None:
        self._sent += count
        self.told(count)

    def _count(self, position: int) -> None:
        """So much is there for certain."""
        if position != self._sent:
            self._advance(position - self._sent)


class _Counted:
    """A file whose reader is watched; closed at its end."""

    def __init__(self, stream: BinaryIO, told: Told) -> None:
        self._stream = stream
        self._told = told

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        data = self._stream.read(size)
        self._told(len(data))
        return data

    def __del__(self) -> None:
        self._stream.close()
