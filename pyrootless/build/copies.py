"""COPY and ADD: files of a context, as members below a stage's root.

What comes in: an instruction with its words expanded, the context it reads.
What goes out: a digest of what is to be copied; members with their place, owner and mode.
Must never: write a file; look at the stage's own files but through what it is given.

Source: Dockerfile reference, COPY, ADD; what it leaves open is as BuildKit does it.
"""

from __future__ import annotations

import io
import posixpath
import stat
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, cast

from pyrootless.build import dockerfile as ins
from pyrootless.build.context import (
    Content,
    Context,
    Entry,
    Member,
    digest_members,
    entry_of,
    find_matches,
    no_content,
)
from pyrootless.build.dockerfile import IgnoreRules, ModeChange, PatternError, has_wildcard
from pyrootless.build.metadata import Expander
from pyrootless.errors import IntegrityError, StoreError, UsageError
from pyrootless.images.archive import MAGIC_BYTES, compression_of, plain_chunks

_BLOCK = 512

Look = Callable[[str], int | None]
"""A path of a stage, links followed → its st_mode; None: nothing is there."""


@dataclass(frozen=True, slots=True)
class CopyRules:
    """What an instruction says beside sources and target.

    Attributes:
        target: Absolute; with a "/" at its end it is a directory.
        owner: (uid, gid) of everything; None: as the files say.
        mode: Change of permission bits; None: as the files say.
        parents: Paths are kept from the context's root, or from "/./" on.
        exclude: Files that are left out.
        unpack: Which archives are unpacked: none (COPY), or tar archives (ADD).
        now_ns: Time of directories that are made on the way, since 1970.
    """

    target: str
    owner: tuple[int, int] | None = None
    mode: ModeChange | None = None
    parents: bool = False
    exclude: IgnoreRules = IgnoreRules()
    unpack: bool = False
    now_ns: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """One source that is there.

    Attributes:
        path: In its context.
        entry: What it is.
        kept: With `parents`: where below the target it goes; "": by its own name.
        archive: It is to be unpacked.
    """

    path: str
    entry: Entry
    kept: str = ""
    archive: bool = False


@dataclass(frozen=True, slots=True)
class Copies:
    """What one instruction copies out of one context.

    Attributes:
        context: Where from.
        matches: What.
        rules: How.
    """

    context: Context
    matches: tuple[Match, ...]
    rules: CopyRules

    def digest(self) -> str:
        """Of content, modes and owners, of all but times."""
        return digest_members(self._plain_members())

    def _plain_members(self) -> Iterator[Member]:
        for number, match in enumerate(self.matches):
            top = Entry(f"{number}:{match.path}:{match.kept}", match.entry.mode & stat.S_IFDIR)
            yield top, no_content
            yield from self._members_of(match)

    def _members_of(self, match: Match) -> Iterator[Member]:
        """What lies in a source, by paths from it; "" is the source itself."""
        if match.archive:
            yield from _unpacked(self.context, match.path)
            return
        for entry, content in self.context.walk(match.path):
            below = entry.path[len(match.path) :].lstrip("/") if match.path else entry.path
            shown = below or (posixpath.basename(match.path) if not entry.is_directory else "")
            if shown and self._is_excluded(shown, entry):
                continue
            same = entry.same_as
            if same and match.path and same.startswith(f"{match.path}/"):
                same = same[len(match.path) + 1 :]
            yield self._owned(replace(entry, path=below, same_as=same)), content

    def _is_excluded(self, path: str, entry: Entry) -> bool:
        rules = self.rules.exclude
        if not rules.leaves_out(path):
            return False
        return not entry.is_directory or not rules.may_keep_below(path)

    def _owned(self, entry: Entry) -> Entry:
        rules = self.rules
        if rules.owner is not None:
            entry = replace(entry, uid=rules.owner[0], gid=rules.owner[1])
        if rules.mode is not None and not stat.S_ISLNK(entry.mode):
            mode = stat.S_IFMT(entry.mode) | rules.mode.apply(entry.mode)
            entry = replace(entry, mode=mode)
        return entry

    def place(self, look: Look) -> Iterator[Member]:
        """All members with their place below the stage's root.

        The stage is looked at before this returns, not while members are read.

        Args:
            look: What a path of the stage is, links followed: st_mode; None: nothing.

        Raises:
            UsageError: A directory cannot go where a file is.
        """
        made: set[str] = set()
        target = self.rules.target
        into = target.endswith("/") or len(self.matches) > 1 or self.rules.parents
        old = look(target.rstrip("/") or "/")
        into = into or (old is not None and stat.S_ISDIR(old))
        bare = target.strip("/")
        placed: list[tuple[list[Entry], Match, str, bool]] = []
        for match in self.matches:
            contents = (match.entry.is_directory or match.archive) and not match.kept
            if contents or not into:
                top = bare
            else:
                top = posixpath.join(bare, match.kept or posixpath.basename(match.path))
            folder = top if match.archive else posixpath.dirname(top)
            before = list(self.missing(folder, look, made))
            mode = look(f"/{top}")
            stays = top in made or not top or (mode is not None and stat.S_ISDIR(mode))
            if match.entry.is_directory:
                made.add(top)
            placed.append((before, match, top, stays))
        return self._placed(placed)

    def _placed(self, placed: list[tuple[list[Entry], Match, str, bool]]) -> Iterator[Member]:
        """The top directory of a source that is there already stays as it is."""
        for before, match, top, stays in placed:
            for entry in before:
                yield entry, no_content
            for entry, content in self._members_of(match):
                if entry.is_directory and not entry.path and stays:
                    continue
                path = posixpath.join(top, entry.path) if entry.path else top
                same = posixpath.join(top, entry.same_as) if entry.same_as else ""
                yield replace(entry, path=path, same_as=same), content

    def missing(self, folder: str, look: Look, made: set[str] | None = None) -> Iterator[Entry]:
        """Directories on the way that are not there.  Raises UsageError, as `place`."""
        made = set() if made is None else made
        parts = folder.split("/") if folder else []
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            if path in made:
                continue
            made.add(path)
            old = look(f"/{path}")
            if old is None:
                uid, gid = self.rules.owner or (0, 0)
                yield Entry(path, stat.S_IFDIR | 0o755, 0, self.rules.now_ns, uid, gid)
            elif not stat.S_ISDIR(old):
                raise UsageError(f"/{path} is no directory: nothing can be copied into it")


def find_copies(context: Context, sources: Sequence[str], rules: CopyRules) -> Copies:
    """Look the sources of an instruction up.

    Raises:
        UsageError: One is not there, or malformed; the text names it.
    """
    matches: list[Match] = []
    for source in sources:
        pivot, kept = _split_pivot(source) if rules.parents else ("", "")
        try:
            found = find_matches(context, source.replace("/./", "/"))
        except PatternError as error:
            raise UsageError(f"{source[:80]}: {error}") from None
        if not found and not has_wildcard(source):
            raise UsageError(f'"/{source.strip("/")}" is not in the context')
        for path in found:
            entry = context.look(path)
            if entry is None:
                continue
            below = path[len(pivot) :].lstrip("/") if rules.parents else ""
            archive = rules.unpack and stat.S_ISREG(entry.mode) and _is_archive(context, path)
            matches.append(Match(path, entry, below, archive))
        if not found:
            raise UsageError(f'nothing in the context fits "{source}"')
    return Copies(context, tuple(matches), rules)


def _split_pivot(source: str) -> tuple[str, str]:
    """(what is cut off, what stays) at "/./"."""
    head, middle, tail = source.partition("/./")
    return (head.strip("/"), tail) if middle else ("", source)


def _is_archive(context: Context, path: str) -> bool:
    """Whether a file is a tar archive, compressed or not."""
    for _, content in context.walk(path):
        chunks = content()
        stream = _Chunks(chunks)
        try:
            head = stream.peek(MAGIC_BYTES)
            plain = _Chunks(plain_chunks(stream, compression_of(head)))
            block = plain.read(_BLOCK)
            tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, IntegrityError, StoreError, EOFError, OSError, ValueError):
            return False
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return block != bytes(_BLOCK)
    return False


def _unpacked(context: Context, path: str) -> Iterator[Member]:
    """The members of an archive."""
    for _, content in context.walk(path):
        stream = _Chunks(content())
        plain = _Chunks(plain_chunks(stream, compression_of(stream.peek(MAGIC_BYTES))))
        source = cast("io.BufferedReader", plain)
        with tarfile.open(fileobj=source, mode="r|", errors="surrogateescape") as archive:
            for info in archive:
                archive.members = []  # type: ignore[attr-defined]
                name = posixpath.normpath(info.name).lstrip("/")
                entry = entry_of(info, "" if name == "." else name)
                file = archive.extractfile(info) if info.isreg() else None
                yield entry, _file_content(file)
        return


def _file_content(file: IO[bytes] | None) -> Content:
    def content() -> Iterator[bytes]:
        while file is not None and (data := file.read(1 << 18)):
            yield data

    return content


class _Chunks:
    """Chunks as a file that is read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""

    def peek(self, count: int) -> bytes:
        """The next bytes, which stay."""
        while len(self._held) < count:
            more = next(self._chunks, b"")
            if not more:
                break
            self._held += more
        return self._held[:count]

    def read(self, size: int = -1, /) -> bytes:
        """As a file's."""
        if size is None or size < 0:
            whole = self._held + b"".join(self._chunks)
            self._held = b""
            return whole
        data = self.peek(size)
        self._held = self._held[len(data) :]
        return data


class Nothing:
    """A context without files."""

    def look(self, path: str) -> Entry | None:
        return None

    def names(self, path: str) -> list[str]:
        return []

    def walk(self, path: str) -> Iterator[Member]:
        return iter(())


class _Texts:
    """Texts as files: here-documents."""

    def __init__(self, texts: dict[str, bytes], mtime_ns: int) -> None:
        self._texts = texts
        self._mtime_ns = mtime_ns

    def look(self, path: str) -> Entry | None:
        data = self._texts.get(path)
        if data is None:
            return None
        return Entry(path, stat.S_IFREG | 0o644, len(data), self._mtime_ns)

    def names(self, path: str) -> list[str]:
        return sorted(self._texts) if not path else []

    def walk(self, path: str) -> Iterator[Member]:
        entry = self.look(path)
        if entry is not None:
            yield entry, self._content(path)

    def _content(self, path: str) -> Content:
        return lambda: iter([self._texts[path]])


def documents(step: ins.Copy, rules: CopyRules, words: Expander, now_ns: int) -> Copies:
    texts = {}
    for doc in step.heredocs:
        text = words.document(doc.text) if doc.expands else doc.text
        texts[doc.name] = text.encode("utf-8", "surrogateescape")
    context = _Texts(texts, now_ns)
    matches = [Match(name, entry) for name in texts if (entry := context.look(name))]
    return Copies(context, tuple(matches), replace(rules, unpack=False))


def directories(path: str, rules: CopyRules, look: Look) -> Iterator[Member]:
    """A directory and those above it that are missing."""
    found = list(Copies(Nothing(), (), rules).missing(path.strip("/"), look))
    return ((entry, no_content) for entry in found)
