"""Owners that a map of many ids does not have: which ones, and what would bring them.

What comes in: the map of the namespace we are in, owners of a layer's entries.
What goes out: nobody's id in place of one that is not there; a file that tells of it; the words
for a launch template, which end a start.
Must never: make root of an id that is not there; be silent about it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pyrootless.errors import HostUnsupportedError

NOBODY = 65534
"""Whom the kernel shows where an id is not mapped (/proc/sys/kernel/overflowuid)."""
SHOWN_BYTES = 40
"""Of a path in a message of the launcher, which has 224 bytes for all of it."""
FREE_ID = 100_000
"""Subordinate ids begin here (login.defs(5), SUB_UID_MIN)."""
LAST_ID = 2**32 - 2

_Range = tuple[int, int]


class Missing:
    """Ids that were asked for and are not there, while one owners layer is made.

    Attributes:
        uid: The largest user of them; 0: none is missing.
        gid: The largest group of them.
        path: An entry of that user or group.
    """

    def __init__(self, uid: int = 0, gid: int = 0, path: str = "") -> None:
        self.uid, self.gid, self.path = uid, gid, path
        self._uids, self._gids = _ids_here("uid"), _ids_here("gid")

    def mapped(self, uid: int, gid: int, path: bytes) -> tuple[int, int]:
        """The owner that an entry can have: its own, or nobody.

        Raises:
            HostUnsupportedError: Nobody's id is not there either.
        """
        found = (
            uid if _has(self._uids, uid) else NOBODY,
            gid if _has(self._gids, gid) else NOBODY,
        )
        if found == (uid, gid):
            return found
        if found[0] != uid and uid > self.uid or found[1] != gid and gid > self.gid:
            self.path = path.decode(errors="replace")
        self.uid = max(self.uid, uid if found[0] != uid else 0)
        self.gid = max(self.gid, gid if found[1] != gid else 0)
        if not _has(self._uids, found[0]) or not _has(self._gids, found[1]):
            raise HostUnsupportedError(
                f"the image gives {self.path!r} to {uid}:{gid}, an id that your ranges of "
                "subordinate ids do not have",
                check="subordinate-ids",
                remedy="run it with one id: --userns=single; or have an administrator widen "
                "the ranges: usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST USER",
            )
        return found

    def write(self, file: Path) -> None:
        """Tell of them in a file; there is none where nothing is missing.  Raises OSError."""
        if not (self.uid or self.gid):
            file.unlink(missing_ok=True)
        else:
            fresh = file.with_name(f".{file.name}.{os.getpid()}")
            facts = {"uid": self.uid, "gid": self.gid, "path": self.path}
            fresh.write_text(json.dumps(facts))
            fresh.rename(file)


def read_missing(files: Iterable[Path]) -> Missing | None:
    """What is missing of several layers together; None: nothing.

    Raises:
        OSError: A file cannot be read.
        ValueError: It is damaged.
    """
    found: Missing | None = None
    for file in files:
        if not file.exists():
            continue
        try:
            facts = json.loads(file.read_text())
            uid, gid, path = int(facts["uid"]), int(facts["gid"]), str(facts["path"])
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{file} is damaged") from error
        if found is None:
            found = Missing(uid, gid, path)
        found.uid, found.gid = max(found.uid, uid), max(found.gid, gid)
    return found


def tell_missing(
    missing: Missing, have: tuple[int, int], login: str, taken: Sequence[Path] = ()
) -> str:
    """One sentence: whose files there are, and the line that widens the map.

    Args:
        missing: The ids.
        have: How many subordinate users and groups there are.
        login: Whose map it is.
        taken: /etc/subuid and /etc/subgid, in which others have their ranges.
    """
    path = missing.path if len(missing.path) <= SHOWN_BYTES else "…" + missing.path[-39:]
    owner = f"{missing.uid or ''}:{missing.gid or ''}"
    first = _first_free(taken)
    options = [
        f"--add-sub{kind}s {first}-{first + wanted - there - 1}"
        for kind, wanted, there in (
            ("uid", missing.uid, have[0]),
            ("gid", missing.gid, have[1]),
        )
        if wanted and first + wanted - there - 1 <= LAST_ID
    ]
    text = f"the image has files of {owner} (/{path}), beyond your {have[0]} subordinate ids"
    return f"{text}; usermod {' '.join(options)} {login}" if options else text


def _ids_here(kind: str) -> list[_Range]:
    """First and count of the ids that exist where we are."""
    try:
        lines = Path(f"/proc/self/{kind}_map").read_text().splitlines()
    except OSError:
        return [(0, LAST_ID + 1)]
    rows = [line.split() for line in lines]
    return [(int(row[0]), int(row[2])) for row in rows]


def _has(ranges: Iterable[_Range], number: int) -> bool:
    return any(first <= number < first + count for first, count in ranges)


def _first_free(files: Sequence[Path]) -> int:
    """Behind everybody's ranges."""
    end = FREE_ID
    for file in files:
        try:
            lines = file.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for words in (line.split(":") for line in lines):
            if len(words) == 3 and words[1].isdecimal() and words[2].isdecimal():
                end = max(end, int(words[1]) + int(words[2]))
    return end
