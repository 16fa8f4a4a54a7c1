"""Layers put together as a root, outside of any container: read, written, made one more.

What comes in: directories of layers, an upper directory of the caller's.
What goes out: path stats, tar streams, the upper as a layer.
Must never: touch a file of a layer's in this process (helper.py does).

One helper serves a whole build: each archive has a FIFO of its own in the caller's directory.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrootless.engine.files.trees import Tree, TreeError, unshared

_CHUNK_BYTES = 1 << 18
_PIPE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Layering:
    """A root of layers.

    Attributes:
        lowers: Directories, the top-most first; at least one.
        upper, work: Of the caller's own, empty; "": nothing may be written.
    """

    lowers: Sequence[str]
    upper: str = ""
    work: str = ""


class LayerTree(Tree):
    """A root of layers, of one root after the other; one thread at a time (`alone`)."""

    def __init__(self, directory: Path, kind: str) -> None:
        """Take a directory for FIFOs and mounts, and the map of ids, "single" or "range"."""
        (directory / "root").mkdir(exist_ok=True)
        self._directory = directory
        self._claims = kind == "single"
        self.alone = threading.RLock()
        super().__init__("the build", self._plan(Layering([str(directory / "root")])),
                         unshared(kind))  # fmt: skip

    def use(self, layering: Layering) -> None:
        """Have this root from now on.  Raises TreeError."""
        self.ask(self._plan(layering))

    def names(self, path: str) -> list[str]:
        """What is in a directory, sorted.  Raises TreeError."""
        found: list[str] = self.ask({"verb": "names", "path": path})["names"]
        return found

    def own(self, path: Path, uid: int, gid: int) -> None:
        """Give a file of the caller's own an owner of this namespace.  Raises TreeError."""
        self.ask({"verb": "own", "path": str(path), "uid": uid, "gid": gid})

    @contextmanager
    def reading(
        self, path: str, member: str, *, follow: bool = False, attributes: bool = False
    ) -> Iterator[int]:
        """A file or tree as a tar stream: the descriptor to read it from.

        Args:
            path: From the root.
            member: Its name in the archive.
            follow: A link at its end is followed.
            attributes: With user.* and ACLs, as a layer has them.

        Raises:
            TreeError: It cannot be read.
        """
        asked = {"verb": "get", "path": path, "follow": follow, "member": member, "hollow": []}
        asked["attributes"] = attributes
        with self._pipe(asked, os.O_RDONLY) as descriptor:
            yield descriptor
            while os.read(descriptor, _CHUNK_BYTES):
                pass
        self.answer(path)

    @contextmanager
    def writing(self) -> Iterator[int]:
        """Members below the root, as a tar stream: the descriptor to write it to.

        Raises:
            TreeError: They cannot be written there.
        """
        asked = {"verb": "put", "path": "/", "as_root": False, "plain": True}
        try:
            with self._pipe(asked, os.O_WRONLY) as descriptor:
                yield descriptor
        except BrokenPipeError:
            pass  # the helper says why
        self.answer()

    def layer(
        self,
        layering: Layering,
        side: str,
        stubs: Sequence[str],
        *,
        keeps_claims: bool,
        newest_s: int | None = None,
    ) -> Iterator[bytes]:
        """What lies in the upper and not in the lowers, as a layer's archive.

        Args:
            layering: The lowers, and the upper.
            side: File of a fake root's claims; "": none.
            stubs: Places that were made to mount on; they go where they are empty.
            keeps_claims: Owners that `writing` gave links count too.
            newest_s: No file is newer than this, in seconds since 1970; None: as they are.

        Raises:
            TreeError: It cannot be read; nothing that came before counts then.
        """
        plan = self._plan(layering)
        more = {"side": side, "stubs": list(stubs), "keeps_claims": keeps_claims}
        self.ask({**plan, "verb": "compare", **more})
        with self._pipe({"verb": "layer", "newest_s": newest_s}, os.O_RDONLY) as descriptor:
            while chunk := os.read(descriptor, _CHUNK_BYTES):
                yield chunk
        self.answer()

    def _plan(self, layering: Layering) -> dict[str, Any]:
        return {
            "verb": "mount",
            "target": str(self._directory / "root"),
            "lowers": list(layering.lowers),
            "upper": layering.upper,
            "work": layering.work,
            "write": bool(layering.upper),
            "binds": [],
            "claims": self._claims,
            "side": "",
            "listed": True,
            "uids": [],
            "gids": [],
        }

    @contextmanager
    def _pipe(self, asked: dict[str, Any], flags: int) -> Iterator[int]:
        path = self._directory / f"pipe-{secrets.token_hex(8)}"
        os.mkfifo(path, 0o600)
        try:
            held = os.open(path, os.O_RDWR | os.O_CLOEXEC)  # so that no open waits for another
            try:
                descriptor = os.open(path, flags | os.O_CLOEXEC)
                with suppress(OSError):  # a user's pipes are limited
                    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
                try:
                    self.ask({**asked, "pipe": str(path)})
                except TreeError:
                    os.close(descriptor)
                    raise
            finally:
                os.close(held)
        finally:
            path.unlink()
        try:
            yield descriptor
        finally:
            os.close(descriptor)
