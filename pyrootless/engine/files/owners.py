"""Owners of a container's files: the kernel's, translated, or claims of a fake root.

What comes in: files by descriptor, the container's map of ids.
What goes out: the owner a program in the container sees; a file with the owner it should have.
Must never: trust the bytes of a claim; follow a link.

With one id mapped a claim lies in user.rootlesscontainers (a protobuf message, 1: uid, 2: gid),
a device in user.pyrootless.device ("c MAJOR MINOR"); files that take no attribute are in the
container's file `owners` ("DEVICE INODE BORN_NS UID GID" a line, the last one counts).
Source: docs/fake-root.md, csrc/fakeroot/owner.h, side.h.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pyrootless.images.layers import read_owners

OWNER_ATTRIBUTE = "user.rootlesscontainers"
DEVICE_ATTRIBUTE = "user.pyrootless.device"
_MAX_ID = 2**32 - 2
_AT_EMPTY_PATH = 0x1000
_STATX_INO_BTIME = 0x900

Row = tuple[int, int, int]
"""Of a map: the first id inside, the first id outside, how many."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a fake root shows of a file: its owner, and the device an empty file stands for."""

    uid: int
    gid: int
    device: tuple[str, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Owners:
    """How the owners of one container's files are read and written.

    Attributes:
        claims: A fake root remembers owners.
        uids, gids: From this process's ids to the container's; (): they are the same.
        side: Claims by (inode, time of birth in ns).
        unknown: What the container calls an id that it has no name for; None: as it is.
    """

    claims: bool = False
    uids: tuple[Row, ...] = ()
    gids: tuple[Row, ...] = ()
    side: dict[tuple[int, int], Claim] = field(default_factory=dict)
    unknown: int | None = None

    def of(self, descriptor: int, status: os.stat_result) -> Claim:
        """The owner of a file that is open with O_PATH."""
        found = self._claimed(descriptor, status) if self.claims else None
        return found or Claim(
            translate(self.uids, status.st_uid, self.unknown),
            translate(self.gids, status.st_gid, self.unknown),
        )

    def give(self, descriptor: int, uid: int, gid: int) -> None:
        """Make a file, open with O_PATH, belong to these ids of the container's.

        Raises:
            OSError: The container has no such id.
        """
        status = os.fstat(descriptor)
        if not self.claims:
            real = (untranslate(self.uids, uid), untranslate(self.gids, gid))
            if real != (status.st_uid, status.st_gid):
                _chown(descriptor, *real)
            return
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            # No attribute can hold it: remembered as long as these are.
            self.side[status.st_ino, born_ns(descriptor)] = Claim(uid, gid)
            return
        path = f"/proc/self/fd/{descriptor}"
        if (uid, gid) == (0, 0):
            with suppress(OSError):
                os.removexattr(path, OWNER_ATTRIBUTE)
        else:
            os.setxattr(path, OWNER_ATTRIBUTE, encode_owner(uid, gid))

    def copied_up(self, descriptor: int, status: os.stat_result, below: int) -> None:
        """A link or FIFO of an upper directory, whose inode a program saw as that below it.

        An overlay shows the inode a file had before it was copied up, and the time of birth of
        the copy: so its claim has both.
        """
        if not self.side or stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            return
        born = born_ns(descriptor)
        claim = self.side.get((below, born))
        if claim is not None:
            self.side[status.st_ino, born] = claim

    def _claimed(self, descriptor: int, status: os.stat_result) -> Claim | None:
        path = f"/proc/self/fd/{descriptor}"
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            with suppress(OSError, ValueError):
                uid, gid = decode_owner(os.getxattr(path, OWNER_ATTRIBUTE))
                return Claim(uid, gid, _device(path))
            return None
        if not self.side:
            return None
        return self.side.get((status.st_ino, born_ns(descriptor)))


def encode_owner(uid: int, gid: int) -> bytes:
    """The attribute's bytes; a field that is 0 is left out."""
    found = bytearray()
    for key, value in ((0x08, uid), (0x10, gid)):
        if value:
            found.append(key)
            while value >= 0x80:
                found.append(value & 0x7F | 0x80)
                value >>= 7
            found.append(value)
    return bytes(found)


def decode_owner(data: bytes) -> tuple[int, int]:
    """(uid, gid).  Raises ValueError: no such message."""
    fields = {1: 0, 2: 0}
    numbers = _varints(data)
    for key in numbers:
        value = next(numbers, -1)
        if key & 7 or not 0 <= value <= _MAX_ID:
            raise ValueError("no claim")
        fields[key >> 3] = value
    return fields[1], fields[2]


def read_side(path: Path) -> dict[tuple[int, int], Claim]:
    """The claims of a container's file `owners` on files of its root."""
    found: dict[tuple[int, int], Claim] = {}
    with suppress(OSError), path.open("rb") as stream:
        for line in stream:
            with suppress(ValueError):
                device, inode, born, uid, gid = map(int, line.split())
                if device == 0:
                    found[inode, born] = Claim(uid, gid)
    return {key: claim for key, claim in found.items() if (claim.uid, claim.gid) != (0, 0)}


def read_listed(tree: Path) -> dict[tuple[int, int], Claim]:
    """The owners that a layer's list has for what takes no attribute: links and FIFOs."""
    found: dict[tuple[int, int], Claim] = {}
    with suppress(OSError, ValueError):
        for owner in read_owners(tree.parent):
            with suppress(OSError):
                descriptor = os.open(
                    tree / os.fsdecode(owner.path), os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
                )
                try:
                    status = os.fstat(descriptor)
                    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
                        key = (status.st_ino, born_ns(descriptor))
                        found[key] = Claim(owner.uid, owner.gid)
                finally:
                    os.close(descriptor)
    return found


def translate(rows: Sequence[Row], number: int, unknown: int | None = None) -> int:
    """An id of this process as the container calls it; else `unknown`, or as it is."""
    for inside, own, count in rows:
        if own <= number < own + count:
            return inside + number - own
    return number if unknown is None else unknown


def untranslate(rows: Sequence[Row], number: int) -> int:
    """An id of the container as this process calls it."""
    for inside, own, count in rows:
        if inside <= number < inside + count:
            return own + number - inside
    return number


def join_maps(container: Sequence[Row], own: Sequence[Row]) -> tuple[Row, ...]:
    """Two maps onto the same outer ids → from the container's ids to one's own."""
    found = []
    for inside, outer, count in container:
        for here, below, length in own:
            start, end = max(outer, below), min(outer + count, below + length)
            if start < end:
                found.append((inside + start - outer, here + start - below, end - start))
    return () if all(a == b for a, b, _ in found) else tuple(found)


def _varints(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift > 70:
            raise ValueError("no number")
        if not byte & 0x80:
            yield value
            value = shift = 0
    if shift:
        raise ValueError("cut off")


def _device(path: str) -> tuple[str, int, int] | None:
    with suppress(OSError, ValueError):
        kind, major, minor = os.getxattr(path, DEVICE_ATTRIBUTE).decode("ascii").split()
        if kind in ("c", "b"):
            return kind, int(major), int(minor)
    return None


_LIBC = ctypes.CDLL(None, use_errno=True)


def _chown(descriptor: int, uid: int, gid: int) -> None:
    """fchownat(2) of an O_PATH descriptor: a link's own owner too."""
    if _LIBC.fchownat(descriptor, b"", uid, gid, _AT_EMPTY_PATH) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"owner {uid}:{gid}")


def born_ns(descriptor: int) -> int:
    """statx(2), stx_btime; 0: the file system does not say."""
    buffer = (ctypes.c_uint64 * 32)()
    if _LIBC.statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_INO_BTIME, buffer) < 0:
        return 0
    data = bytes(buffer)
    mask = int.from_bytes(data[0:4], sys.byteorder)
    if not mask & 0x800:
        return 0
    seconds = int.from_bytes(data[80:88], sys.byteorder, signed=True)
    return seconds * 1_000_000_000 + int.from_bytes(data[88:92], sys.byteorder)
