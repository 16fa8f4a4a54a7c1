"""The hostile corpus: programs that try what a sandbox must withstand, as values.

One file is one attack. Its first lines say in comments what it tries and how it must end:

    attack: what it tries, in one sentence
    verdict: TLE ILE                  any of these
    outside: what must hold outside the box
    limits: cpu=300ms procs=16        fields of `Limits`; others have their defaults
    holds: cpu-ms 450..600            a measured fact and its range, one a line; an end may miss
    burns: 500ms                      the processor time it uses: nearly all must be billed
    stdin: open                       an input that never brings anything; else one line
    collect: out.txt                  files to be collected
    repeat: 2                         run so often; every run must end so
    at: compile                       it attacks the compiler: it is not run

What comes in: files of any language (`find_language`). What goes out: `Attack` values.
Must never: run anything, pass over a key it does not know.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrootless.errors import UsageError
from pyrootless.sandbox import Limits, Outcome, Verdict
from pyrootless.sandbox.languages import find_language
from pyrootless.units import parse_duration_ns

HEAD_LINES = 24
FACTS = ("cpu-ms", "wall-ms", "memory-mib", "stdout-bytes", "stderr-bytes", "exit-code")
_ONCE = ("attack", "verdict", "outside", "limits", "burns", "stdin", "collect", "repeat", "at")
_NEEDED = ("attack", "verdict", "outside")
_NUMBERS = ("procs", "inodes", "open_files")
_LINE = re.compile(r"^\s*(?:/\*|\*|#|//|--)?\s*([a-z]+):\s+(.*?)\s*(?:\*/)?$")
_RANGE = re.compile(r"^(\S+)\s+(\d*)\.\.(\d*)$")


@dataclass(frozen=True, slots=True)
class Bound:
    """A measured fact (of `FACTS`) and the range it must lie in; None: no end."""

    fact: str
    least: int | None
    most: int | None

    def wrong(self, outcome: Outcome) -> str:
        """How an outcome misses it; "": it does not."""
        value = _measured(outcome)[self.fact]
        low = self.least is not None and (value is None or value < self.least)
        high = self.most is not None and (value is None or value > self.most)
        least, most = ("" if end is None else end for end in (self.least, self.most))
        return f"{self.fact} is {value} and not in {least}..{most}" if low or high else ""


@dataclass(frozen=True, slots=True)
class Attack:
    """One program of the corpus.

    Attributes:
        path: Its source.
        about: What it tries.
        outside: What must hold outside, in words.
        verdicts: How it may end.
        limits: What it may use.
        holds: Facts about its run.
        burns_ns: Processor time it uses; 0: not said.
        held_open: Its input stays open and brings nothing.
        collect: Files to be collected.
        repeat: So many runs, one after the other.
        at_compile: The compiler is what it attacks.
    """

    path: Path
    about: str
    outside: str
    verdicts: frozenset[Verdict]
    limits: Limits
    holds: tuple[Bound, ...]
    burns_ns: int
    held_open: bool
    collect: tuple[str, ...]
    repeat: int
    at_compile: bool

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


def find_attacks(places: Iterable[Path] = ()) -> list[Attack]:
    """The corpus that comes along, the user's own, and what else is named (files, folders).

    Raises:
        UsageError: A file cannot be read, or its head has no meaning.
    """
    found: dict[str, Path] = {}
    for place in (own_corpus(), user_corpus(), *places):
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        if place != user_corpus() or place.is_dir():
            found |= {file.name: file for file in files if _is_program(file, place)}
    return [read_attack(path) for path in found.values()]


def own_corpus() -> Path:
    """Installed beside this file; in a checkout below tests/."""
    installed = Path(__file__).parent / "hostile"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "tests" / "hostile"


def user_corpus() -> Path:
    """Where the user's own attacks lie; it need not exist."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    home = Path(base) if base.startswith("/") else Path.home() / ".config"
    return home / "pyrootless" / "hostile"


def _is_program(file: Path, place: Path) -> bool:
    """Of a folder: what has a language's ending; what was named itself in any case."""
    return file == place or (file.is_file() and file.suffix not in ("", ".md", ".pyc"))


def read_attack(path: Path) -> Attack:
    """One file.

    Raises:
        UsageError: It cannot be read, or its head has no meaning; the text names the file.
    """
    try:
        find_language(path.name)
        return parse_attack(path, path.read_text())
    except (OSError, UnicodeDecodeError, TypeError, ValueError) as error:
        reason = error.args[0] if isinstance(error, UsageError) else error
        raise UsageError(f"{path}: {reason}") from error


def parse_attack(path: Path, text: str) -> Attack:
    """The value of a source; path: only its name is used.

    Raises:
        UsageError: A key is missing, unknown or has no meaning.
    """
    head, bounds = _head(text)
    missing = [key for key in _NEEDED if not head.get(key)]
    if missing:
        raise UsageError(f"its first lines lack {', '.join(missing)}")
    return Attack(
        path=path,
        about=head["attack"],
        outside=head["outside"],
        verdicts=frozenset(_verdict(word) for word in head["verdict"].split()),
        limits=_limits(head.get("limits", "")),
        holds=tuple(_bound(line) for line in bounds),
        burns_ns=parse_duration_ns(head["burns"]) if "burns" in head else 0,
        held_open=_choice(head, "stdin", "open"),
        collect=tuple(head.get("collect", "").split()),
        repeat=int(head.get("repeat", "1")),
        at_compile=_choice(head, "at", "compile"),
    )


def _head(text: str) -> tuple[dict[str, str], list[str]]:
    head: dict[str, str] = {}
    bounds: list[str] = []
    for line in text.splitlines()[:HEAD_LINES]:
        match = _LINE.match(line)
        if match and match[1] == "holds":
            bounds.append(match[2])
        elif match and match[1] in _ONCE and match[1] not in head:
            head[match[1]] = match[2]
        elif match:
            raise UsageError(f"{match[1]}: not known, or said twice")
        if head and (line.rstrip().endswith("*/") or not line.strip(" */#-")):
            break  # the head ends with its comment
    return head, bounds


def _choice(head: dict[str, str], key: str, word: str) -> bool:
    if key in head and head[key] != word:
        raise UsageError(f"{key}: {head[key]}: only {word!r} is known")
    return key in head


def _verdict(word: str) -> Verdict:
    if word not in Verdict.__members__:
        raise UsageError(f"verdict: {word!r} is none of {', '.join(Verdict.__members__)}")
    return Verdict[word]


def _limits(text: str) -> Limits:
    values: dict[str, Any] = {}
    for word in text.split():
        key, _, value = word.partition("=")
        values[key] = int(value) if key in _NUMBERS else None if value == "none" else value
    return Limits(**values)


def _bound(text: str) -> Bound:
    match = _RANGE.match(text)
    if not match or match[1] not in FACTS:
        raise UsageError(f"holds: {text!r}: write FACT LEAST..MOST; facts: {', '.join(FACTS)}")
    least, most = (int(end) if end else None for end in match.groups()[1:])
    return Bound(match[1], least, most)


def _measured(outcome: Outcome) -> dict[str, int | None]:
    values = (
        outcome.cpu_ns // 1_000_000,
        outcome.wall_ns // 1_000_000,
        outcome.memory_peak_bytes >> 20,
        len(outcome.stdout),
        len(outcome.stderr),
        outcome.exit_code,
    )
    return dict(zip(FACTS, values, strict=True))
