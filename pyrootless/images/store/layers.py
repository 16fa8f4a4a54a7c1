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
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

from pyrootless.closing import Closing
from pyrootless.config import Directories
from pyrootless.core._layers import tree_bytes
from pyrootless.errors import IntegrityError, StoreError
from pyrootless.images.store.files import (
    DISK_BYTES,
    UNFLUSHED,
    boot_id,
    entries_of,
    flush_file_system,
    make_store,
    writing,
)
from pyrootless.images.store.removal import move_to_trash, remove_tree
from pyrootless.images.store.temporary import Temporaries

_DIFF_ID = re.compile(r"sha256:([a-f0-9]{64})")
_HEX = re.compile(r"[a-f0-9]{64}")
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

    @contextmanager
    def alone(self, diff_id: str) -> Iterator[bool]:
        """Nobody else unpacks this layer; whoever does so now is waited for.

        Gives:
            Whether the layer is there.

        Raises:
            StoreError: The store cannot be written.
        """
        make_store(self._directories)
        with ExitStack() as stack:
            with writing(self._temporaries.directory):
                stack.enter_context(self._temporaries.alone(_digits(diff_id)))
            yield self.has(diff_id)

    def flush(self, diff_ids: Iterable[str]) -> None:
        """Make layers lasting, all at once; nothing happens when they are.

        Raises:
            StoreError: The disk failed.
        """
        marks = [mark for diff_id in diff_ids for mark in _marks(self.path(diff_id))]
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
            # Not flushed: without its boot in it, or without it, there is no layer either.
            (self.directory / UNFLUSHED).write_text(boot_id())
            self._committed = self._rename(target)
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
    """`bytes` of DATA/layers/HEX/layer.json, holes included; 0 when that is missing."""
    return _fact(directory, "bytes") or 0


def layer_disk_bytes(directory: Path) -> int:
    """What a layer takes of the disk, with the trees for maps of many ids beside its own.

    What is in a file is not walked: a layer never changes. Layers of an earlier release are.
    """
    own = _fact(directory, "diskBytes")
    total = tree_bytes(directory / "tree") if own is None else own
    for name in entries_of(directory):
        if name.suffix == DISK_BYTES:
            with suppress(OSError, ValueError):
                total += int(name.read_text())
    return total


def _fact(directory: Path, name: str) -> int | None:
    """A number of layer.json; None: it is not there, or is none."""
    try:
        with (directory / "layer.json").open("rb") as stream:
            found = json.loads(stream.read(_MAX_FACTS_BYTES))
        number = found[name]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return number if isinstance(number, int) and number >= 0 else None


def _marks(layer: Path) -> list[Path]:
    """Marks of what is in its place and of this boot.

    Those of others must stay: what they stand for is not flushed, or a power cut has torn it.
    """
    try:
        names = {path.name for path in layer.iterdir()}
    except FileNotFoundError:
        return []
    ends = (name.removesuffix(f".{UNFLUSHED}") for name in names if name.endswith(UNFLUSHED))
    marks = [
        layer / (UNFLUSHED if name == UNFLUSHED else f"{name}.{UNFLUSHED}")
        for name in ends
        if name == UNFLUSHED or name in names
    ]
    return [mark for mark in marks if _is_of_this_boot(mark)]


def _digits(diff_id: str) -> str:
    match = _DIFF_ID.fullmatch(diff_id)
    if match is None:
        raise IntegrityError(f'"{diff_id[:96]}" is not a diff ID ("sha256:" and 64 digits)')
    return match[1]


def _is_whole(directory: Path) -> bool:
    if not (directory / "tree").is_dir():
        return False
    with suppress(OSError):
        return (directory / UNFLUSHED).read_text() == boot_id()
    return True


def _is_of_this_boot(mark: Path) -> bool:
    with suppress(OSError):
        return mark.read_bytes() == boot_id().encode()
    return False  # somebody else has made it lasting
