"""The members of a tar archive of images: which there are and where each lies.

What comes in: a seekable file with a plain tar archive.
What goes out: `Member` values by clean name; nothing is unpacked.
Must never: believe a name (one that leads out of the archive is refused), keep two members of
one name, read more than a header's worth into memory.

Layers are other tar archives inside this one and go to the unpacker; here are only the few
kinds of member an archive of images has: files, directories, links from one file to another.
Source of the format: POSIX.1-2017, pax, "ustar Interchange Format"; tar(5) for GNU's.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Literal

from pyrootless.errors import IntegrityError

BLOCK_BYTES = 512
MAX_MEMBERS = 100_000
MAX_EXTENSION_BYTES = 64 * 1024
MAX_EXTENSIONS_BYTES = 32 << 20
"""Of one header that says more about a member, and of all of an archive."""
MAX_HEADERS = 3 * MAX_MEMBERS
"""Members, those that come again, and what says more about them."""
MAX_LENGTH_DIGITS = 8
MAX_LINKS = 8

Kind = Literal["file", "directory", "link"]

_NO_ARCHIVE = (
    "give what `docker save` or `pyrootless save` wrote; a root file system's tar archive is "
    "for: pyrootless import FILE NAME"
)
_FILES = (b"0", b"\0", b"7")
_LINKS = (b"1", b"2")
_NO_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")
_OVERRIDES = {b"L": "path", b"K": "linkpath"}


@dataclass(frozen=True, slots=True)
class Member:
    """One member.

    Attributes:
        kind: What it is.
        offset: Where its content begins, in bytes from the begin of the archive.
        size_bytes: Of its content.
        target: For a link: the clean name of the member it stands for; else "".
    """

    kind: Kind
    offset: int
    size_bytes: int
    target: str = ""


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    kind: bytes
    size_bytes: int
    link: str
    data_at: int

    @property
    def next_at(self) -> int:
        """Where the next header begins."""
        size = 0 if self.kind in _NO_DATA else self.size_bytes
        return self.data_at + -(-size // BLOCK_BYTES) * BLOCK_BYTES


def read_members(stream: BinaryIO, start: int = 0) -> dict[str, Member]:
    """Every member by its clean name ("./a//b" is "a/b").

    Args:
        stream: Seekable; its position afterwards is anywhere.
        start: Where the archive begins in it, in bytes.

    Raises:
        IntegrityError: Not a tar archive, cut off, a name or link that leads out, a name twice,
            a device or FIFO, too many members.
    """
    members: dict[str, Member] = {}
    for header in _members_of(stream, start):
        name = clean_name(header.name)
        member = _member(name, header)
        if not name or (member.kind == "directory" and members.get(name) == member):
            continue
        if name in members:
            raise IntegrityError(f"the archive has two members named {name!r}")
        if len(members) == MAX_MEMBERS:
            raise IntegrityError(f"the archive has more than {MAX_MEMBERS} members")
        members[name] = member
    return members


def clean_name(name: str) -> str:
    """A member's name without "." and empty parts; "" for the root itself.

    Raises:
        IntegrityError: It is absolute, has a ".." in it, or a NUL.
    """
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise IntegrityError(f"a member's name leads out of the archive: {name!r}")
    return "/".join(part for part in parts if part not in ("", "."))


def follow_links(members: Mapping[str, Member], name: str) -> Member | None:
    """The file a name means, over links; None when there is no such file.

    Raises:
        IntegrityError: The links lead in a circle.
    """
    for _ in range(MAX_LINKS):
        member = members.get(name)
        if member is None or member.kind != "link":
            return member if member is not None and member.kind == "file" else None
        name = member.target
    raise IntegrityError(f"links of the archive lead in a circle at {name!r}")


def _member(name: str, header: _Header) -> Member:
    if header.kind in _FILES and not header.name.endswith("/"):
        return Member("file", header.data_at, header.size_bytes)
    if header.kind in (*_FILES, b"5"):
        return Member("directory", 0, 0)
    if header.kind in _LINKS:
        return Member("link", 0, 0, _target(name, header))
    raise IntegrityError(
        f"{name!r} in the archive is neither file, directory nor link (type {header.kind!r})"
    )


def _target(name: str, header: _Header) -> str:
    """A symbolic link counts from its own directory, a hard link from the archive's root."""
    base = posixpath.dirname(name) if header.kind == b"2" else ""
    joined = posixpath.normpath(posixpath.join(base, header.link))
    if not header.link or joined.startswith("/") or joined.split("/")[0] == "..":
        raise IntegrityError(f"the link {name!r} leads out of the archive, to {header.link!r}")
    return joined


def _members_of(stream: BinaryIO, start: int) -> Iterator[_Header]:
    """Headers of real members, with what long-name and pax headers say put into them."""
    length = stream.seek(0, 2)
    position = start
    overrides: dict[str, str] = {}
    headers = extensions_bytes = 0
    if not _is_header(stream, start):
        raise IntegrityError("this is no tar archive", remedy=_NO_ARCHIVE)
    while (header := _read_header(stream, position)) is not None:
        extension = header.kind in (*_OVERRIDES, b"x", b"g")
        if not extension:
            header = _overridden(header, overrides)
        position = header.next_at
        headers += 1
        if headers > MAX_HEADERS or extensions_bytes > MAX_EXTENSIONS_BYTES:
            raise IntegrityError("the archive has more headers than any archive of images")
        if header.kind not in _NO_DATA and header.data_at + header.size_bytes > length:
            raise IntegrityError("the archive is cut off in the middle of a member")
        if extension:
            extensions_bytes += header.size_bytes
            overrides |= _read_extension(stream, header)
        else:
            overrides = {}
            yield header


def _is_header(stream: BinaryIO, position: int) -> bool:
    stream.seek(position)
    block = stream.read(BLOCK_BYTES)
    if len(block) < BLOCK_BYTES:
        return False
    return block == bytes(BLOCK_BYTES) or _checksum_holds(block)


def _checksum_holds(block: bytes) -> bool:
    try:
        return _number(block[148:156]) == _checksum(block)
    except IntegrityError:
        return False


def _read_header(stream: BinaryIO, position: int) -> _Header | None:
    """The header at a position; None at the mark of the end."""
    stream.seek(position)
    block = stream.read(BLOCK_BYTES)
    if len(block) < BLOCK_BYTES:
        raise IntegrityError("the archive is cut off, or is not a tar archive")
    if block == bytes(BLOCK_BYTES):
        return None
    if not _checksum_holds(block):
        raise IntegrityError(f"no tar header at byte {position}: its checksum is wrong")
    name, link = _text(block[:100]), _text(block[157:257])
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return _Header(
        name=f"{prefix}/{name}" if prefix else name,
        kind=block[156:157],
        size_bytes=_number(block[124:136]),
        link=link,
        data_at=position + BLOCK_BYTES,
    )


def _overridden(header: _Header, overrides: Mapping[str, str]) -> _Header:
    size = overrides.get("size", str(header.size_bytes))
    if not (size.isascii() and size.isdigit()) or len(size) > 18:
        raise IntegrityError(f"a member's size is no number: {size[:40]!r}")
    return _Header(
        name=overrides.get("path", header.name),
        kind=header.kind,
        size_bytes=int(size),
        link=overrides.get("linkpath", header.link),
        data_at=header.data_at,
    )


def _read_extension(stream: BinaryIO, header: _Header) -> dict[str, str]:
    """What a long-name header or a pax header says about the next member; a global one: {}."""
    if header.size_bytes > MAX_EXTENSION_BYTES:
        raise IntegrityError(
            f"a header of {header.size_bytes} bytes in the archive is too long"
        )
    stream.seek(header.data_at)
    data = stream.read(header.size_bytes)
    if header.kind in _OVERRIDES:
        return {_OVERRIDES[header.kind]: _text(data)}
    return _parse_pax(data) if header.kind == b"x" else {}


def _parse_pax(data: bytes) -> dict[str, str]:
    """Records "LENGTH KEY=VALUE\\n", LENGTH counting all of it."""
    found = {}
    at = 0
    while at < len(data):
        digits = data[at : at + MAX_LENGTH_DIGITS + 1].partition(b" ")[0]
        short = digits.isdigit() and len(digits) <= MAX_LENGTH_DIGITS
        end = at + (int(digits) if short else 0)
        record = data[at + len(digits) + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if end > len(data) or not equals or record[-1:] != b"\n":
            raise IntegrityError("a pax header of the archive is malformed")
        found[key.decode(errors="surrogateescape")] = value.decode(errors="surrogateescape")
        at = end
    return found


def _number(field: bytes) -> int:
    """Octal digits, or GNU's form for large numbers (first bit set, then big-endian)."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    text = field.split(b"\0")[0].strip()
    try:
        return int(text, 8) if text else 0
    except ValueError:
        raise IntegrityError(f"a number in a tar header is malformed: {field!r}") from None


def _checksum(block: bytes) -> int:
    """Sum of all bytes, those of the checksum itself counted as blanks."""
    return sum(block) - sum(block[148:156]) + 8 * ord(" ")


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode(errors="surrogateescape")
