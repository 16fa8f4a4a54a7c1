"""The user an image runs as: names of its own passwd and group → numbers.

What comes in: "USER[:GROUP]" of an image's configuration, and the image's layers.
What goes out: `User`: ids, further groups and a home.
Must never: ask the host's users, read a file that is no plain file or larger than 1 MiB.

The rules are docker's: a user that is a number needs no entry (its group is then 0 and its home
"/"); a name must have one; a user by name or number with an entry is also in the groups that
list its name, unless a group was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyrootless.errors import IntegrityError
from pyrootless.images.layers import read_merged

MAX_FILE_BYTES = 1 << 20
MAX_ID = 2**31 - 1
MAX_GROUPS = 65536
"""NGROUPS_MAX of Linux."""


@dataclass(frozen=True, slots=True)
class User:
    """Who a program runs as.

    Attributes:
        uid: In the container.
        gid: In the container.
        groups: Further groups, sorted.
        home: Absolute.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


@dataclass(frozen=True, slots=True)
class _Account:
    name: str
    uid: int
    gid: int
    home: str


def resolve_user(text: str, trees: Sequence[Path]) -> User:
    """Who "USER[:GROUP]" is in an image.

    Args:
        text: "" is root.
        trees: The layers' directories, top-most first.

    Raises:
        IntegrityError: The image has no such name, or its passwd or group is not a plain file.
    """
    user, _, group = text.partition(":")
    account = _account(user or "0", trees)
    if group:
        return User(account.uid, _group_id(group, trees), (), account.home)
    return User(account.uid, account.gid, _groups_of(account, trees), account.home)


def _account(user: str, trees: Sequence[Path]) -> _Account:
    number = _id(user)
    for fields in _lines("etc/passwd", trees, needed=number is None):
        uid, gid = _id(fields[2]), _id(fields[3]) if len(fields) > 3 else None
        if uid is None or gid is None or (uid != number and fields[0] != user):
            continue
        home = fields[5] if len(fields) > 5 and fields[5].startswith("/") else "/"
        return _Account(fields[0], uid, gid, home)
    if number is None:
        raise IntegrityError(
            f'the image runs as user "{user[:80]}", whom its etc/passwd does not have',
            remedy="choose another user: pyrootless run -u 0 …",
        )
    return _Account("", number, 0, "/")


def _group_id(group: str, trees: Sequence[Path]) -> int:
    number = _id(group)
    if number is not None:
        return number
    for fields in _lines("etc/group", trees, needed=True):
        gid = _id(fields[2])
        if fields[0] == group and gid is not None:
            return gid
    raise IntegrityError(
        f'the image runs as group "{group[:80]}", which its etc/group does not have',
        remedy="choose user and group: pyrootless run -u 0:0 …",
    )


def _groups_of(account: _Account, trees: Sequence[Path]) -> tuple[int, ...]:
    found = set()
    lines = _lines("etc/group", trees, needed=False) if account.name else iter(())
    for fields in lines:
        gid = _id(fields[2])
        if gid is not None and len(fields) > 3 and account.name in fields[3].split(","):
            found.add(gid)
    return tuple(sorted(found - {account.gid}))[:MAX_GROUPS]


def _id(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        return None
    return int(text) if int(text) <= MAX_ID else None


def _lines(path: str, trees: Sequence[Path], *, needed: bool) -> Iterator[list[str]]:
    """Lines of three fields at least; none when the image has no such file.

    A file that cannot be used is an error where a name must be found in it.
    """
    try:
        data = read_merged(trees, path, MAX_FILE_BYTES)
    except OSError as error:
        if not needed:
            return
        raise IntegrityError(
            f"the image's /{path} cannot be used: {error.strerror}",
            remedy="name the user by numbers: pyrootless run -u 0:0 …",
        ) from error
    for line in (data or b"").decode(errors="surrogateescape").split("\n"):
        fields = line.strip().split(":")
        if len(fields) > 2:
            yield fields
