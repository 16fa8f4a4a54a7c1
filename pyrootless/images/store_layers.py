"""Layers: unpacked once, shared by every image, read-only for ever.

What comes in: a directory that an unpacker filled (LayerWriter.directory).
What goes out: DATA/layers/HEX/ with tree/ in it, named by the diff ID in one step.
Must never: change a layer that has its name, flush thousands of files one by one.

A layer's files are flushed together with those of the image's other layers, before a launch
template refers to them (`flush`): not in the pull, which would wait for the disk. Until then a
layer holds a file `unflushed` with the boot it was made in: after a power cut it counts as
missing and is unpacked again.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

from pyrootless.closing import Closing
from pyrootless.config import Directories
from pyrootless.errors import IntegrityError, StoreError
from pyrootless.images.store_files import (
    entries_of,
    flush_directory,
    flush_file_system,
    make_store,
    write_file,
    writing,
)
from pyrootless.images.store_removal import move_to_trash, remove_tree
from pyrootless.images.store_temporary import Temporaries

UNFLUSHED = "unflushed"
_DIFF_ID = re.compile(r"sha256:([a-f0-9]{64})")
_HEX = re.compile(r"[a-f0-9]{64}")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_MAX_FACTS_BYTES = 64 * 1024


class Layers:
    """The layers of one store."""

    def __init__(self, directories: Directories, temporaries: Temporaries) -> None:
        self._directories = directories
        self._temporaries = temporaries

    def path(self, diff_id: str) -> Path:
        """DATA/layers/HEX.

        Raises:
            IntegrityError: That is no diff ID.
        """
        return self._directories.layers / _digits(diff_id)

    def tree(self, diff_id: str) -> Path:
        """The layer's files: an overlay's lower directory."""
        return self.path(diff_id) / "tree"

    def has(self, diff_id: str) -> bool:
        """Whether a layer is there, whole."""
        return _is_whole(self.path(diff_id))

    def size_bytes(self, diff_id: str) -> int:
        """Bytes of its files, as the unpacker counted them; 0 when it is missing."""
        return layer_bytes(self.path(diff_id))

    def writer(self, diff_id: str | None = None) -> LayerWriter:
        """A fresh directory for one layer.

        Args:
            diff_id: What it should become; None: known when it is committed.
        """
        if diff_id is not None:
            _digits(diff_id)
        return LayerWriter(self._directories, self._temporaries, diff_id)

    def flush(self, diff_ids: Iterable[str]) -> None:
        """Make layers lasting, all at once; nothing happens when they are.

        Raises:
            StoreError: The disk failed.
        """
        marks = [
            mark for diff_id in diff_ids if (mark := self.path(diff_id) / UNFLUSHED).exists()
        ]
        if not marks:
            return
        with writing(self._directories.layers):
            flush_file_system(self._directories.layers)
            for mark in marks:
                mark.unlink(missing_ok=True)

    def list_all(self) -> list[str]:
        """Diff IDs of all layers, whole or not."""
        names = [path.name for path in entries_of(self._directories.layers)]
        return [f"sha256:{name}" for name in names if _HEX.fullmatch(name)]


class LayerWriter(Closing):
    """One layer's directory while it is being filled; a context manager.

    Without `commit` it is removed.

    Attributes:
        directory: Fresh, with an empty tree/ of mode 0755 in it.
    """

    def __init__(
        self, directories: Directories, temporaries: Temporaries, diff_id: str | None
    ) -> None:
        self.directory = Path()
        self._directories = directories
        self._temporaries = temporaries
        self._diff_id = diff_id
        self._descriptor = -1
        self._committed = False

    def __enter__(self) -> Self:
        make_store(self._directories)
        with writing(self._temporaries.directory):
            self.directory, self._descriptor = self._temporaries.make_directory("layer-")
            try:
                tree = self.directory / "tree"
                tree.mkdir()
                tree.chmod(0o755)
            except OSError:
                self._drop()
                raise
        return self

    def close(self) -> None:
        """Without `commit` remove it."""
        if not self._committed:
            self._drop()
        elif self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def commit(self, diff_id: str) -> Path:
        """Give the layer its name; when an equal one has it, this one goes away quietly.

        Args:
            diff_id: Digest of the plain archive that was unpacked.

        Returns:
            DATA/layers/HEX.

        Raises:
            IntegrityError: It is not the layer that was announced.
            StoreError: It cannot be written.
        """
        target = self._directories.layers / _digits(diff_id)
        if self._diff_id not in (None, diff_id):
            raise IntegrityError(
                f"the layer's content is {diff_id}, and should be {self._diff_id}",
                remedy="try again; if it stays so, the source is damaged",
            )
        with writing(target):
            write_file(self.directory / UNFLUSHED, _boot_id().encode(), 0o600)
            self._committed = self._rename(target)
            flush_directory(self._directories.layers)
        return target

    def _rename(self, target: Path) -> bool:
        """False: an equal layer was there first."""
        while True:
            try:
                self.directory.rename(target)
                return True
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise
            if _is_whole(target):
                return False
            move_to_trash(self._directories, target)  # left by a power cut

    def _drop(self) -> None:
        """Into the trash, then away; what resists is swept later."""
        try:
            grave = move_to_trash(self._directories, self.directory)
            if grave is not None:
                remove_tree(grave)
        except (OSError, StoreError):
            pass  # the sweep finds it by its lock, which falls now, or in the trash
        finally:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


def layer_bytes(directory: Path) -> int:
    """`bytes` of DATA/layers/HEX/layer.json; 0 when that is missing."""
    try:
        with (directory / "layer.json").open("rb") as stream:
            found = json.loads(stream.read(_MAX_FACTS_BYTES))
        size = found["bytes"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0
    return size if isinstance(size, int) and size >= 0 else 0


def _digits(diff_id: str) -> str:
    match = _DIFF_ID.fullmatch(diff_id)
    if match is None:
        raise IntegrityError(f'"{diff_id[:96]}" is not a diff ID ("sha256:" and 64 digits)')
    return match[1]


def _is_whole(directory: Path) -> bool:
    if not (directory / "tree").is_dir():
        return False
    with suppress(OSError):
        return (directory / UNFLUSHED).read_text() == _boot_id()
    return True


def _boot_id() -> str:
    """Changes with every boot; "" where the kernel does not say (then no layer is doubted)."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
