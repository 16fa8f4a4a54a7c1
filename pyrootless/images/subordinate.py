"""The caller's subordinate ids: which ids beside its own it may map into a user namespace.

What comes in: `getsubids`, /etc/subuid, /etc/subgid, the map of the namespace we are in.
What goes out: `SubordinateIds`, ranges in the order in which they are mapped.
Must never: fail because of a malformed line; name an id that the caller's own namespace lacks.

Sources: subuid(5), subgid(5), getsubids(1), user_namespaces(7). csrc/userns/subids.c reads the
same for the launcher, which has no interpreter.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

GETSUBIDS = "/usr/bin/getsubids"
GETSUBIDS_TIMEOUT_SECONDS = 20
FILES = ("/etc/subuid", "/etc/subgid")
"""Files whose change makes a template with these annotations stale."""

FIRST_NAMESPACE = 0xEFFFFFFD
"""Inode of the first user namespace (PROC_USER_INIT_INO of the kernel)."""

MAX_RANGES = 338
"""What a map of the kernel takes (340 lines), less the caller's own id and one split range."""

ALL_IDS = 2**32 - 1

Range = tuple[int, int]
"""First id and how many."""


@dataclass(frozen=True, slots=True)
class SubordinateIds:
    """Ranges that the caller may map; () when there are none.

    Attributes:
        uids: First id and count of each range.
        gids: The same for groups.
        lasting: They are right for as long as `FILES` do not change: these files alone grant
            them, and the namespace is the machine's first.
    """

    uids: tuple[Range, ...] = ()
    gids: tuple[Range, ...] = ()
    lasting: bool = field(default=False, compare=False)

    def annotations(self) -> dict[str, str]:
        """What a launch template tells of them; {} unless there are both kinds."""
        if not self.uids or not self.gids:
            return {}
        notes = {
            "io.pyrootless.ids.uids": _text(self.uids),
            "io.pyrootless.ids.gids": _text(self.gids),
        }
        return {**notes, "io.pyrootless.ids.lasting": "1"} if self.lasting else notes


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and where the facts are read.

    Attributes:
        root: The machine's root directory; a test gives a fake one.
        login: Login name; "" when there is none.
        ids: uid and gid.
    """

    root: Path
    login: str
    ids: tuple[int, int]


def this_caller() -> Caller:
    """The user this process runs as."""
    login = ""
    with suppress(KeyError):
        login = pwd.getpwuid(os.getuid()).pw_name
    return Caller(Path("/"), login, (os.getuid(), os.getgid()))


def subordinate_ids(caller: Caller | None = None) -> SubordinateIds:
    """The ranges of this user, by name and by number, several lines in their order.

    Root in a user namespace (inside another container) needs no grant: it has what its
    namespace has, less its own id.

    Args:
        caller: Who asks; None: this process.
    """
    who = this_caller() if caller is None else caller
    named = {kind: _from_getsubids(who, kind) for kind in ("uid", "gid")}
    uids = _ranges(who, "uid", who.ids[0], named["uid"])
    gids = _ranges(who, "gid", who.ids[1], named["gid"])
    return SubordinateIds(uids, gids, lasting=_are_lasting(who, list(named.values())))


def _are_lasting(who: Caller, named: list[list[Range]]) -> bool:
    try:
        first = (who.root / "proc/self/ns/user").stat().st_ino == FIRST_NAMESPACE
    except OSError:
        return False
    files = [_from_file(who, kind) for kind in ("uid", "gid")]
    return first and all(files) and named in (files, [[], []])


def _ranges(who: Caller, kind: str, own: int, named: list[Range]) -> tuple[Range, ...]:
    space = _namespace(who, kind)
    granted = named or _from_file(who, kind)
    if not granted and who.ids[0] == 0 and space != [(0, ALL_IDS)]:
        granted = space
    found: list[Range] = [(own, 1)]
    for first, count in _common(granted, space):
        _add(found, first, first + count)
    return tuple(found[1 : MAX_RANGES + 1])


def _from_getsubids(who: Caller, kind: str) -> list[Range]:
    """What the name service says (LDAP too): lines "0: NAME FIRST COUNT"."""
    program = who.root / GETSUBIDS.lstrip("/")
    if not who.login or not os.access(program, os.X_OK):
        return []
    words = [str(program), *(["-g"] if kind == "gid" else []), who.login]
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=GETSUBIDS_TIMEOUT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return []
    rows = [line.split() for line in done.stdout.splitlines()]
    return _numbers((row[2], row[3]) for row in rows if len(row) == 4)


def _from_file(who: Caller, kind: str) -> list[Range]:
    """Lines "NAME-or-UID:FIRST:COUNT" of /etc/subuid or /etc/subgid."""
    owners = {str(who.ids[0])} | ({who.login} if who.login else set())
    rows = [line.split(":") for line in _read(who.root / f"etc/sub{kind}")]
    return _numbers((row[1], row[2]) for row in rows if len(row) == 3 and row[0] in owners)


def _namespace(who: Caller, kind: str) -> list[Range]:
    """The ids that exist where we are: lines "INSIDE OUTSIDE COUNT"."""
    rows = [line.split() for line in _read(who.root / f"proc/self/{kind}_map")]
    return _numbers((row[0], row[2]) for row in rows if len(row) == 3) or [(0, ALL_IDS)]


def _read(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _numbers(pairs: Iterable[tuple[str, str]]) -> list[Range]:
    """The pairs that are numbers and fit into the ids there are; the others are skipped."""
    good = [
        (int(first), int(count))
        for first, count in pairs
        if all(word.isascii() and word.isdigit() and len(word) < 11 for word in (first, count))
    ]
    return [(first, count) for first, count in good if count and first + count <= ALL_IDS]


def _common(ranges: list[Range], space: list[Range]) -> Iterator[Range]:
    for first, count in ranges:
        for low, length in space:
            begin, end = max(first, low), min(first + count, low + length)
            if begin < end:
                yield begin, end - begin


def _add(found: list[Range], begin: int, end: int) -> None:
    """Append what of begin…end is in no range yet: the kernel maps an id once."""
    for first, count in found:
        if begin < first + count and first < end:
            if begin < first:
                _add(found, begin, first)
            if first + count < end:
                _add(found, first + count, end)
            return
    found.append((begin, end - begin))


def _text(ranges: tuple[Range, ...]) -> str:
    return ",".join(f"{first} {count}" for first, count in ranges)
