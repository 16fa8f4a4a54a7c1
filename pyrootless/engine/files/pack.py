"""A tree that somebody may change meanwhile → a tar stream.

What comes in: a file or directory by its parent's descriptor and its name.
What goes out: the members, each exactly the file that was looked at, to a descriptor.
Must never: follow a link, open a FIFO, device or socket, look up the name of a user; write more
bytes of a file than its header says, or fewer.

Source: POSIX.1-2017, pax; Docker Engine API 1.45, ContainerArchive: sockets are left out.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from contextlib import suppress
from dataclasses import dataclass, field

from pyrootless.engine.files.owners import Claim, Owners
from pyrootless.engine.files.rooted import enter_directory, reopen

_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 1 << 20
_END = bytes(1024)
_CAPABILITY = "security.capability"
_OWN_ATTRIBUTES = ("user.overlay.", "user.fuseoverlayfs.", "user.rootlesscontainers",
                   "user.pyrootless.")  # fmt: skip
_GONE = (errno.ENOENT, errno.ESTALE)


@dataclass(slots=True)
class Packer:
    """Members to a descriptor.

    Attributes:
        out: Where to, a pipe or file; not closed.
        owners: How owners are read; None: nobody's, 0:0.
        attributes: user.* goes in too, beside file capabilities.
        hollow: Directories (device, inode) that go in without their content.
        newest_s: A file that is newer has this time, in seconds since 1970; None: its own.
    """

    out: int
    owners: Owners | None = None
    attributes: bool = False
    hollow: set[tuple[int, int]] = field(default_factory=set)
    newest_s: int | None = None
    _links: dict[tuple[int, int], bytes] = field(default_factory=dict, init=False)

    def add(self, at: int, name: bytes, member: bytes) -> None:
        """A file, or a directory and what is below it.

        Args:
            at: Descriptor of the directory that holds it.
            name: In it; b"." for the directory itself.
            member: Its name in the archive; b"": the directory's content without itself.

        Raises:
            OSError: It cannot be read, or the stream is not read any more.
        """
        found = os.open(name, _PATH, dir_fd=at)
        try:
            status = os.fstat(found)
            if member:
                self._member(found, status, member)
            if not stat.S_ISDIR(status.st_mode):
                return
            self._below(enter_directory(found, b"."), member)
        finally:
            os.close(found)

    def add_alone(self, at: int, name: bytes, member: bytes) -> None:
        """A file, or a directory without what is in it.  Raises OSError, as `add`."""
        found = os.open(name, _PATH, dir_fd=at)
        try:
            self._member(found, os.fstat(found), member)
        finally:
            os.close(found)

    def end(self) -> None:
        """The mark of the archive's end."""
        self.write(_END)

    def write(self, data: bytes) -> None:
        """All of it, to the stream."""
        left = memoryview(data)
        while left:
            left = left[os.write(self.out, left) :]

    def _below(self, top: int, member: bytes) -> None:
        """Directory by directory without recursion: a tree may be deeper than our stack."""
        open_ones = [(top, member, self._names(top))]
        try:
            while open_ones:
                at, prefix, names = open_ones[-1]
                if not names:
                    os.close(open_ones.pop()[0])
                    continue
                name = names.pop()
                path = b"/".join(filter(None, (prefix, name)))
                below = self._entry(at, name, path)
                if below is not None:
                    open_ones.append((below, path, self._names(below)))
        finally:
            for at, _, _ in open_ones:
                os.close(at)

    def _entry(self, at: int, name: bytes, path: bytes) -> int | None:
        """Write one; a descriptor when it is a directory to go into."""
        try:
            found = os.open(name, _PATH, dir_fd=at)
        except OSError as error:
            if error.errno in _GONE:  # removed meanwhile
                return None
            raise
        try:
            status = os.fstat(found)
            self._member(found, status, path)
            is_hollow = (status.st_dev, status.st_ino) in self.hollow
            if is_hollow or not stat.S_ISDIR(status.st_mode):
                return None
            return enter_directory(found, b".")
        finally:
            os.close(found)

    def _member(self, found: int, status: os.stat_result, path: bytes) -> None:
        """Write the header, and a file's content."""
        claim = Claim(0, 0) if self.owners is None else self.owners.of(found, status)
        info = describe(path, status, claim)
        if info is None:
            return
        if self.newest_s is not None and status.st_mtime_ns > self.newest_s * 1_000_000_000:
            info.mtime, info.pax_headers = self.newest_s, {}
        if info.isreg():
            key = (status.st_dev, status.st_ino)
            if status.st_nlink > 1 and key in self._links:
                info.type, info.size = tarfile.LNKTYPE, 0
                info.linkname = _text(self._links[key])
            elif status.st_nlink > 1:
                self._links[key] = path
        elif info.issym():
            info.linkname = _text(os.readlink(b"", dir_fd=found))
        self._attributes(found, info)
        if not info.isreg():
            self.write(header_of(info))
            return
        content = reopen(found, os.O_RDONLY)
        try:
            self.write(header_of(info))
            self._content(content, info.size)
        finally:
            os.close(content)

    def _attributes(self, found: int, info: tarfile.TarInfo) -> None:
        if not (info.isreg() or info.isdir()):
            return
        path = f"/proc/self/fd/{found}"
        names = [_CAPABILITY]
        if self.attributes:
            with suppress(OSError):
                names += [name for name in os.listxattr(path) if name.startswith("user.")]
        found_ones = dict(info.pax_headers)
        for name in names:
            if name.startswith(_OWN_ATTRIBUTES):
                continue
            with suppress(OSError):
                found_ones[f"SCHILY.xattr.{name}"] = _text(os.getxattr(path, name))
        info.pax_headers = found_ones

    def _content(self, content: int, size: int) -> None:
        """Exactly size bytes: one that shrinks meanwhile ends in zeros, as with GNU tar."""
        left, direct = size, True
        while left:
            sent = 0
            if direct:
                try:
                    sent = os.sendfile(self.out, content, None, min(left, 1 << 30))
                except OSError as error:
                    if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                        raise
                    direct = False
                    continue
            else:
                data = os.read(content, min(left, _CHUNK_BYTES))
                self.write(data)
                sent = len(data)
            if sent == 0:
                self._zeros(left)
                break
            left -= sent
        self._zeros(-size % tarfile.BLOCKSIZE)

    def _zeros(self, count: int) -> None:
        while count:
            now = min(count, _CHUNK_BYTES)
            self.write(bytes(now))
            count -= now

    @staticmethod
    def _names(at: int) -> list[bytes]:
        """The last first."""
        return sorted(map(os.fsencode, os.listdir(at)), reverse=True)


def describe(path: bytes, status: os.stat_result, claim: Claim) -> tarfile.TarInfo | None:
    """A member's header; None: sockets and what no archive can hold."""
    kinds = {
        stat.S_IFREG: tarfile.REGTYPE,
        stat.S_IFDIR: tarfile.DIRTYPE,
        stat.S_IFLNK: tarfile.SYMTYPE,
        stat.S_IFIFO: tarfile.FIFOTYPE,
        stat.S_IFCHR: tarfile.CHRTYPE,
        stat.S_IFBLK: tarfile.BLKTYPE,
    }
    kind = kinds.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return None
    info = tarfile.TarInfo(_text(path))
    info.type = kind
    info.mode = stat.S_IMODE(status.st_mode)
    info.uid, info.gid = claim.uid, claim.gid
    info.size = status.st_size if kind == tarfile.REGTYPE else 0
    info.mtime = status.st_mtime_ns // 1_000_000_000
    if status.st_mtime_ns % 1_000_000_000:
        exact = f"{info.mtime}.{status.st_mtime_ns % 1_000_000_000:09d}"
        info.pax_headers = {"mtime": exact.rstrip("0")}
    if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    if claim.device is not None:
        letter, info.devmajor, info.devminor = claim.device
        info.type = tarfile.CHRTYPE if letter == "c" else tarfile.BLKTYPE
        info.size = 0
    return info


def header_of(info: tarfile.TarInfo) -> bytes:
    """The blocks before a member's content."""
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
