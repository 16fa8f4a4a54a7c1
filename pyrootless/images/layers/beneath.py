"""Paths below a directory, name by name, never through a link.

What comes in: a directory's descriptor and relative paths, as bytes.
What goes out: the descriptor of a path's parent, and its last name.
Must never: follow a symbolic link or "..": a layer's tree is what a stranger made it.
"""

from __future__ import annotations

import errno
import os
from types import TracebackType

_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Beneath:
    """A tree to look into.  A context manager; keeps the last parent open, since paths come
    directory by directory."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Open the root.  Raises OSError."""
        self.root_fd = os.open(root, _FLAGS)
        self._parent: bytes = b""
        self._parent_fd = self.root_fd

    def parent(self, path: bytes) -> tuple[int, bytes]:
        """(descriptor of the directory that holds path, last name); b"." is the root itself.

        The descriptor is good until the next call.

        Raises:
            OSError: A directory is missing, or is a link or something else; or path has "..".
        """
        parent, _, name = path.rpartition(b"/")
        if name == b".." or b".." in parent.split(b"/"):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        if parent != self._parent:
            fresh = self._open(parent) if parent else self.root_fd
            self._close_parent()
            self._parent, self._parent_fd = parent, fresh
        return self._parent_fd, name or b"."

    def exists(self, path: bytes) -> bool:
        """Whether something has this name, a link to nowhere too."""
        try:
            parent_fd, name = self.parent(path)
            os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
        except OSError:
            return False
        return True

    def _open(self, path: bytes) -> int:
        at = os.open(b".", _FLAGS, dir_fd=self.root_fd)
        for name in path.split(b"/"):
            try:
                below = os.open(name, _FLAGS, dir_fd=at)
            finally:
                os.close(at)
            at = below
        return at

    def _close_parent(self) -> None:
        if self._parent_fd != self.root_fd:
            os.close(self._parent_fd)
        self._parent, self._parent_fd = b"", self.root_fd

    def __enter__(self) -> Beneath:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: object, ___: TracebackType | None
    ) -> None:
        self._close_parent()
        os.close(self.root_fd)
