"""A layer's blob → the layer in the store, in one pass.

What comes in: the blob's bytes in pieces, a writer of the store, the media type.
What goes out: the layer's tree, its lists and layer.json, committed; its diff ID.
Must never: commit a layer that is not what its diff ID says, or half of one; hold a layer in
memory; need privilege.

Decompression runs in the caller's thread, files are written in a second one, the digest is made
in a third; all leave the interpreter's lock alone while they work.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from pyrootless.core._layers import Summary, Unpacker, tree_bytes
from pyrootless.errors import IntegrityError, StoreError
from pyrootless.images.layers.compression import FREE_BYTES, MAX_RATIO, PlainReader, check_ratio
from pyrootless.images.layers.lists import CAPABILITIES, DEVICES, OWNERS, settle_lists

LAYER_VERSION = 1
"""Form of layer.json."""
BLOCK_BYTES = 1 << 19
"""Plain bytes that are handed on at once."""
BLOCKS_AHEAD = 6
"""Blocks that may wait for the disk or the digest: what bounds the memory."""

_REMEDY = "get the layer again, or ask its publisher: pyrootless pull IMAGE"


class LayerWriter(Protocol):
    """Where a layer is made (images/store/disk.py): `tree/` goes below `directory`."""

    @property
    def directory(self) -> Path:
        """The layer's directory, not yet in its place."""

    def commit(self, diff_id: str) -> object:
        """Make it the layer of this diff ID."""


@dataclass(frozen=True, slots=True)
class LayerLimits:
    """What a layer may hold.  A layer beyond it is refused, whoever made it.

    Attributes:
        entries: Members of the archive.
        size_bytes: Of all files together, holes included.
        ratio: Plain bytes for each compressed one...
        ratio_from_bytes: ...of layers with more plain bytes than this: a small file of zeros is
            no bomb.
    """

    entries: int = 5_000_000
    size_bytes: int = 1 << 40
    ratio: int = MAX_RATIO
    ratio_from_bytes: int = FREE_BYTES


DEFAULT_LIMITS = LayerLimits()


def unpack_layer(
    chunks: Iterable[bytes],
    writer: LayerWriter,
    media_type: str,
    *,
    expected_diff_id: str | None,
    limits: LayerLimits = DEFAULT_LIMITS,
) -> str:
    """Unpack a layer and commit it.  Returns its diff ID, "sha256:HEX" of the plain tar.

    Args:
        chunks: The blob's bytes in pieces; whoever makes them verifies the blob's own digest.
        writer: Its directory is empty, or holds an empty `tree`.
        media_type: As in the manifest; "": unknown.
        expected_diff_id: As in the image's configuration; None: whatever comes out.
        limits: What a layer may hold.

    Raises:
        IntegrityError: The layer is damaged, hostile, beyond a limit, or another one.
        StoreError: The disk does not take it.
    """
    plain = PlainReader(chunks, media_type)
    try:
        descriptor = os.open(writer.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _store_error(writer, error) from error
    try:
        unpacker = Unpacker(descriptor, max_entries=limits.entries, max_bytes=limits.size_bytes)
        diff_id = _pump(plain, unpacker, limits)
        summary = unpacker.end()
        if expected_diff_id is not None and diff_id != expected_diff_id:
            raise IntegrityError(
                f"the layer is {diff_id} and not {expected_diff_id}, as its image says",
                remedy=_REMEDY,
            )
        try:
            # Before modes that keep us out of a directory: lists are compared with the tree.
            _describe(writer.directory, diff_id, summary)
        except OSError as error:
            raise _store_error(writer, error) from error
        unpacker.seal()
    finally:
        os.close(descriptor)
    writer.commit(diff_id)
    return diff_id


def _pump(plain: PlainReader, unpacker: Unpacker, limits: LayerLimits) -> str:
    """All bytes through digest and unpacker.  Returns the diff ID."""
    digest, size_bytes = hashlib.sha256(), 0
    feeding, hashing = _Taker("unpack", unpacker.feed), _Taker("digest", digest.update)
    with feeding, hashing:
        while block := plain.read(BLOCK_BYTES):
            size_bytes += len(block)
            if size_bytes > limits.ratio_from_bytes:
                check_ratio(size_bytes, plain.compressed_bytes, "the layer", limits.ratio)
            feeding.put(block)
            hashing.put(block)
    return f"sha256:{digest.hexdigest()}"


class _Taker:
    """A thread that takes blocks in their order.

    After an error it goes on taking blocks, so that nobody waits for it; the error is raised by
    the next `put`, or at the end.
    """

    def __init__(self, name: str, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._blocks: queue.Queue[bytes | None] = queue.Queue(maxsize=BLOCKS_AHEAD)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def _work(self) -> None:
        while (block := self._blocks.get()) is not None:
            if self._error is None:
                try:
                    self._take(block)
                except Exception as error:  # raised again by put or __exit__
                    self._error = error

    def put(self, block: bytes) -> None:
        """Hand a block on; waits while too many are on their way."""
        if self._error is not None:
            raise self._error
        self._blocks.put(block)

    def __enter__(self) -> _Taker:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        self._blocks.put(None)
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error


def _describe(directory: Path, diff_id: str, summary: Summary) -> None:
    """Settle the lists where they need it and write layer.json.  Raises OSError."""
    counts = {
        OWNERS: summary.owners,
        DEVICES: summary.devices,
        CAPABILITIES: summary.capabilities,
    }
    if summary.replaced or summary.devices:
        counts = settle_lists(directory)
    facts = {
        "version": LAYER_VERSION,
        "diffID": diff_id,
        "entries": summary.entries,
        "bytes": summary.size_bytes,
        "diskBytes": tree_bytes(directory / "tree"),
        "foreign": counts[OWNERS],
        "devices": counts[DEVICES],
        "capabilities": counts[CAPABILITIES],
        "xattrsSkipped": summary.xattrs_skipped,
    }
    (directory / "layer.json").write_text(json.dumps(facts, separators=(",", ":")) + "\n")


def _store_error(writer: LayerWriter, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write the layer below {writer.directory}: {error.strerror}",
        remedy="see what the disk and the store's directory say: df -h; pyrootless system df",
    )
