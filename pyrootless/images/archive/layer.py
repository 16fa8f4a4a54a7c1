"""A layer that comes as a tar archive: into the store, and out of it.

What comes in: a layer's tar archive, plain or compressed, from an archive or a person.
What goes out: its blob and its unpacked tree in the store, and the descriptor that names them;
the other way round, the plain tar archive of a stored layer.
Must never: trust a name or a size; store a layer under another digest than its own.

Compressed layers are stored as they come. A plain one is compressed by gzip while it is
unpacked (ISA-L, level 1: as fast as the unpacking beside it, and every engine reads it). The
header of the compressed bytes has no time, so equal layers give equal blobs.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pyrootless.errors import IntegrityError, StoreError
from pyrootless.images import Descriptor
from pyrootless.images import manifest as media
from pyrootless.images.archive.compression import (
    CHUNK_BYTES,
    MAGIC_BYTES,
    compression_of,
    file_chunks,
    plain_chunks,
)
from pyrootless.images.archive.source import open_unnamed
from pyrootless.images.layers import unpack_layer
from pyrootless.images.store import HEAL, Store, writing

GZIP_LEVEL = 1
GZIP_WINDOW = 31
"""zlib.h, deflateInit2: 15 bits of window, and 16 for a gzip header."""

_STORED = {"gzip": media.OCI_LAYER_GZIP, "zstd": media.OCI_LAYER_ZSTD}
"""Compressions a layer may keep; others are no layer's (OCI image specification, layer.md)."""


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer that is in the store.

    Attributes:
        descriptor: Of its blob.
        diff_id: Digest of its plain tar archive.
    """

    descriptor: Descriptor
    diff_id: str


def take_layer(
    store: Store, reopen: Callable[[], BinaryIO], *, diff_id: str | None = None
) -> StoredLayer:
    """Store a layer that can be read more than once.

    Args:
        store: Where to.
        reopen: Opens the layer at its begin.
        diff_id: What the plain archive must be; None: it is not known.

    Raises:
        IntegrityError: Not an archive, a hostile one, or not the one with this diff ID.
        StoreError: The store cannot be written.
    """
    with reopen() as stream:
        compression = compression_of(stream.read(MAGIC_BYTES))
    if compression not in _STORED:
        with reopen() as stream:
            return compress_layer(store, plain_chunks(stream, compression), diff_id=diff_id)
    descriptor = _describe(reopen, _STORED[compression])
    put_blob(store, descriptor, reopen)
    return StoredLayer(descriptor, unpack_stored(store, descriptor, diff_id))


def compress_layer(
    store: Store, chunks: Iterable[bytes], *, diff_id: str | None = None
) -> StoredLayer:
    """Store a plain layer that can be read once: unpacked and compressed at the same time.

    Args:
        store: Where to.
        chunks: The plain tar archive.
        diff_id: What it must be; None: it is not known.

    Raises:
        IntegrityError, StoreError: As for `take_layer`.
    """
    place = store.directories.temporary
    with _spool(place) as spool, _Compressor(spool, place) as compressor:
        with store.layers.writer(diff_id) as writer:
            found = unpack_layer(
                compressor.through(chunks), writer, media.OCI_LAYER, expected_diff_id=diff_id
            )
        digest, size_bytes = compressor.finish()
        descriptor = Descriptor(media.OCI_LAYER_GZIP, digest, size_bytes)
        if not store.blobs.has(digest):
            spool.seek(0)
            _copy_blob(store, descriptor, spool)
    return StoredLayer(descriptor, found)


@contextmanager
def _spool(place: Path) -> Iterator[BinaryIO]:
    """A file without a name below the store's tmp/."""
    spool = open_unnamed(place)
    try:
        yield spool
    finally:
        with suppress(OSError):  # what it still held belongs to a failure that was told
            spool.close()


def put_blob(store: Store, descriptor: Descriptor, reopen: Callable[[], BinaryIO]) -> None:
    """Store a blob, compared with its digest and size, unless it is there.

    Raises:
        IntegrityError: Other bytes than the descriptor says.
        StoreError: The store cannot be written.
    """
    if not store.blobs.has(descriptor.digest):
        with reopen() as stream:
            _copy_blob(store, descriptor, stream)


def unpack_stored(store: Store, descriptor: Descriptor, diff_id: str | None) -> str:
    """Unpack a layer whose blob is in the store, unless its tree is there; its diff ID.

    A blob that is no longer what its digest says is named and set aside, whatever its bytes
    look like to the unpacker.

    Raises:
        IntegrityError: A hostile or damaged archive, or not the one with this diff ID.
        StoreError: The store cannot be written.
    """
    if diff_id is None:
        return _unpack_verified(store, descriptor, None)
    if store.layers.has(diff_id):
        return diff_id
    with store.layers.alone(diff_id) as there:
        return diff_id if there else _unpack_verified(store, descriptor, diff_id)


def _unpack_verified(store: Store, descriptor: Descriptor, diff_id: str | None) -> str:
    blob = descriptor.digest
    try:
        with store.layers.writer(diff_id) as writer:
            chunks = store.blobs.stream(blob)
            return unpack_layer(chunks, writer, descriptor.media_type, expected_diff_id=diff_id)
    except IntegrityError as error:
        if not store.blobs.has(blob) or store.blobs.verify(blob):
            raise
        raise IntegrityError(f"blob {blob} in the store is corrupted", remedy=HEAL) from error


def open_plain(store: Store, descriptor: Descriptor, diff_id: str) -> tuple[BinaryIO, int]:
    """The plain tar archive of a stored layer, as a file without a name, and its size in bytes.

    Raises:
        IntegrityError: The blob is damaged: it is no longer the layer with this diff ID.
        StoreError: No room in the store's tmp/.
    """
    total, size_bytes = hashlib.sha256(), 0
    plain = open_unnamed(store.directories.temporary)
    try:
        with store.blobs.path(descriptor.digest).open("rb") as stream:
            head = stream.read(MAGIC_BYTES)
            stream.seek(0)
            for chunk in plain_chunks(stream, compression_of(head), trusted=True):
                total.update(chunk)
                with writing(store.directories.temporary):
                    size_bytes += plain.write(chunk)
        if f"sha256:{total.hexdigest()}" != diff_id:
            raise IntegrityError(
                f"the blob {descriptor.digest} is damaged: it is not the layer {diff_id}; "
                "fetch the image again: pyrootless pull NAME"
            )
        plain.seek(0)
    except BaseException:
        plain.close()
        raise
    return plain, size_bytes


def _describe(reopen: Callable[[], BinaryIO], media_type: str) -> Descriptor:
    total, size_bytes = hashlib.sha256(), 0
    with reopen() as stream:
        for chunk in file_chunks(stream):
            total.update(chunk)
            size_bytes += len(chunk)
    return Descriptor(media_type, f"sha256:{total.hexdigest()}", size_bytes)


def _copy_blob(store: Store, descriptor: Descriptor, stream: BinaryIO) -> None:
    """Nothing of a blob that fails is kept: its source is at hand, or is not right."""
    with store.blobs.writer(descriptor.digest, descriptor.size) as writer:
        try:
            _skip(stream, writer.offset)
            for chunk in file_chunks(stream):
                writer.write(chunk)
            writer.commit()
        except (IntegrityError, StoreError):
            writer.discard()
            raise


def _skip(stream: BinaryIO, count: int) -> None:
    """Pass over what an earlier try wrote already."""
    while count and (chunk := stream.read(min(count, CHUNK_BYTES))):
        count -= len(chunk)


def _regular(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks of CHUNK_BYTES, the last one shorter."""
    held, size_bytes = [], 0
    for chunk in chunks:
        held.append(chunk)
        size_bytes += len(chunk)
        if size_bytes < CHUNK_BYTES:
            continue
        joined = b"".join(held)
        whole = size_bytes - size_bytes % CHUNK_BYTES
        for at in range(0, whole, CHUNK_BYTES):
            yield joined[at : at + CHUNK_BYTES]
        held, size_bytes = [joined[whole:]], size_bytes - whole
    if size_bytes:
        yield b"".join(held)


class _Compressor:
    """gzip into a file by a second thread, while the first hands the same chunks on."""

    WAITING_CHUNKS = 8

    def __init__(self, spool: BinaryIO, place: Path) -> None:
        self._spool = spool
        self._place = place
        self._chunks: queue.Queue[bytes | None] = queue.Queue(self.WAITING_CHUNKS)
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="compress")

    def __enter__(self) -> _Compressor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same bytes, also given to the compressor, in chunks of one size.

        What gzip makes depends on where its input is cut: equal layers shall give equal blobs,
        however they came.
        """
        for chunk in _regular(chunks):
            self._chunks.put(chunk)
            yield chunk

    def finish(self) -> tuple[str, int]:
        """Digest and size in bytes of the compressed archive, when all of it is written.

        Raises:
            StoreError: The file system did not take it.
        """
        self._end()
        with writing(self._place):
            if self._failure is not None:
                raise self._failure
            self._spool.flush()
        return f"sha256:{self._digest.hexdigest()}", self._size_bytes

    def _end(self) -> None:
        if self._thread.is_alive():
            self._chunks.put(None)
            self._thread.join()

    def _work(self) -> None:
        """Takes every chunk even after a failure: the other thread must not wait for ever."""
        from isal import isal_zlib

        gzip = isal_zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WINDOW)
        while (chunk := self._chunks.get()) is not None:
            self._write(lambda piece=chunk: gzip.compress(piece))  # type: ignore[misc]
        self._write(gzip.flush)

    def _write(self, compressed: Callable[[], bytes]) -> None:
        if self._failure is not None:
            return
        try:
            data = compressed()
            self._digest.update(data)
            self._size_bytes += len(data)
            self._spool.write(data)
        except BaseException as error:  # raised again by finish()
            self._failure = error
