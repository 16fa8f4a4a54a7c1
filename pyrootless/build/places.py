"""What a person calls a context → its files and its Dockerfile.

What comes in: a directory, "-" with its stream, a URL of an archive or a Git repository.
What goes out: the Dockerfile's text, and a `Context` without what .dockerignore leaves out.
Must never: unpack outside the directory it is given; run anything of a repository.

Source: docker-build(1), "Build context"; Dockerfile reference, ".dockerignore file".
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from pyrootless.build.context import Context, DirectoryContext
from pyrootless.build.dockerfile import IgnoreRules, PatternError, parse_ignore
from pyrootless.build.remote import clone, download, is_git, is_remote
from pyrootless.engine.files import ArchiveError, Extractor, Root, open_below
from pyrootless.errors import UsageError
from pyrootless.images.archive import MAGIC_BYTES, Prefixed, compression_of, plain_chunks
from pyrootless.images.store import Store

NAMES = ("Dockerfile", "Containerfile")
_IGNORE = ".dockerignore"
_MAX_BYTES = 16 << 20
_BLOCK = 512
_ZEROS = bytes(_BLOCK)


@dataclass(frozen=True, slots=True)
class Opened:
    """A context that is open.

    Attributes:
        dockerfile: Its text.
        name: Of the Dockerfile, for messages.
        context: The files.
    """

    dockerfile: str
    name: str
    context: Context


@contextmanager
def open_place(
    store: Store, place: str, file: str | None, stdin: BinaryIO | None = None
) -> Iterator[Opened]:
    """Open what a person calls a context.

    Args:
        store: Archives and repositories are unpacked below it meanwhile.
        place: A directory; "-"; a URL.
        file: The Dockerfile: a path of this machine for a directory, in the context for others;
            "-": `stdin`; None: Dockerfile or Containerfile in the context.
        stdin: What "-" stands for.

    Raises:
        UsageError: There is none, or no Dockerfile in it.
        RegistryError: It cannot be fetched.
    """
    if place == "-" and file == "-":
        raise UsageError("context and Dockerfile cannot both be standard input")
    if place == "-" and stdin is not None:
        head, stream = _peek(stdin)
        if not _is_archive(head):
            yield Opened(_decode(head + stream.read(), "-"), "-", _empty(store))
            return
        with store.scratch() as work:
            _unpack(stream, work)
            yield _in_directory(work, file, stdin, inside=True)
        return
    if is_remote(place):
        with store.scratch() as work:
            yield _in_directory(_fetch(place, work), file, stdin, inside=True)
        return
    yield _in_directory(Path(place), file, stdin, inside=False)


def open_directory(directory: Path) -> DirectoryContext:
    """A named context, with its own .dockerignore.  Raises StoreError, UsageError."""
    bare = DirectoryContext.open(directory)
    text = _read_inside(bare.root, _IGNORE)
    return DirectoryContext(bare.root, _rules(text or "", _IGNORE))


def _in_directory(
    directory: Path, file: str | None, stdin: BinaryIO | None, *, inside: bool
) -> Opened:
    bare = DirectoryContext.open(directory)
    if file == "-" and stdin is not None:
        text, name, ignore = _decode(stdin.read(), "-"), "-", None
    elif file is None or inside:
        text, name = _find_dockerfile(bare.root, directory, file)
        ignore = _read_inside(bare.root, f"{name}{_IGNORE}")
    else:
        text, name = _read(Path(file)), file
        beside = Path(f"{file}{_IGNORE}")
        ignore = _read(beside) if beside.is_file() else None
    if ignore is None:
        ignore = _read_inside(bare.root, _IGNORE) or ""
    return Opened(text, name, DirectoryContext(bare.root, _rules(ignore, _IGNORE)))


def _find_dockerfile(root: Root, directory: Path, file: str | None) -> tuple[str, str]:
    for name in [file] if file else NAMES:
        found = _read_inside(root, name)
        if found is not None:
            return found, name
    wanted = file or " or ".join(NAMES)
    raise UsageError(
        f"there is no {wanted} in {directory}",
        remedy="name it: pyrootless build -f FILE DIR; or read it: pyrootless build -f - DIR",
    )


def _rules(text: str, name: str) -> IgnoreRules:
    try:
        return parse_ignore(text)
    except PatternError as error:
        raise UsageError(f"{name}: {error}") from None


def _read(path: Path) -> str:
    try:
        return _decode(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _read_inside(root: Root, name: str) -> str | None:
    """A file of the context, by links inside of it alone; None: there is none."""
    with suppress(FileNotFoundError, NotADirectoryError):
        found = root.open(os.fsencode(name))
        try:
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            with open(
                f"/proc/self/fd/{found}", "rb", opener=lambda p, _: os.open(p, flags)
            ) as f:
                return _decode(f.read(_MAX_BYTES + 1), name)
        except OSError as error:
            raise UsageError(f"cannot read {name}: {error.strerror}") from error
        finally:
            os.close(found)
    return None


def _decode(data: bytes, name: str) -> str:
    if len(data) > _MAX_BYTES:
        raise UsageError(f"{name} has more than {_MAX_BYTES >> 20} MiB")
    return data.decode("utf-8", "surrogateescape")


def _empty(store: Store) -> Context:
    """A context without files."""
    with store.scratch() as work:
        return DirectoryContext.open(work)


def _peek(stream: BinaryIO) -> tuple[bytes, Prefixed]:
    head = b""
    while len(head) < _BLOCK and (data := stream.read(_BLOCK - len(head))):
        head += data
    if _is_archive(head):
        return head, Prefixed(head, stream)
    return head, Prefixed(b"", stream)


def _is_archive(head: bytes) -> bool:
    if compression_of(head[:MAGIC_BYTES]):
        return True
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return head != _ZEROS


class _PlainFile:
    """Plain bytes of a compressed stream, as a file."""

    def __init__(self, stream: Prefixed) -> None:
        head = stream.read(_BLOCK)
        again = Prefixed(head, cast(BinaryIO, stream))
        self._chunks = plain_chunks(again, compression_of(head[:MAGIC_BYTES]))
        self._held = b""

    def read(self, size: int) -> bytes:
        """As a file's."""
        while len(self._held) < size and (more := next(self._chunks, b"")):
            self._held += more
        data, self._held = self._held[:size], self._held[size:]
        return data


def _unpack(stream: Prefixed, work: Path) -> None:
    """An archive below a directory, as its files are the caller's."""
    base = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        extractor = Extractor(lambda folder: open_below(base, folder))
        extractor.run(cast("IO[bytes]", _PlainFile(stream)))
    except ArchiveError as error:
        raise UsageError(f"the context: {error}") from error
    finally:
        os.close(base)


def _fetch(place: str, work: Path) -> Path:
    if is_git(place):
        return clone(place, work / "git")
    download(place, work / "archive", "")
    with (work / "archive").open("rb") as stream:
        head, rest = _peek(stream)
        (work / "files").mkdir()
        if _is_archive(head):
            _unpack(rest, work / "files")
        else:
            (work / "files" / NAMES[0]).write_bytes(head + rest.read())
    return work / "files"
