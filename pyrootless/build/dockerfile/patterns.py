"""Patterns of file names: `COPY *.go`, `--exclude=**/*.md`, lines of .dockerignore.

What comes in: a pattern.  What goes out: what tells whether a path fits.
Must never: open a file.

Source: Go, path/filepath.Match (* ? [a-z] [^a] and \\); Dockerfile reference, "**" for any
number of directories.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_LETTERS = 4096


class PatternError(ValueError):
    """A pattern without meaning; the sentence says why."""


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A regular expression that a whole path fits: "a/*.c", "**/x", "[a-z]?".

    Args:
        pattern: Relative, its parts joined by "/".

    Raises:
        PatternError: A bracket or escape does not end.
    """
    if len(pattern) > MAX_LETTERS:
        raise PatternError(f"a pattern of more than {MAX_LETTERS} letters")
    found, at = [], 0
    while at < len(pattern):
        letter = pattern[at]
        if pattern.startswith("**", at):
            part, at = _stars(pattern, at)
            found.append(part)
        elif letter == "*":
            found.append("[^/]*")
            at += 1
        elif letter == "?":
            found.append("[^/]")
            at += 1
        elif letter == "[":
            part, at = _bracket(pattern, at)
            found.append(part)
        elif letter == "\\":
            if at + 1 == len(pattern):
                raise PatternError(f'"{pattern}" ends with an escape')
            found.append(re.escape(pattern[at + 1]))
            at += 2
        else:
            found.append(re.escape(letter))
            at += 1
    return re.compile("".join(found), re.DOTALL)


def has_wildcard(text: str) -> bool:
    """Whether a source is a pattern and not a name."""
    return any(letter in text for letter in "*?[\\")


def _stars(pattern: str, at: int) -> tuple[str, int]:
    """ "**": any number of directories; at the end, anything."""
    at += 2
    while pattern.startswith("*", at):
        at += 1
    if at == len(pattern):
        return ".*", at
    if pattern[at] == "/":
        return "(?:.*/)?", at + 1
    return ".*", at


def _bracket(pattern: str, at: int) -> tuple[str, int]:
    """ "[a-z]", "[^ab]"; a letter may be escaped."""
    start = at
    at += 1
    negated = pattern[at : at + 1] == "^"
    at += negated
    parts: list[str] = []
    while pattern[at : at + 1] != "]" or not parts:
        low, at = _letter(pattern, at, start)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _letter(pattern, at + 1, start)
        if low > high:
            raise PatternError(f'"{pattern[start:at]}": {low} comes after {high}')
        parts.append(f"{re.escape(low)}-{re.escape(high)}")
    inside = "".join(parts)
    return (f"[^/{inside}]" if negated else f"(?!/)[{inside}]"), at + 1


def _letter(pattern: str, at: int, start: int) -> tuple[str, int]:
    letter = pattern[at : at + 1]
    if letter == "\\":
        at += 1
        letter = pattern[at : at + 1]
    elif letter in ("-", "]"):
        letter = ""
    if not letter:
        raise PatternError(f'"{pattern[start:]}": the bracket does not end')
    return letter, at + 1
