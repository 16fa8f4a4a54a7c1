"""Where files of a build come from: anything that lists and gives files.

What comes in: a directory, an archive, layers.
What goes out: entries, and their content.
Must never: follow a link out of a context, open what is no plain file, hold a file in memory.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from pyrootless.build.dockerfile import IgnoreRules, compile_pattern, has_wildcard
from pyrootless.engine.files import LayerTree, PlainStream, Root, TreeError
from pyrootless.errors import StoreError

_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, link or directory.

    Attributes:
        path: From the context's root, without a leading "/"; "" is the root.
        mode: Type and permission bits, st_mode.
        size_bytes: Of a plain file.
        mtime_ns: Since 1970.
        uid, gid: As the image shall have them.
        target: Of a link.
        same_as: Path of an entry before, whose file this is too; "": none.
        attributes: Members of a pax header ("SCHILY.xattr.NAME").
        device: (major, minor) of a device.
    """

    path: str
    mode: int
    size_bytes: int = 0
    mtime_ns: int = 0
    uid: int = 0
    gid: int = 0
    target: str = ""
    same_as: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    device: tuple[int, int] = (0, 0)

    @property
    def is_directory(self) -> bool:
        """Whether it holds others."""
        return stat.S_ISDIR(self.mode)


Content = Callable[[], Iterator[bytes]]
"""The bytes of a plain file; to be called before the next entry is asked for, or never."""
Member = tuple[Entry, Content]


class Context(Protocol):
    """What COPY and ADD read.  Paths have no leading "/"; links stay inside."""

    def look(self, path: str) -> Entry | None:
        """What a path names, links followed; its own path is that of what it names.

        None: nothing is there.
        """

    def names(self, path: str) -> list[str]:
        """What is in a directory, sorted."""

    def walk(self, path: str) -> Iterator[Member]:
        """A file, or a directory and all below it; a directory before what is in it."""


def no_content() -> Iterator[bytes]:
    """Of what is no plain file."""
    return iter(())


def find_matches(context: Context, pattern: str) -> list[str]:
    """Paths that a source names, sorted: one without wildcards, or those that fit.

    Raises:
        PatternError: It is malformed.
    """
    clean = clean_source(pattern)
    if not has_wildcard(clean):
        return [clean] if context.look(clean) is not None else []
    found: list[str] = []
    _match(context, "", clean.split("/"), found)
    return sorted(set(found))


def _match(context: Context, folder: str, parts: list[str], found: list[str]) -> None:
    part, rest = parts[0], parts[1:]
    if not has_wildcard(part) and "**" not in part:
        path = posixpath.join(folder, part)
        if context.look(path) is not None:
            _go_on(context, path, rest, found)
        return
    if part == "**":
        if rest:
            _match(context, folder, rest, found)
        else:
            found.append(folder)
    fits = compile_pattern(part)
    for name in context.names(folder):
        if not fits.fullmatch(name):
            continue
        path = posixpath.join(folder, name)
        if part == "**" and rest:
            entry = context.look(path)
            if entry is not None and entry.is_directory:
                _match(context, path, parts, found)
        else:
            _go_on(context, path, rest, found)


def _go_on(context: Context, path: str, rest: list[str], found: list[str]) -> None:
    if not rest:
        found.append(path)
        return
    entry = context.look(path)
    if entry is not None and entry.is_directory:
        _match(context, path, rest, found)


def clean_source(path: str) -> str:
    """Inside the context, whatever its ".." say; "" for the root."""
    return posixpath.normpath(posixpath.join("/", path)).lstrip("/")


NO_RULES = IgnoreRules()


@dataclass(frozen=True, slots=True)
class DirectoryContext:
    """A directory of the caller's, without what .dockerignore leaves out.

    Attributes:
        root: Its descriptor, and how paths are looked up in it.
        rules: Of .dockerignore.
    """

    root: Root
    rules: IgnoreRules = NO_RULES

    @classmethod
    def open(cls, directory: str | Path, rules: IgnoreRules = NO_RULES) -> DirectoryContext:
        """A directory.  Raises StoreError: it cannot be opened."""
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
            return cls(Root(os.open(directory, flags)), rules or NO_RULES)
        except OSError as error:
            raise StoreError(f"the context {directory}: {error.strerror}") from error

    def look(self, path: str) -> Entry | None:
        """As of `Context`."""
        if self._hides(path):
            return None
        try:
            found = self.root.open(_bytes(path) or b".")
        except OSError:
            return None
        try:
            entry = _entry(path, found)
        finally:
            os.close(found)
        if entry is not None and not path:  # its own mode is the caller's matter
            entry = replace(entry, mode=stat.S_IFDIR | 0o755)
        return entry

    def names(self, path: str) -> list[str]:
        """As of `Context`."""
        try:
            at = self._directory(path)
        except OSError:
            return []
        try:
            names = sorted(map(os.fsdecode, os.listdir(at)))  # noqa: PTH208
        finally:
            os.close(at)
        return [name for name in names if not self._hides(posixpath.join(path, name))]

    def walk(self, path: str) -> Iterator[Member]:
        """As of `Context`."""
        entry = self.look(path)
        if entry is None:
            return
        at, name = self.root.parent(_bytes(path) or b".", follow=True)
        try:
            if entry.is_directory:
                at, held = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at), at
                os.close(held)
                yield entry, no_content
                yield from self._below(at, path)
            else:
                yield from self._one(at, name, path)
        finally:
            os.close(at)

    def _below(self, at: int, prefix: str) -> Iterator[Member]:
        for name in sorted(map(os.fsencode, os.listdir(at))):
            path = posixpath.join(prefix, os.fsdecode(name))
            left_out = self.rules.leaves_out(path)
            if left_out and not self.rules.may_keep_below(path):
                continue
            yield from self._one(at, name, path, only_with_content=left_out)

    def _one(
        self, at: int, name: bytes, path: str, *, only_with_content: bool = False
    ) -> Iterator[Member]:
        """An entry and what is below it; with only_with_content a directory that is left out
        and has something that is not."""
        try:
            found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
        except FileNotFoundError:  # removed meanwhile
            return
        try:
            entry = _entry(path, found)
            if entry is None or (only_with_content and not entry.is_directory):
                return
            if not entry.is_directory:
                yield entry, lambda: _read(found, entry.size_bytes)
                return
            inside = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=found)
            try:
                rest = self._below(inside, path)
                first = next(rest, None)
                if first is not None or not only_with_content:
                    yield entry, no_content
                if first is not None:
                    yield first
                    yield from rest
            finally:
                os.close(inside)
        finally:
            os.close(found)

    def _directory(self, path: str) -> int:
        found = self.root.open(_bytes(path) or b".")
        try:
            return os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=found)
        finally:
            os.close(found)

    def _hides(self, path: str) -> bool:
        if not path or not self.rules.leaves_out(path):
            return False
        return not self.rules.may_keep_below(path)


def _entry(path: str, found: int) -> Entry | None:
    """Of a descriptor of O_PATH; None: sockets and devices, which no context has."""
    status = os.fstat(found)
    kind = stat.S_IFMT(status.st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO):
        return None
    target = os.fsdecode(os.readlink(b"", dir_fd=found)) if kind == stat.S_IFLNK else ""
    size = status.st_size if kind == stat.S_IFREG else 0
    return Entry(path, status.st_mode, size, status.st_mtime_ns, target=target)


def _read(found: int, size_bytes: int) -> Iterator[bytes]:
    """Exactly so many bytes; a file that shrinks meanwhile ends in zeros."""
    left = size_bytes
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    content = os.open(f"/proc/self/fd/{found}", flags)
    try:
        while left:
            data = os.read(content, min(left, _CHUNK_BYTES)) or bytes(min(left, _CHUNK_BYTES))
            left -= len(data)
            yield data
    finally:
        os.close(content)


@dataclass(frozen=True, slots=True)
class LayersContext:
    """The files of a stage or an image.

    Attributes:
        tree: The helper that has its root; nobody else uses it meanwhile.
    """

    tree: LayerTree

    def look(self, path: str) -> Entry | None:
        """As of `Context`."""
        try:
            found = self.tree.stat("/" + path, follow=True)
        except TreeError:
            return None
        return Entry(path, found.mode, found.size_bytes, found.mtime_ns)

    def names(self, path: str) -> list[str]:
        """As of `Context`."""
        with suppress(TreeError):
            return self.tree.names("/" + path)
        return []

    def walk(self, path: str) -> Iterator[Member]:
        """As of `Context`."""
        member = path or "."
        with self.tree.reading("/" + path, member, follow=True) as descriptor:
            stream = PlainStream(descriptor)
            for info in stream:
                yield _member(info, stream, path)


def _member(info: tarfile.TarInfo, stream: PlainStream, top: str) -> Member:
    entry = entry_of(info)
    if not top and entry.path == ".":
        entry = entry_of(info, "")
    return entry, lambda: stream.content(info)


def entry_of(info: tarfile.TarInfo, path: str | None = None) -> Entry:
    """What a member of an archive says."""
    kinds = {
        tarfile.DIRTYPE: stat.S_IFDIR,
        tarfile.SYMTYPE: stat.S_IFLNK,
        tarfile.FIFOTYPE: stat.S_IFIFO,
        tarfile.CHRTYPE: stat.S_IFCHR,
        tarfile.BLKTYPE: stat.S_IFBLK,
    }
    name = posixpath.normpath(info.name).removeprefix("./")
    text = info.pax_headers.get("mtime", "")
    whole, _, part = text.partition(".")
    mtime_ns = int(info.mtime) * 1_000_000_000
    if whole.isdigit() and part.isdigit():
        mtime_ns = int(whole) * 1_000_000_000 + int(part[:9].ljust(9, "0"))
    return Entry(
        path=name if path is None else path,
        mode=kinds.get(info.type, stat.S_IFREG) | (info.mode & 0o7777),
        size_bytes=info.size if info.isreg() else 0,
        mtime_ns=mtime_ns,
        uid=info.uid,
        gid=info.gid,
        target=info.linkname if info.issym() else "",
        same_as=posixpath.normpath(info.linkname) if info.islnk() else "",
        attributes={k: v for k, v in info.pax_headers.items() if k.startswith("SCHILY.xattr.")},
        device=(info.devmajor, info.devminor) if info.ischr() or info.isblk() else (0, 0),
    )


def info_of(entry: Entry) -> tarfile.TarInfo:
    """The header of a member."""
    info = tarfile.TarInfo(entry.path)
    kinds = {
        stat.S_IFDIR: tarfile.DIRTYPE,
        stat.S_IFLNK: tarfile.SYMTYPE,
        stat.S_IFIFO: tarfile.FIFOTYPE,
        stat.S_IFCHR: tarfile.CHRTYPE,
        stat.S_IFBLK: tarfile.BLKTYPE,
    }
    info.type = kinds.get(stat.S_IFMT(entry.mode), tarfile.REGTYPE)
    info.linkname = entry.target
    if entry.same_as:
        info.type, info.linkname = tarfile.LNKTYPE, entry.same_as
    info.mode = stat.S_IMODE(entry.mode)
    info.uid, info.gid = entry.uid, entry.gid
    info.size = entry.size_bytes if info.type == tarfile.REGTYPE else 0
    info.mtime = entry.mtime_ns // 1_000_000_000
    info.devmajor, info.devminor = entry.device
    info.pax_headers = dict(entry.attributes)
    if entry.mtime_ns % 1_000_000_000:
        rest = f"{entry.mtime_ns % 1_000_000_000:09d}".rstrip("0")
        info.pax_headers["mtime"] = f"{info.mtime}.{rest}"
    return info


def digest_members(members: Iterable[Member]) -> str:
    """A digest of everything but times."""
    total = hashlib.sha256()
    for entry, content in members:
        said = (entry.path, entry.mode, entry.uid, entry.gid, entry.target, entry.same_as,
                entry.device, sorted(entry.attributes.items()), entry.size_bytes)  # fmt: skip
        total.update(repr(said).encode("utf-8", "surrogateescape") + b"\n")
        if stat.S_ISREG(entry.mode) and not entry.same_as:
            for chunk in content():
                total.update(chunk)
    return total.hexdigest()


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
