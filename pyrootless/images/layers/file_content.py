"""The content of one file → another file, holes kept.

What comes in: two open files.  What goes out: equal bytes; blocks where the first has blocks.
Must never: write out a hole: a database or a disk image of some KiB would become gigabytes.

Source: lseek(2), "Seeking file data and holes"; ioctl_ficlone(2); copy_file_range(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator

FICLONE = 0x40049409
"""ioctl: the target shares the source's blocks."""
_PART_BYTES = 1 << 20
_NOT_HERE = (errno.ENOSYS, errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL)


def copy_content(source: int, target: int) -> None:
    """All of it, by sharing blocks where the file system can, else by copies in the kernel.

    Args:
        source: Open for reading; its offset changes.
        target: Open for writing, empty.

    Raises:
        OSError: No room, or the disk failed.
    """
    try:
        fcntl.ioctl(target, FICLONE, source)
        return
    except OSError:
        pass  # not every file system shares blocks
    size_bytes = os.fstat(source).st_size
    os.ftruncate(target, size_bytes)
    for begin, end in _written(source, size_bytes):
        _copy_part(source, target, begin, end)


def _written(source: int, size_bytes: int) -> Iterator[tuple[int, int]]:
    """Begin and end of what is no hole, in order; everything where nobody knows of holes."""
    at = 0
    while at < size_bytes:
        try:
            begin = os.lseek(source, at, os.SEEK_DATA)
            end = os.lseek(source, begin, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # a hole up to the end
            if error.errno not in _NOT_HERE:
                raise
            begin, end = at, size_bytes
        yield begin, end
        at = end


def _copy_part(source: int, target: int, begin: int, end: int) -> None:
    at = begin
    while at < end:
        count = _copy_some(source, target, at, end - at)
        if count == 0:
            return  # it has become shorter
        at += count


def _copy_some(source: int, target: int, at: int, left: int) -> int:
    try:
        return os.copy_file_range(source, target, left, at, at)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
    return os.pwrite(target, os.pread(source, min(left, _PART_BYTES), at), at)
