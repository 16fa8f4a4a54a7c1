"""The process that touches a container's files, by request of trees.py.

What comes in: a control socket with a JSON object a line; archives on standard input.
What goes out: an answer a line; archives on standard output.
Must never: load anything after it has joined the container; have the container's root as its
own; answer with another file than the one it was asked for.
"""

from __future__ import annotations

import codecs
import importlib
import json
import os
import resource
import signal
import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyrootless.engine.files import changes as tree_changes
from pyrootless.engine.files import mounts
from pyrootless.engine.files.owners import (
    Claim,
    Owners,
    Row,
    join_maps,
    read_listed,
    read_side,
)
from pyrootless.engine.files.pack import Packer
from pyrootless.engine.files.rooted import Root
from pyrootless.engine.files.stream import PlainStream
from pyrootless.engine.files.unpack import ArchiveError, Extractor

NOWHERE = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
_READABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Helper:
    """What is open: the root, and how its owners are read."""

    def __init__(self) -> None:
        self.root: Root
        self.owners = Owners()
        self.lower: Root | None = None
        self._target = ""
        self._listed: dict[str, dict[tuple[int, int], Claim]] = {}

    def join(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The root of a running container."""
        self.root = Root(mounts.join_root(asked["pidfd"], asked["pid"]))
        self._claim(asked)
        return {}

    def mount(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The root of a stopped one, from its directories."""
        self._forget(asked["target"])
        lowers, upper = list(asked["lowers"]), asked["upper"]
        if asked["write"] or not upper:
            root = mounts.mount_layers(asked["target"], lowers, upper, asked["work"])
        else:
            root = mounts.mount_layers(asked["target"], [upper, *lowers])
        self.root = Root(root)
        for source, place in asked["binds"]:
            self._bind(source, _bytes(place))
        self._claim(asked)
        return {}

    def compare(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What a container changed: its upper directory, and what lies below it."""
        self._forget(asked["target"])
        self.lower = Root(mounts.mount_layers(asked["target"], list(asked["lowers"])))
        self.root = Root(os.open(asked["upper"], _READABLE))
        made = self.owners.side if asked.get("keeps_claims") else {}
        self._claim(asked)
        self.owners.side.update(made)
        for path in asked.get("stubs", ()):
            self._remove_stub(_bytes(path))
        return {}

    def stat(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Docker's path stat, and whether it is a directory."""
        path = _bytes(asked["path"])
        found = self.root.open(path, follow=asked["follow"])
        try:
            status = os.fstat(found)
            link = stat.S_ISLNK(status.st_mode)
            target = os.readlink(b"", dir_fd=found) if link else b""
        finally:
            os.close(found)
        return {
            "mode": status.st_mode,
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "target": _text(target),
        }

    def get(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A file or tree, as an archive on standard output."""
        packer = Packer(1, self.owners, attributes=asked.get("attributes", False))
        packer.hollow = self._identities(asked["hollow"])
        found = self.root.open(_bytes(asked["path"]), follow=asked["follow"])
        try:
            self._expect(found, asked.get("kind"))
            if stat.S_ISDIR(os.fstat(found).st_mode):
                packer.add(found, b".", _bytes(asked["member"]))
            else:
                at, name = self.root.parent(_bytes(asked["path"]), follow=asked["follow"])
                try:
                    packer.add(at, name, _bytes(asked["member"]))
                finally:
                    os.close(at)
            packer.end()
        finally:
            os.close(found)
        return {}

    def put(self, asked: dict[str, Any]) -> dict[str, Any]:
        """An archive of standard input, below a directory."""
        base = _bytes(asked["path"])

        def place(folder: bytes) -> int:
            return self._directory(base + b"/" + folder)

        os.close(self._readable(base))  # the archive's own directories are made, this is not
        extractor = Extractor(place, self.owners, as_root=asked["as_root"])
        if asked["plain"]:
            extractor.run_plain(PlainStream(0))
        else:
            with os.fdopen(0, "rb", closefd=False) as stream:
                extractor.run(stream)
        while os.read(0, 1 << 16):  # the writer ends first
            pass
        return {"bytes": extractor.size_bytes, "left_out": extractor.left_out[:100]}

    def changes(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Each change, "K/path\\0", on standard output."""
        assert self.lower is not None
        sink = Packer(1)
        for kind, path in tree_changes.list_changes(
            self.root.descriptor, self.lower, self.owners
        ):
            sink.write(kind.encode() + b"/" + path + b"\0")
        return {}

    def layer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The changes as a layer, on standard output."""
        assert self.lower is not None
        packer = Packer(1, self.owners, attributes=True, newest_s=asked.get("newest_s"))
        tree_changes.pack_layer(self.root.descriptor, self.lower, packer)
        packer.end()
        return {}

    def names(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What is in a directory, sorted; a link that names one is followed."""
        at = self._readable(_bytes(asked["path"]))
        try:
            names = sorted(map(os.fsencode, os.listdir(at)))  # noqa: PTH208
            return {"names": [_text(name) for name in names]}
        finally:
            os.close(at)

    def own(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A file of the caller's own gets an owner of this namespace."""
        found = os.open(asked["path"], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            Owners(self.owners.claims).give(found, asked["uid"], asked["gid"])
        finally:
            os.close(found)
        return {}

    def _forget(self, target: str) -> None:
        """The root of the request before."""
        if not self._target:
            self._target = target
            return
        self.root.close()
        if self.lower is not None:
            self.lower.close()
            self.lower = None
        mounts.unmount(self._target)
        self._target = target

    def _remove_stub(self, path: bytes) -> None:
        """A place that a launch made to mount on, and the directories above it, where nothing
        is in them and nothing lies below them."""
        assert self.lower is not None
        while path.strip(b"/"):
            try:
                at, name = self.root.parent(path)
            except OSError:
                return
            try:
                if tree_changes.lower_kind(self.lower, path.strip(b"/")) is not None:
                    return
                status = os.stat(name, dir_fd=at, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    os.rmdir(name, dir_fd=at)
                elif stat.S_ISREG(status.st_mode) and status.st_size == 0:
                    os.unlink(name, dir_fd=at)
                else:
                    return
            except OSError:
                return
            finally:
                os.close(at)
            path = path.rstrip(b"/").rpartition(b"/")[0]

    def _directory(self, path: bytes) -> int:
        """A directory of the container's, made where it is missing, to be changed."""
        with suppress(FileNotFoundError):
            return self._readable(path)
        folder, _, name = path.rstrip(b"/").rpartition(b"/")
        at = self._directory(folder or b"/")
        try:
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=at)
        finally:
            os.close(at)
        return self._readable(path)

    def _readable(self, path: bytes) -> int:
        found = self.root.open(path)
        try:
            return os.open(b".", _READABLE, dir_fd=found)
        finally:
            os.close(found)

    def _identities(self, paths: list[str]) -> set[tuple[int, int]]:
        """Device and inode of each that is there."""
        found = set()
        for path in paths:
            with suppress(OSError):
                descriptor = self.root.open(_bytes(path))
                status = os.fstat(descriptor)
                os.close(descriptor)
                found.add((status.st_dev, status.st_ino))
        return found

    def _bind(self, source: str, place: bytes) -> None:
        """A mount of the container's; one whose place or source is gone is left out."""
        with suppress(OSError):
            found = self.root.open(place)
            try:
                mounts.bind(source, found)
            finally:
                os.close(found)

    def _claim(self, asked: dict[str, Any]) -> None:
        side = read_side(Path(asked["side"])) if asked["side"] else {}
        if asked["claims"] and asked.get("listed"):
            for lower in asked["lowers"]:
                side = {**self._listed_in(lower), **side}
        maps = [_rows(asked[kind], f"/proc/self/{kind[:-1]}_map") for kind in ("uids", "gids")]
        self.owners = Owners(asked["claims"], maps[0], maps[1], side)

    def _listed_in(self, lower: str) -> dict[tuple[int, int], Claim]:
        """Owners of a layer's links and FIFOs, which its tree cannot hold."""
        if lower not in self._listed:
            self._listed[lower] = read_listed(Path(lower))
        return self._listed[lower]

    @staticmethod
    def _expect(found: int, kind: int | None) -> None:
        if kind is not None and stat.S_IFMT(os.fstat(found).st_mode) != kind:
            raise ArchiveError("it became something else while it was copied")


def serve(control: socket.socket) -> None:
    """Answer until the caller goes."""
    helper = Helper()
    verbs = {
        name: getattr(helper, name)
        for name in (
            *("join", "mount", "compare", "stat", "names", "own"),
            *("get", "put", "changes", "layer"),
        )
    }
    with control.makefile("rw", encoding="ascii", newline="\n") as stream:
        for line in stream:
            asked = json.loads(line)
            if "pipe" in asked:
                _open_data(asked["verb"], asked["pipe"])
                stream.write("{}\n")
                stream.flush()
            try:
                answer = verbs[asked["verb"]](asked)
            except BrokenPipeError:
                answer = {"problem": "nobody reads the archive"}
            except OSError as error:
                answer = {"errno": error.errno or 5, "subject": _subject(error)}
            except (ArchiveError, MemoryError, RecursionError) as error:
                answer = {"problem": str(error) or type(error).__name__}
            _close_data(asked["verb"])
            stream.write(f"{json.dumps(answer)}\n")
            stream.flush()


def _subject(error: OSError) -> str:
    """What failed, where the path that was asked for does not say it."""
    name = error.filename
    text = _text(name) if isinstance(name, bytes) else str(name or "")
    return "" if text.startswith("/proc/self/fd/") else text


def _open_data(verb: str, path: str) -> None:
    """The archive comes or goes by a FIFO that the caller holds open."""
    reads = verb == "put"
    found = os.open(path, (os.O_RDONLY if reads else os.O_WRONLY) | os.O_CLOEXEC)
    os.dup2(found, 0 if reads else 1)
    os.close(found)


def _close_data(verb: str) -> None:
    """Whoever reads or writes the archive must not wait for us."""
    if verb in ("get", "changes", "layer"):
        os.dup2(NOWHERE, 1)
    elif verb == "put":
        os.dup2(NOWHERE, 0)


def main() -> None:
    """`python -c … CONTROL`: the number of the control socket's descriptor."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller's: it closes the socket
    os.umask(0)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for name in ("ascii", "utf-8", "iso8859-1"):
        codecs.lookup(name)
    for name in ("zlib", "bz2", "lzma"):  # of compressed archives
        with suppress(ImportError):
            importlib.import_module(name)
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.meta_path.clear()  # whatever is not loaded by now is not needed
    serve(control)


def _rows(given: list[list[int]], own: str) -> tuple[Row, ...]:
    """From the container's ids to this process's; nothing given: they are the same."""
    if not given:
        return ()
    lines = Path(own).read_text().splitlines()
    rows = [(int(a), int(b), int(n)) for a, b, n in (line.split() for line in lines)]
    return join_maps([(row[0], row[1], row[2]) for row in given], rows)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
