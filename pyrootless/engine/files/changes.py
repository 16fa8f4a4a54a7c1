"""What a container changed: its upper directory against what lies below it.

What comes in: the upper directory, a root of what is below, both of strangers.
What goes out: changes as `docker diff` lists them; the same as a layer.
Must never: follow a link; take a file of the engine's own for the container's.

Source: overlayfs.rst, whiteouts and opaque directories (0:0 devices, user.overlay.opaque; of
fuse-overlayfs .wh. files too); OCI image specification, layer.md.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from pyrootless.engine.files.owners import Owners
from pyrootless.engine.files.pack import Packer, header_of
from pyrootless.engine.files.rooted import Root, enter_directory

_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_OPAQUE = ("user.overlay.opaque", "user.fuseoverlayfs.opaque", "trusted.overlay.opaque")
_WHITEOUT = b".wh."
_OPAQUE_NAME = b".wh..wh..opq"

Change = tuple[str, bytes]
"""("A", "C" or "D", path without a leading "/")."""


def list_changes(upper: int, lower: Root, owners: Owners) -> Iterator[Change]:
    """Every change below a directory, sorted by path; a directory before what is in it.

    A directory is changed when something in it is, or its own mode or owner.
    """
    yield from _Comparison(lower, owners).below(upper, b"", hidden=False)


def pack_layer(upper: int, lower: Root, packer: Packer) -> None:
    """The changes as members: new and changed files, whiteouts, opaque marks."""
    owners = packer.owners or Owners()
    wanted = {path: kind for kind, path in list_changes(upper, lower, owners)}
    opaque: set[bytes] = set()
    for path in sorted(wanted):
        folder, _, name = path.rpartition(b"/")
        if wanted[path] == "D" and _is_under(path, opaque):
            continue
        if wanted[path] == "D":
            marker = b"/".join(filter(None, (folder, _WHITEOUT + name)))
            packer.write(_mark(marker))
            continue
        with suppress(FileNotFoundError, NotADirectoryError):  # removed meanwhile
            _pack_one(upper, path, packer)
            if _is_opaque_at(upper, path) and lower_kind(lower, path) == stat.S_IFDIR:
                packer.write(_mark(path + b"/" + _OPAQUE_NAME))
                opaque.add(path)


def _pack_one(upper: int, path: bytes, packer: Packer) -> None:
    at, name = Root(upper).parent(path)
    try:
        packer.add_alone(at, name, path)
    finally:
        os.close(at)


def _is_under(path: bytes, opaque: set[bytes]) -> bool:
    """Whether a directory above it shows nothing of what is below."""
    parts = path.split(b"/")
    return any(b"/".join(parts[:count]) in opaque for count in range(1, len(parts)))


def lower_kind(lower: Root, path: bytes) -> int | None:
    """The kind of file that lies below, by its exact path; None: nothing."""
    status = _lower(lower, path)
    return None if status is None else stat.S_IFMT(status.st_mode)


@dataclass(frozen=True, slots=True)
class _Comparison:
    lower: Root
    owners: Owners

    def below(self, at: int, prefix: bytes, *, hidden: bool) -> Iterator[Change]:
        """The changes in a directory; hidden: nothing of what lies below it is seen."""
        names = _names(at)
        hidden = hidden or _is_opaque(at, names)
        gone = _names_below(self.lower, prefix) - names if hidden else set()
        plain = {name for name in names if not name.startswith(_WHITEOUT)}
        marks = names - plain - {_OPAQUE_NAME}
        gone |= {name.removeprefix(_WHITEOUT) for name in marks}
        for name in sorted(plain | gone):
            path = b"/".join(filter(None, (prefix, name)))
            if name in plain:
                yield from self._entry(at, name, path, hidden=hidden)
            elif _lower(self.lower, path) is not None:
                yield "D", path

    def _entry(self, at: int, name: bytes, path: bytes, *, hidden: bool) -> Iterator[Change]:
        try:
            found = os.open(name, _PATH, dir_fd=at)
        except FileNotFoundError:  # removed meanwhile
            return
        try:
            status, old = os.fstat(found), _lower(self.lower, path)
            if _is_whiteout(status):
                if old is not None:
                    yield "D", path
                return
            if old is not None:
                self.owners.copied_up(found, status, old.st_ino)
            kind = "A" if old is None else "C"
            changed = old is None or self._differ(found, status, old, path)
            if not stat.S_ISDIR(status.st_mode):
                if changed:
                    yield kind, path
                return
            merged = old is not None and stat.S_ISDIR(old.st_mode)
            inside = enter_directory(found, b".")
            try:
                rest = self.below(inside, path, hidden=hidden or not merged)
                first = next(rest, None)
                if changed or first is not None:
                    yield kind, path
                if first is not None:
                    yield first
                    yield from rest
            finally:
                os.close(inside)
        finally:
            os.close(found)

    def _differ(
        self, found: int, status: os.stat_result, old: os.stat_result, path: bytes
    ) -> bool:
        """As docker compares: mode, owner, device; of what is no directory size and time."""
        if status.st_mode != old.st_mode or status.st_rdev != old.st_rdev:
            return True
        there = _open_exact(self.lower, path)
        try:
            if self.owners.of(found, status) != self.owners.of(there, old):
                return True
        finally:
            os.close(there)
        if stat.S_ISDIR(status.st_mode):
            return False
        return (status.st_size, status.st_mtime_ns) != (old.st_size, old.st_mtime_ns)


def _open_exact(root: Root, path: bytes) -> int:
    """By names alone: a link on the way is no directory."""
    at = os.dup(root.descriptor)
    for name in filter(None, path.split(b"/")):
        try:
            below = os.open(name, _PATH, dir_fd=at)
        finally:
            os.close(at)
        at = below
    return at


def _lower(root: Root, path: bytes) -> os.stat_result | None:
    try:
        found = _open_exact(root, path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    try:
        return os.fstat(found)
    finally:
        os.close(found)


def _names_below(root: Root, path: bytes) -> set[bytes]:
    try:
        found = _open_exact(root, path)
    except OSError:
        return set()
    try:
        inside = enter_directory(found, b".")
    except OSError:
        return set()
    finally:
        os.close(found)
    try:
        return _names(inside)
    finally:
        os.close(inside)


def _names(at: int) -> set[bytes]:
    return set(map(os.fsencode, os.listdir(at)))


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_opaque(at: int, names: set[bytes]) -> bool:
    if _OPAQUE_NAME in names:
        return True
    for attribute in _OPAQUE:
        with suppress(OSError):
            if os.getxattr(at, attribute) == b"y":
                return True
    return False


def _is_opaque_at(upper: int, path: bytes) -> bool:
    at, name = Root(upper).parent(path)
    try:
        inside = enter_directory(at, name)
    except OSError:
        return False
    finally:
        os.close(at)
    try:
        return _is_opaque(inside, _names(inside))
    finally:
        os.close(inside)


def _mark(path: bytes) -> bytes:
    """An empty file: a whiteout or opaque mark."""
    info = tarfile.TarInfo(path.decode("utf-8", "surrogateescape"))
    info.mode = 0
    return header_of(info)
