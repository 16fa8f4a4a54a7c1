"""Checkers: is this output the right answer?

What comes in: what the program wrote, what was expected, a kind with its numbers.
What goes out: a Finding: right or not, and where the first difference is.
Must never: run anything (a `program` checker is run by the judge, boxed), decode bytes, take
longer than the outputs are long.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from pyrootless.errors import UsageError

Kind = Literal["exact", "lines", "tokens", "unordered", "float", "program"]
SHOWN_BYTES = 60
"""Of a line or word in a Finding's text."""
_DECIMAL = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?")


@dataclass(frozen=True, slots=True)
class Check:
    """How answers of a test are compared.

    Attributes:
        kind: "exact": byte for byte. "lines": line for line, without the white space at ends of
            lines and without empty lines at the end. "tokens": word for word, whatever the
            white space. "unordered": the same lines in any order. "float": as tokens, numbers
            by their value. "program": a checker program decides.
        absolute, relative: "float": the larger of `absolute` and `relative` times the expected
            number is how far one may be off.
        program: "program": the checker's source or executable, below the task's folder.
    """

    kind: Kind = "tokens"
    absolute: float = 0.0
    relative: float = 0.0
    program: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a checker found.

    Attributes:
        accepted: The answer is right.
        text: Where it differs, for a person; "" when it is right.
    """

    accepted: bool
    text: str = ""


RIGHT = Finding(True)


def compare(check: Check, actual: bytes, expected: bytes) -> Finding:
    """Compare an output with the expected one.

    Raises:
        UsageError: The kind is "program", which is run and not compared.
    """
    if check.kind == "float":
        return _floats(actual.split(), expected.split(), check)
    comparer = _COMPARERS.get(check.kind)
    if comparer is None:
        raise UsageError(f'a checker of kind "{check.kind}" compares nothing by itself')
    return comparer(actual, expected)


def _exact(actual: bytes, expected: bytes) -> Finding:
    if actual == expected:
        return RIGHT
    at = next(
        (i for i, (a, b) in enumerate(zip(actual, expected, strict=False)) if a != b),
        min(len(actual), len(expected)),
    )
    line = expected.count(b"\n", 0, at) + 1
    return Finding(
        False, f"byte {at + 1} (line {line}) differs; {len(actual)} bytes, not {len(expected)}"
    )


def _lines(actual: bytes, expected: bytes) -> Finding:
    return _sequences(_trimmed(actual), _trimmed(expected), "line")


def _tokens(actual: bytes, expected: bytes) -> Finding:
    return _sequences(actual.split(), expected.split(), "word")


def _unordered(actual: bytes, expected: bytes) -> Finding:
    ours, theirs = Counter(_trimmed(actual)), Counter(_trimmed(expected))
    if ours == theirs:
        return RIGHT
    missing = next(iter(theirs - ours), None)
    if missing is not None:
        return Finding(False, f"the line {_shown(missing)} is missing")
    return Finding(False, f"the line {_shown(next(iter(ours - theirs)))} is one too many")


def _floats(actual: list[bytes], expected: list[bytes], check: Check) -> Finding:
    for number, (ours, theirs) in enumerate(zip_longest(actual, expected), start=1):
        if ours is None or theirs is None or not _near(ours, theirs, check):
            return _difference("word", number, ours, theirs)
    return RIGHT


def _near(ours: bytes, theirs: bytes, check: Check) -> bool:
    """Equal words, or two decimal numbers near each other; "nan" and "inf" are words."""
    if ours == theirs:
        return True
    if not (_DECIMAL.fullmatch(ours) and _DECIMAL.fullmatch(theirs)):
        return False
    wanted = float(theirs)
    return abs(float(ours) - wanted) <= max(check.absolute, check.relative * abs(wanted))


def _sequences(actual: list[bytes], expected: list[bytes], word: str) -> Finding:
    if actual == expected:
        return RIGHT
    pairs = enumerate(zip_longest(actual, expected), start=1)
    number, (ours, theirs) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
    return _difference(word, number, ours, theirs)


def _difference(word: str, number: int, ours: bytes | None, theirs: bytes | None) -> Finding:
    if ours is None:
        return Finding(False, f"it ends before {word} {number}: {_shown(theirs or b'')}")
    if theirs is None:
        return Finding(False, f"{word} {number} is one too many: {_shown(ours)}")
    return Finding(False, f"{word} {number} is {_shown(ours)}, not {_shown(theirs)}")


def _trimmed(data: bytes) -> list[bytes]:
    lines = [line.rstrip() for line in data.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _shown(data: bytes) -> str:
    """Quoted, printable, short."""
    text = repr(data[:SHOWN_BYTES])[2:-1]
    return f'"{text}…"' if len(data) > SHOWN_BYTES else f'"{text}"'


_COMPARERS: dict[str, Callable[[bytes, bytes], Finding]] = {
    "exact": _exact,
    "lines": _lines,
    "tokens": _tokens,
    "unordered": _unordered,
}
