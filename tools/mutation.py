"""One safeguard taken away: the edit that does it and the tests that see it.

In: nothing.  Out: the values that *_mutations.py are made of.
Never: a file touched.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement: `old` stands exactly once in `file`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """A safeguard taken away.

    Attributes:
        mechanism: what is taken away, in SECURITY.md's words or near them.
        edits: how.
        tests: tests of which each must fail then.
        root: whether only a caller who is root sees the difference.
        hangs: whether a test may wait for ever then, which is a failure too.
    """

    mechanism: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    root: bool = False
    hangs: bool = False


def one(file: str, old: str, new: str) -> tuple[Edit, ...]:
    return (Edit(file, old, new),)
