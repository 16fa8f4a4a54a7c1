"""POSIX access lists: what an archive says → what the kernel takes.

What comes in: the kernel's form (acl(5), linux/posix_acl_xattr.h) or text, as tar writes it.
What goes out: the kernel's form, with the ids that a namespace has.
Must never: give a right that the archive does not give; fail because of a name nobody knows.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pyrootless.images.layers.beneath import Beneath

VERSION = 2
UNDEFINED = 0xFFFFFFFF
MAX_BYTES = 1 << 20
"""Of a passwd or group that is looked into."""
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
_TAGS = {"user": (USER_OBJ, USER), "group": (GROUP_OBJ, GROUP)}
_BITS = {"r": 4, "w": 2, "x": 1}

Entry = tuple[int, int, int]
"""Tag, permissions, id (UNDEFINED where there is none)."""
Names = Mapping[str, int]


def parse_binary(value: bytes) -> list[Entry]:
    """The kernel's form.  Raises ValueError."""
    if len(value) < 4 or len(value) % 8 != 4 or struct.unpack_from("<I", value) != (VERSION,):
        raise ValueError("an access list is malformed")
    return [(tag, perm, number) for tag, perm, number in struct.iter_unpack("<HHI", value[4:])]


def parse_text(value: bytes, users: Names, groups: Names) -> list[Entry]:
    """Entries by commas or lines: "user:NAME:rwx", "user:NAME:rwx:ID", "mask::r-x".

    An entry of a name that neither has a number nor is in `users` or `groups` is left out.

    Raises:
        ValueError: It is malformed.
    """
    text = value.decode().replace(",", "\n")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [entry for line in lines if line for entry in _parse_entry(line, users, groups)]


def encode(entries: list[Entry], mapped: Callable[[int, int], tuple[int, int]]) -> bytes:
    """The kernel's form, sorted as it wants them.

    Args:
        entries: As parsed.
        mapped: (user, group) → those that are there; 0 where there is none.
    """
    fitted: dict[tuple[int, int], int] = {}
    for tag, perm, number in entries:
        if tag == USER:
            number = mapped(number, 0)[0]
        elif tag == GROUP:
            number = mapped(0, number)[1]
        # Two ids that are nobody's both: what each of them may.
        fitted[tag, number] = fitted.get((tag, number), 7) & perm
    rows = [struct.pack("<HHI", tag, fitted[tag, n], n) for tag, n in sorted(fitted)]
    return struct.pack("<I", VERSION) + b"".join(rows)


def read_ids(tree: Path, path: bytes) -> dict[str, int]:
    """Names and numbers of a layer's own passwd or group; {} where it has none."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with Beneath(tree) as beneath:
            parent, name = beneath.parent(path)
            descriptor = os.open(name, flags, dir_fd=parent)
        with os.fdopen(descriptor, "rb") as stream:
            plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
            text = stream.read(MAX_BYTES).decode(errors="replace") if plain else ""
    except OSError:
        return {}
    rows = (line.split(":") for line in text.splitlines())
    return {row[0]: int(row[2]) for row in rows if len(row) > 2 and row[2].isdecimal()}


def _parse_entry(line: str, users: Names, groups: Names) -> Iterator[Entry]:
    words = line.split(":")
    if len(words) == 2 and words[0] in ("mask", "other"):  # as Solaris writes them
        words.insert(1, "")
    if len(words) < 3:
        raise ValueError(f"an access list is malformed: {line[:80]!r}")
    kind, name, letters = words[0], words[1], words[2]
    perm = sum(_BITS[letter] for letter in letters if letter in _BITS)
    if kind in ("mask", "other"):
        yield (MASK if kind == "mask" else OTHER), perm, UNDEFINED
        return
    if kind not in _TAGS:
        raise ValueError(f"an access list is malformed: {line[:80]!r}")
    own, named = _TAGS[kind]
    if not name:
        yield own, perm, UNDEFINED
        return
    number = words[3] if len(words) > 3 else name
    known = users if kind == "user" else groups
    found = int(number) if number.isdecimal() else known.get(name)
    if found is not None and found < UNDEFINED:
        yield named, perm, found
