"""The owners layer: the entries of a layer whose owner is not 0:0, with real owners.

What comes in: a layer of the store, whose files all belong to the caller, and its lists.
What goes out: range-KEY in the layer's directory: those entries and the directories above them,
owned by ids of the caller's ranges; an overlay shows it above the layer's own tree.
Must never: change the layer itself, follow a link of it, or run anywhere but as root of a user
namespace that has the ranges (`pyrootless unshare`): elsewhere a chown would fail, or succeed.

A whiteout needs no entry here, and an opaque directory none either: the tree below has them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import struct
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pyrootless.core._layers import tree_bytes
from pyrootless.errors import PyrootlessError, StoreError
from pyrootless.images.layers import acl
from pyrootless.images.layers.beneath import Beneath
from pyrootless.images.layers.file_content import copy_content
from pyrootless.images.layers.lists import (
    ACLS,
    CAPABILITIES,
    OWNERS,
    read_acls,
    read_capabilities,
    read_owners,
)
from pyrootless.images.layers.missing import Missing
from pyrootless.images.store import DISK_BYTES, UNFLUSHED, boot_id

KEY_DIGITS = 12
PARALLEL = 4
"""Layers under way at once: what they wait for is the disk."""
OWN_XATTRS = (b"user.overlay.", b"user.rootlesscontainers")
"""Attributes that speak of the tree below: they are not repeated."""
_CAPABILITY_V2 = 0x02000000
_CAPABILITY_FLAGS = 0x00FFFFFF


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is set on an entry: owner, file capabilities and access lists (b"", (): none)."""

    uid: int = 0
    gid: int = 0
    capability: bytes = b""
    access: tuple[acl.Entry, ...] = ()
    inherited: tuple[acl.Entry, ...] = ()


def range_key(uids: Iterable[tuple[int, int]], gids: Iterable[tuple[int, int]]) -> str:
    """The KEY of an id map: twelve hexadecimal digits over (start, count) of its ranges."""
    text = [";".join(f"{start} {count}" for start, count in ranges) for ranges in (uids, gids)]
    return hashlib.sha256("|".join(text).encode()).hexdigest()[:KEY_DIGITS]


def needs_owners_layer(layer: Path) -> bool:
    """Whether a layer has anything that an owners layer would show otherwise."""
    return any((layer / name).exists() for name in (OWNERS, CAPABILITIES, ACLS))


def owners_layer(layer: Path, key: str) -> Path:
    """Where the owners layer of a key lies, made or not."""
    return layer / f"range-{key}"


def has_owners_layer(layer: Path, key: str) -> bool:
    """Whether range-KEY is made, and whole: not of a boot that ended before it was lasting."""
    if not owners_layer(layer, key).is_dir():
        return False
    try:
        return unflushed_mark(layer, key).read_bytes() == boot_id().encode()
    except FileNotFoundError:
        return True


def unflushed_mark(layer: Path, key: str) -> Path:
    """The file beside range-KEY with the boot in which that was made, until it is lasting."""
    return layer / f"range-{key}.{UNFLUSHED}"


def missing_file(layer: Path, key: str) -> Path:
    """Where `Missing` lies of the owners layer of a key; no file: its ids are all there."""
    return layer / f"range-{key}.missing"


def owners_command(store: Path, layer: Path, key: str) -> list[str]:
    """What to run as root of the namespace to get `build_owners_layer`."""
    return owners_layers_command(store, [layer], key)


def owners_layers_command(store: Path, layers: Iterable[Path], key: str) -> list[str]:
    """The same for several layers by one process."""
    module = "pyrootless.images.layers.owners"
    return [sys.executable, "-I", "-m", module, str(store), key, *map(str, layers)]


def build_owners_layers(store: Path, key: str, layers: Sequence[Path]) -> Iterator[Path]:
    """`build_owners_layer` of each, some at once; each as soon as it is there."""
    from concurrent.futures import ThreadPoolExecutor, as_completed  # a start needs none of it

    with ThreadPoolExecutor(min(PARALLEL, len(layers))) as pool:
        futures = [pool.submit(build_owners_layer, store, layer, key) for layer in layers]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def build_owners_layer(store: Path, layer: Path, key: str) -> Path:
    """Make range-KEY of a layer, or find it made.  Returns it.

    It lasts from the next `Layers.flush` on; until then its mark lies beside it.

    Args:
        store: The store's directory (its tmp/ is worked in).
        layer: The layer's directory.
        key: See `range_key`.

    Entries of ids that the namespace lacks are nobody's in it, never root's, and are told of in
    `missing_file`: whoever starts a container on it has to know.

    Raises:
        HostUnsupportedError: The namespace lacks nobody's id too.
        StoreError: The lists are damaged, or the disk does not take it.
    """
    target = owners_layer(layer, key)
    if has_owners_layer(layer, key):
        return target
    try:
        with _alone(layer):
            if not has_owners_layer(layer, key):
                _build(store, layer, key)
    except ValueError as error:
        raise StoreError(
            f"the lists of layer {layer.name} are damaged: {error}",
            remedy="get it again: pyrootless rmi IMAGE; pyrootless pull IMAGE",
        ) from error
    except OSError as error:
        raise _store_error(layer, error) from error
    return target


@contextmanager
def _alone(layer: Path) -> Iterator[None]:
    """One process, one thread, at one layer; the lock of who is killed falls."""
    descriptor = os.open(layer, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _build(store: Path, layer: Path, key: str) -> None:
    target = owners_layer(layer, key)
    work = Path(tempfile.mkdtemp(prefix="owners-", dir=store / "tmp"))
    lock = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a live process works here: not to be swept
        facts = _read_facts(layer)
        with Beneath(layer / "tree") as source:
            copy = _Copy(source, lock, facts)
            copy.run()
        _remove_left(store, target)
        copy.missing.write(missing_file(layer, key))
        target.with_suffix(DISK_BYTES).write_text(f"{tree_bytes(work)}\n")
        unflushed_mark(layer, key).write_text(boot_id())
        work.rename(target)
    finally:
        os.close(lock)
        shutil.rmtree(work, ignore_errors=True)  # of a failure


def _remove_left(store: Path, target: Path) -> None:
    """What a power cut left of it, in two steps: half of it is never in its place."""
    if target.exists():
        left = Path(tempfile.mkdtemp(prefix="owners-", dir=store / "tmp"))
        target.rename(left)
        shutil.rmtree(left, ignore_errors=True)


def _read_facts(layer: Path) -> dict[bytes, _Facts]:
    """Path → what is set on it; the last line of a path counts."""
    found = {owner.path: _Facts(owner.uid, owner.gid) for owner in read_owners(layer)}
    for capability, path in read_capabilities(layer):
        before = found.get(path, _Facts())
        found[path] = replace(before, capability=_plain_capability(capability))
    users, groups = (
        acl.read_ids(layer / "tree", name) for name in (b"etc/passwd", b"etc/group")
    )
    for kind, form, value, path in read_acls(layer):
        text = form == "t"
        parsed = acl.parse_text(value, users, groups) if text else acl.parse_binary(value)
        before, entries = found.get(path, _Facts()), tuple(parsed)
        own = kind == "a"
        found[path] = (
            replace(before, access=entries) if own else replace(before, inherited=entries)
        )
    return found


def _plain_capability(value: bytes) -> bytes:
    """Version 2, from which the kernel makes version 3 with this namespace's root.

    Source: capabilities(7), "File capability extended attribute versioning".
    """
    if len(value) < 20:
        raise ValueError("file capabilities of less than 20 bytes")
    (magic,) = struct.unpack_from("<I", value)
    return struct.pack("<I", magic & _CAPABILITY_FLAGS | _CAPABILITY_V2) + value[4:20]


class _Copy:
    """One run over the entries of one layer.

    Args:
        source: The layer's tree.
        target_fd: The directory that becomes the owners layer.
        facts: Entries and what is set on them.
    """

    def __init__(self, source: Beneath, target_fd: int, facts: dict[bytes, _Facts]) -> None:
        self._source = source
        self._target_fd = target_fd
        self._facts = facts
        self.missing = Missing()
        self._directories: dict[bytes, os.stat_result] = {}
        self._links: dict[int, bytes] = {}

    def run(self) -> None:
        """Everything.  Raises OSError, HostUnsupportedError."""
        self._directory(b".")
        for path in self._facts:
            source_fd, name = self._source.parent(path)
            status = os.stat(name, dir_fd=source_fd, follow_symlinks=False)
            self._parents(path)
            if stat.S_ISDIR(status.st_mode):
                self._directory(path)
            else:
                self._entry(path, status)
        # Modes and times last: nothing is put into a directory any more.  Deepest first.
        for path in sorted(self._directories, key=len, reverse=True):
            if path != b".":
                self._finish_directory(path)
        self._finish_directory(b".")

    def _parents(self, path: bytes) -> None:
        for at, byte in enumerate(path):
            if byte == ord("/"):
                self._directory(path[:at])

    def _directory(self, path: bytes) -> None:
        if path in self._directories:
            return
        source_fd, name = self._source.parent(path)
        status = os.stat(name, dir_fd=source_fd, follow_symlinks=False)
        if path != b".":
            os.mkdir(path, 0o700, dir_fd=self._target_fd)
        self._directories[path] = status
        self._xattrs(path, os.O_DIRECTORY)

    def _finish_directory(self, path: bytes) -> None:
        status = self._directories[path]
        descriptor = os.open(
            path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self._target_fd
        )
        try:
            self._own(path, descriptor)
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
            self._acls(path, descriptor)
            os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(descriptor)

    def _own(self, path: bytes, descriptor: int | None) -> None:
        """Set the owner: before the mode, which chown would strip of setuid."""
        facts = self._facts.get(path, _Facts())
        uid, gid = self.missing.mapped(facts.uid, facts.gid, path)
        if descriptor is None:
            os.chown(path, uid, gid, dir_fd=self._target_fd, follow_symlinks=False)
        else:
            os.fchown(descriptor, uid, gid)

    def _acls(self, path: bytes, descriptor: int) -> None:
        """After the mode, whose bits for the group an access list takes over."""
        facts = self._facts.get(path, _Facts())
        kinds = (("access", facts.access), ("default", facts.inherited))
        for kind, entries in kinds:
            if entries:
                value = acl.encode(
                    list(entries), lambda uid, gid: self.missing.mapped(uid, gid, path)
                )
                os.setxattr(descriptor, f"system.posix_acl_{kind}", value)

    def _entry(self, path: bytes, status: os.stat_result) -> None:
        first = self._links.get(status.st_ino) if status.st_nlink > 1 else None
        if first is not None:
            here = self._target_fd
            # As linkat(2) does it by itself: a link to a symbolic link is a link to that.
            os.link(first, path, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=False)
            return
        self._links[status.st_ino] = path
        if stat.S_ISREG(status.st_mode):
            self._file(path, status)
        elif stat.S_ISLNK(status.st_mode):
            source_fd, name = self._source.parent(path)
            os.symlink(os.readlink(name, dir_fd=source_fd), path, dir_fd=self._target_fd)
            self._own(path, None)
            self._time(path, status)
        elif stat.S_ISFIFO(status.st_mode):
            os.mkfifo(path, 0o600, dir_fd=self._target_fd)
            self._own(path, None)
            os.chmod(path, stat.S_IMODE(status.st_mode), dir_fd=self._target_fd)
            self._time(path, status)

    def _time(self, path: bytes, status: os.stat_result) -> None:
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(path, ns=times, dir_fd=self._target_fd, follow_symlinks=False)

    def _file(self, path: bytes, status: os.stat_result) -> None:
        source_fd, name = self._source.parent(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source_fd)
        try:
            target = os.open(path, flags, 0o600, dir_fd=self._target_fd)
        except BaseException:
            os.close(source)
            raise
        try:
            copy_content(source, target)
            _copy_xattrs(source, target)
            self._own(path, target)
            os.fchmod(target, stat.S_IMODE(status.st_mode))
            self._acls(path, target)
            capability = self._facts[path].capability
            if capability:
                os.setxattr(target, "security.capability", capability)
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(source)
            os.close(target)

    def _xattrs(self, path: bytes, flags: int) -> None:
        source_fd, name = self._source.parent(path)
        flags |= os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        source = os.open(name, flags, dir_fd=source_fd)
        try:
            target = os.open(path, flags, dir_fd=self._target_fd)
            try:
                _copy_xattrs(source, target)
            finally:
                os.close(target)
        finally:
            os.close(source)


def _copy_xattrs(source: int, target: int) -> None:
    for name in os.listxattr(source):
        raw = os.fsencode(name)
        if raw.startswith(b"user.") and not raw.startswith(OWN_XATTRS):
            os.setxattr(target, raw, os.getxattr(source, raw))


def _store_error(layer: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot make the owners layer of {layer.name}: {error.strerror}: {error.filename}",
        remedy="see what the disk says, then try again: df -h; pyrootless system df",
    )


def main(arguments: list[str]) -> int:
    """`python -m pyrootless.images.layers.owners STORE KEY LAYER…`: the exit status.

    A line for each layer that is there.
    """
    store, key, *layers = arguments
    try:
        for made in build_owners_layers(Path(store), key, [Path(layer) for layer in layers]):
            sys.stdout.write(f"{made.parent.name}\n")
            sys.stdout.flush()
    except PyrootlessError as error:
        sys.stderr.write(f"pyrootless: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
