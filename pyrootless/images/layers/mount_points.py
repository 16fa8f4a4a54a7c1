"""The layer of mount points: what every start would else make in its upper, made once.

What comes in: the trees of an image's layers.
What goes out: points-KEY in the top-most layer's directory: /dev, /proc and /sys, marked
opaque; where the image has none, an /etc/hosts with `localhost`, an empty /etc/resolv.conf, and
docker's /etc/mtab, /etc/hostname (a link to what the kernel says) and /.dockerenv; an overlay
shows it above all other layers.
Must never: hide what a program would see: it has no directory that the image has as something
else, none whose owner or attributes it could not repeat, no file that the image has.

A start looks for these names in every layer, and makes those that are missing in the upper,
for /etc/hosts with a copy of /etc. Found in the top-most layer, an opaque directory ends the
search. KEY is a digest of what the layer shows; it lives as long as the layer it lies beside.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyrootless.images import MAX_LAYERS
from pyrootless.images.layers.lists import read_owners
from pyrootless.images.layers.view import look
from pyrootless.images.store import Store, flush_directory
from pyrootless.images.template import HOSTS

HIDDEN = {"dev": 0o755, "proc": 0o555, "sys": 0o555}
"""Directories that something is mounted on at every start, and their modes when made here."""
FILES = {"etc/hosts": HOSTS, "etc/resolv.conf": "", ".dockerenv": ""}
"""What a program of docker's finds, and its text."""
LINKS = {"etc/hostname": "/proc/sys/kernel/hostname", "etc/mtab": "/proc/mounts"}
"""The same, and where it leads: the name costs no start a file of its own."""
_KEY_DIGITS = 12
_OPAQUE = "user.overlay.opaque"
_OVERLAY = "user.overlay."


@dataclass(frozen=True, slots=True)
class Point:
    """One name of the layer.

    Attributes:
        path: Below its root.
        mode: Permission bits.
        mtime_ns: Of the image's directory; None: it has none.
        kind: "opaque", "merged" (directories), "file" or "link".
    """

    path: str
    mode: int
    mtime_ns: int | None
    kind: str


ROOT = Point(".", 0o755, None, "merged")
"""What a container sees of "/" is the upper's."""


def add_mount_points(store: Store, trees: Sequence[Path]) -> Path | None:
    """Make an image's layer of mount points, or find it made.

    Args:
        store: Where the layers are.
        trees: The layers' trees, top-most first.

    Returns:
        The directory that lies above them; None: they are none or too many, a list of their
        owners is damaged, or it would hold nothing.

    Raises:
        OSError: The store cannot be written.
    """
    if not 0 < len(trees) < MAX_LAYERS:
        return None
    try:
        points = tuple(plan_points(trees))
    except ValueError:
        return None
    if not points:
        return None
    key = hashlib.sha256(repr((points, FILES, LINKS)).encode()).hexdigest()[:_KEY_DIGITS]
    target = trees[0].parent / f"points-{key}"
    if not target.is_dir():
        _make(store, target, points)
    return target


def plan_points(trees: Sequence[Path]) -> Iterator[Point]:
    """What the layer of these trees would hold.

    Where the mode of a directory keeps its owner out, a start makes what is missing.
    """
    owned = {owner.path for tree in trees for owner in read_owners(tree.parent)}
    for name, mode in HIDDEN.items():
        with suppress(PermissionError):
            found = look(trees, name)
            if found is None or (isinstance(found, list) and _is_plain(found[0], name, owned)):
                yield _directory(name, found, mode, "opaque")
    with suppress(PermissionError):
        yield from _plan_etc(trees, owned)
    with suppress(PermissionError):
        if look(trees, ".dockerenv") is None:
            yield Point(".dockerenv", 0o755, None, "file")


def _plan_etc(trees: Sequence[Path], owned: set[bytes]) -> Iterator[Point]:
    etc = look(trees, "etc")
    if isinstance(etc, Path) or (etc is not None and not _is_plain(etc[0], "etc", owned)):
        return
    names = [path for path in (*FILES, *LINKS) if path.startswith("etc/")]
    missing = [path for path in names if look(etc or [], Path(path).name) is None]
    if missing:
        yield _directory("etc", etc, 0o755, "merged")
    for path in missing:
        yield (
            Point(path, 0o644, None, "file")
            if path in FILES
            else Point(path, 0o777, None, "link")
        )


def _directory(name: str, found: list[Path] | None, mode: int, kind: str) -> Point:
    if found is None:
        return Point(name, mode, None, kind)
    facts = found[0].stat()
    return Point(name, facts.st_mode & 0o7777, facts.st_mtime_ns, kind)


def _is_plain(directory: Path, name: str, owned: set[bytes]) -> bool:
    """Whether it is root's, and has no attribute that a directory above it would hide."""
    try:
        names = os.listxattr(directory)
    except OSError:  # a file system without any
        names = []
    return name.encode() not in owned and all(name.startswith(_OVERLAY) for name in names)


def _make(store: Store, target: Path, points: Sequence[Point]) -> None:
    """Beside the others of its layer in one step, and lasting.

    One flush for all of it: what a power cut takes of it all the same, a start makes again.
    """
    with store.scratch() as work:
        made = work / "points"
        for point in (ROOT, *points):
            _put(made / point.path, point)
        for point in (*reversed(points), ROOT):  # what is put into a directory changes its time
            _finish(made / point.path, point)
        try:
            made.rename(target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY) or not target.is_dir():
                raise  # else somebody was faster
        flush_directory(target.parent)


def _put(path: Path, point: Point) -> None:
    if point.kind == "file":
        path.write_text(FILES[point.path])
    elif point.kind == "link":
        path.symlink_to(LINKS[point.path])
    else:
        path.mkdir()
    if point.kind == "opaque":
        with suppress(OSError):  # without attributes the search goes on: slower, and the same
            os.setxattr(path, _OPAQUE, b"y")


def _finish(path: Path, point: Point) -> None:
    if point.kind == "link":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, point.mode)
        if point.mtime_ns is not None:
            os.utime(descriptor, ns=(point.mtime_ns, point.mtime_ns))
        if point == ROOT:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
