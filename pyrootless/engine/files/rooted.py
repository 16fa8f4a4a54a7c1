"""Paths below a root that somebody hostile may change meanwhile.

What comes in: a descriptor of a root, paths as a program in it would write them.
What goes out: descriptors of exactly what was looked at.
Must never: leave the root, whatever links and renames happen on the way; open a FIFO or device.

Every name is opened by itself, without following a link; a link's text is read and walked in
the same way, from the root where it is absolute. ".." goes back to the directory that was left
and is never asked of the kernel. A link of /proc that leads elsewhere is text like any other.
Source: path_resolution(7), open(2), symlink(7).
"""

from __future__ import annotations

import errno
import os
import stat

_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = _PATH | os.O_DIRECTORY
MAX_LINKS = 40
"""As the kernel's own limit."""


class Root:
    """A root, open as long as this object is.  Paths are bytes and begin at it."""

    def __init__(self, descriptor: int) -> None:
        """Take a directory's descriptor over."""
        self.descriptor = descriptor

    def close(self) -> None:
        """Close the root."""
        os.close(self.descriptor)

    def open(self, path: bytes, *, follow: bool = True) -> int:
        """An O_PATH descriptor of what a path names; with follow=False its last link itself.

        A path that ends in "/" or "/." is a directory's, and its last link is followed.

        Raises:
            OSError: As the kernel's own look would fail: ENOENT, ENOTDIR, ELOOP, EACCES.
        """
        at, name = self.parent(path, follow=follow)
        try:
            if name in (b"", b"."):
                return os.dup(at)
            return os.open(name, _PATH, dir_fd=at)
        finally:
            os.close(at)

    def parent(self, path: bytes, *, follow: bool = False) -> tuple[int, bytes]:
        """(descriptor of the directory that holds it, its last name); the name need not exist.

        Args:
            path: As for `open`.
            follow: While the last name is a link, go on to what it names.

        Returns:
            With the name b"." for a directory that is named by its path's end ("/", "a/..").
        """
        walk = _Walk(self.descriptor)
        try:
            return walk.run(path, follow=follow)
        finally:
            walk.close()


class _Walk:
    def __init__(self, root: int) -> None:
        self.stack = [os.dup(root)]
        self.links = 0

    def run(self, path: bytes, *, follow: bool) -> tuple[int, bytes]:
        todo = path.split(b"/")[::-1]
        if not path:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        wants_directory = todo[0] in (b"", b".")
        while todo and todo[0] in (b"", b"."):
            todo.pop(0)
        while todo:
            name = todo.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                self.up()
                continue
            last = not any(rest not in (b"", b".") for rest in todo)
            if last and not follow and not wants_directory:
                return os.dup(self.stack[-1]), name
            text = self.enter(name, last and not wants_directory)
            if text is None:
                continue
            if text == b"":
                return os.dup(self.stack[-1]), name
            if text.startswith(b"/"):
                self.home()
            todo += text.split(b"/")[::-1]
        return os.dup(self.stack[-1]), b"."

    def enter(self, name: bytes, last: bool) -> bytes | None:
        """None: gone into it; b"": the last name, no link; else a link's text."""
        try:
            found = os.open(name, _PATH, dir_fd=self.stack[-1])
        except FileNotFoundError:
            if last:
                return b""
            raise
        kind = stat.S_IFMT(os.fstat(found).st_mode)
        if kind == stat.S_IFLNK:
            try:
                self.links += 1
                if self.links > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
                return os.readlink(b"", dir_fd=found) or b"."
            finally:
                os.close(found)
        if kind == stat.S_IFDIR:
            self.stack.append(found)
            return None
        os.close(found)
        if last:
            return b""
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)

    def up(self) -> None:
        if len(self.stack) > 1:
            os.close(self.stack.pop())

    def home(self) -> None:
        while len(self.stack) > 1:
            self.up()

    def close(self) -> None:
        for descriptor in self.stack:
            os.close(descriptor)


def enter_directory(at: int, name: bytes) -> int:
    """A readable descriptor of a directory; never through a link.  Raises OSError."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, dir_fd=at)


def reopen(descriptor: int, flags: int) -> int:
    """What an O_PATH descriptor stands for, to be read: exactly that file.  Raises OSError."""
    return os.open(f"/proc/self/fd/{descriptor}", flags | os.O_CLOEXEC)
