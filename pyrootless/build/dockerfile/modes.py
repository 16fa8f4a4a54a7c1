"""`--chmod`: permission bits by number or in the words of chmod(1).

What comes in: "0755", "u=rwX,go=rX".  What goes out: bits changed.
Must never: touch a file.

Source: POSIX.1-2017, chmod, "Extended Description".
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass

from pyrootless.errors import UsageError

_OCTAL = re.compile(r"[0-7]{1,4}")
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXst]*|[-+=][ugo])+)")
_ACTION = re.compile(r"([-+=])([rwxXst]*|[ugo])")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}


@dataclass(frozen=True, slots=True)
class ModeChange:
    """A change.

    Attributes:
        bits: All of them; None: `clauses` say.
        clauses: (who, operator, permissions).
    """

    bits: int | None
    clauses: tuple[tuple[str, str, str], ...] = ()

    def apply(self, mode: int) -> int:
        """The permission bits of a file that has this st_mode."""
        if self.bits is not None:
            return self.bits
        found = stat.S_IMODE(mode)
        for who, operator, permissions in self.clauses:
            found = _apply(found, stat.S_ISDIR(mode), who, operator, permissions)
        return found


def parse_mode(text: str) -> ModeChange:
    """What `--chmod` means.

    Raises:
        UsageError: It is neither a number nor chmod's words.
    """
    if _OCTAL.fullmatch(text):
        return ModeChange(int(text, 8))
    clauses: list[tuple[str, str, str]] = []
    for part in text.split(","):
        match = _CLAUSE.fullmatch(part)
        if match is None:
            raise UsageError(f'--chmod={text[:40]}: write 0755, or words as "u=rwX,go=rX"')
        who = "".join(dict.fromkeys(match[1].replace("a", "ugo"))) or "ugo"
        clauses += [(who, op, what) for op, what in _ACTION.findall(match[2])]
    return ModeChange(None, tuple(clauses))


def _apply(mode: int, is_directory: bool, who: str, operator: str, permissions: str) -> int:
    wanted = cleared = 0
    for letter in who:
        shift = _SHIFTS[letter]
        cleared |= 7 << shift
        wanted |= _bits(mode, is_directory, permissions) << shift
    special = _special(who, permissions)
    if operator == "+":
        return mode | wanted | special
    if operator == "-":
        return mode & ~(wanted | special)
    if not is_directory:
        cleared |= (stat.S_ISUID if "u" in who else 0) | (stat.S_ISGID if "g" in who else 0)
    return mode & ~cleared | wanted | special


def _bits(mode: int, is_directory: bool, permissions: str) -> int:
    if permissions in _SHIFTS:
        return mode >> _SHIFTS[permissions] & 7
    found = sum(_BITS[letter] for letter in set(permissions) & set(_BITS))
    if "X" in permissions and (is_directory or mode & 0o111):
        found |= 1
    return found


def _special(who: str, permissions: str) -> int:
    found = stat.S_ISVTX if "t" in permissions else 0
    if "s" in permissions:
        found |= (stat.S_ISUID if "u" in who else 0) | (stat.S_ISGID if "g" in who else 0)
    return found
