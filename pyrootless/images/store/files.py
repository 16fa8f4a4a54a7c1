"""What the parts of the store share: making it, flushing, locking, and words for its failures.

What comes in: the engine's directories.  What goes out: directories, locks, `StoreError`s.
Must never: change a store of a newer version, let an OSError of a write through without words.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyrootless
from pyrootless.config import Directories
from pyrootless.errors import StoreError

VERSION = 1
"""Of the store's form, in DATA/version."""
UNFLUSHED = "unflushed"
"""Name, or its end, of a file with the boot in which a tree was made, until that is lasting."""
DISK_BYTES = ".bytes"
"""End of the name of a file that says what the tree beside it takes of the disk."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")

_ROOM = "make room (pyrootless system prune), or choose another place: pyrootless --root DIR"
_PLACE = "choose another place: pyrootless --root DIR, or PYROOTLESS_ROOT=DIR"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: _PLACE,
    errno.EACCES: _PLACE,
    errno.EPERM: _PLACE,
    errno.ENOTDIR: _PLACE,
    errno.ENOLCK: "the file system has no locks; " + _PLACE,
    errno.EIO: "the disk fails; copy what you need, and choose another place: --root DIR",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
}


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn a failed write below the store into words.

    Raises:
        StoreError: An OSError came out of the block.
    """
    try:
        yield
    except OSError as error:
        raise store_error(error, place) from error


def store_error(error: OSError, place: Path) -> StoreError:
    """The exception for a failed write: what, where, why, and what to do."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StoreError(
        f"cannot write to the store at {place}: {reason}",
        remedy=remedy_of(error),
    )


def remedy_of(error: OSError) -> str:
    """What to do about it: room where room is missing, another place where it is the place."""
    return _REMEDIES.get(error.errno or 0, "")


def check_version(directories: Directories) -> None:
    """Read DATA/version; no file means a store without images, which every version may use.

    Raises:
        StoreError: A newer pyrootless wrote the store, or the file is damaged.
    """
    path = directories.data / "version"
    try:
        text = path.read_text(encoding="ascii", errors="replace")[:64].strip()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise StoreError(
            f"the store's version cannot be read: {path}: {error.strerror}"
        ) from None
    if not text.isdecimal() or int(text) == 0:
        raise StoreError(
            f"the store's version in {path} is damaged: {text!r}",
            remedy=f"if this store was made by pyrootless: echo {VERSION} > {path}",
        )
    if int(text) > VERSION:
        raise StoreError(
            f"a newer pyrootless wrote the store at {directories.data}: it has version {text}, "
            f"and pyrootless {pyrootless.__version__} knows version {VERSION}",
            remedy=f"install a pyrootless that knows version {text}, or use another store: "
            "pyrootless --root DIR",
        )


def make_store(directories: Directories) -> None:
    """Make what is missing of the store: directories (0700) and its version.

    Raises:
        StoreError: It cannot be made, or a newer pyrootless wrote it.
    """
    check_version(directories)
    directories.make()
    with writing(directories.data):
        for path in (
            directories.blobs,
            directories.blobs / "sha256",
            directories.layers,
            directories.trash,
        ):
            path.mkdir(mode=0o700, exist_ok=True)
        version = directories.data / "version"
        while not version.exists():
            fresh = directories.temporary / f"version-{token()}"
            write_file(fresh, f"{VERSION}\n".encode(), 0o600)
            try:
                fresh.rename(version)
            except FileNotFoundError:
                continue  # swept before it was renamed: somebody else begins this store too
            flush_directory(directories.data)


def entries_of(directory: Path) -> list[Path]:
    """What lies in a directory of the store, sorted; nothing when it is not made yet.

    Raises:
        StoreError: It cannot be listed: what is in it must not be taken for missing.
    """
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(
            f"cannot list {directory}: {error.strerror}",
            remedy=f"make it yours again: chmod u+rwx {directory}",
        ) from error


def write_file(path: Path, data: bytes, mode: int) -> None:
    """A new file with these bytes, flushed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        write_all(descriptor, data)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Every byte: the kernel may take a part at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def token() -> str:
    """Sixteen random hexadecimal digits, for names that nobody else has."""
    return os.urandom(8).hex()


def flush_directory(directory: Path) -> None:
    """Make the names in a directory lasting."""
    descriptor = open_directory(directory)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_file_system(directory: Path) -> None:
    """Make everything on a directory's file system lasting (syncfs(2)).

    For trees of thousands of files: a flush of each costs a commit of the journal each.
    """
    import ctypes  # 10 ms, so only where a tree was written

    descriptor = open_directory(directory)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(directory))
    finally:
        os.close(descriptor)


def boot_id() -> str:
    """Changes with every boot; "" where the kernel does not say (then no tree is doubted)."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def open_directory(directory: Path) -> int:
    """A descriptor of a directory that is no link."""
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Take a lock if that is possible at once; False: somebody has it."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_same_file(descriptor: int, path: Path) -> bool:
    """Whether an open file still has this name: the lock of a removed one holds nothing."""
    try:
        named = path.lstat()
    except FileNotFoundError:
        return False
    own = os.fstat(descriptor)
    return (own.st_dev, own.st_ino) == (named.st_dev, named.st_ino)
