"""A Dockerfile's text → its logical lines.

What comes in: text.
What goes out: parser directives; one `Line` an instruction: comments gone, continued lines
joined, flags and here-documents apart.
Must never: open a file, know what an instruction means.

Source: Dockerfile reference, "Format", "Parser directives", "Escape", "Here-documents".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pyrootless.build.dockerfile.source import Place, Source
from pyrootless.build.dockerfile.words import Rules, WordError, expand, nothing_set

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_KNOWN = ("syntax", "escape", "check")
_HEREDOC = re.compile(r"(\d*)<<(-?)([^<]*)")
_TAKING_HEREDOCS = ("ADD", "COPY", "RUN")
MAX_BYTES = 16 << 20
"""Of a Dockerfile, as BuildKit has it."""


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A text that stands below its instruction.

    Attributes:
        name: What ends it.
        text: Its lines, each with its end; leading tabs are gone where "<<-" says so.
        expands: Variables in it are put in: its name was not quoted.
        strips: "<<-" was written.
        written: The word in the instruction.
        plain: The text with its tabs.
    """

    name: str
    text: str
    expands: bool
    strips: bool
    written: str
    plain: str


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction.

    Attributes:
        word: The instruction, in capital letters.
        written: The same as it is written.
        flags: "--name=value" and "--name" words before the rest.
        rest: All else, joined to one line.
        heredocs: In the order they are named.
        place: Where it stands.
        gaps: Empty lines stand inside of it.
        original: The whole text without its here-documents.
    """

    word: str
    written: str
    flags: tuple[str, ...]
    rest: str
    heredocs: tuple[Heredoc, ...]
    place: Place
    gaps: bool
    original: str


@dataclass(frozen=True, slots=True)
class Lines:
    """A whole file.

    Attributes:
        source: The text itself.
        directives: Name in small letters → value.
        lines: The instructions.
    """

    source: Source
    directives: Mapping[str, str]
    lines: tuple[Line, ...]

    @property
    def escape(self) -> str:
        """The escape character."""
        return self.directives.get("escape", "\\")


def split_lines(text: str, name: str = "Dockerfile") -> Lines:
    """Take a Dockerfile apart.

    Args:
        text: Of the file.
        name: For messages.

    Raises:
        BuildError: A directive, flag or here-document is malformed, or nothing is in it.
    """
    plain = text.removeprefix("\ufeff")
    source = Source(name, tuple(line.removesuffix("\r") for line in plain.split("\n")))
    if len(text) > MAX_BYTES:
        raise source.failure(f"more than {MAX_BYTES >> 20} MiB are no Dockerfile", Place(1, 1))
    directives = _read_directives(source)
    reader = _Reader(source, directives.get("escape", "\\"))
    lines = tuple(reader.run())
    if not lines:
        raise source.failure("there is no instruction in it", Place(1, 1))
    return Lines(source, directives, lines)


def _read_directives(source: Source) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(source.lines, 1):
        if number == 1 and line.startswith("#!"):
            continue
        match = _DIRECTIVE.fullmatch(line)
        if match is None:
            break
        key = match[1].lower()
        if key not in _KNOWN:
            continue
        if key in found:
            raise source.failure(
                f"the directive {key} stands there twice", Place(number, number)
            )
        found[key] = match[2]
        if key == "escape" and match[2] not in ("\\", "`"):
            raise source.failure(
                f'"{match[2][:40]}" is no escape character: write \\ or `',
                Place(number, number),
                match[2],
            )
    return found


@dataclass(slots=True)
class _Reader:
    """Goes through the physical lines once."""

    source: Source
    escape: str
    at: int = 0
    _continued: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        mark = re.escape(self.escape)
        self._continued = re.compile(rf"(?:(?<=[^{mark}])|^){mark}[ \t]*$")

    def run(self) -> Iterator[Line]:
        lines = self.source.lines
        while self.at < len(lines):
            start = self.at + 1
            first = lines[self.at].lstrip()
            self.at += 1
            if not first or first.startswith("#"):
                continue
            joined, gaps = self._join(first)
            if joined.strip():
                yield self._line(joined, start, gaps)

    def _join(self, first: str) -> tuple[str, bool]:
        text, more = self._cut(first)
        gaps = False
        while more and self.at < len(self.source.lines):
            line = self.source.lines[self.at]
            self.at += 1
            if line.lstrip().startswith("#"):
                continue
            if not line.strip():
                gaps = gaps or self.at < len(
                    self.source.lines
                )  # the last one is the file's end
                continue
            part, more = self._cut(line)
            text += part
        return text, gaps

    def _cut(self, line: str) -> tuple[str, bool]:
        """The line without the mark that the next one belongs to it; whether it had that."""
        match = self._continued.search(line)
        return (line[: match.start()], True) if match else (line, False)

    def _line(self, text: str, start: int, gaps: bool) -> Line:
        parts = text.strip().split(None, 1)
        written, rest = parts[0], (parts[1] if len(parts) > 1 else "")
        word = written.upper()
        place = Place(start, self.at, word)
        flags, rest = split_flags(rest)
        heredocs: tuple[Heredoc, ...] = ()
        if word in (*_TAKING_HEREDOCS, "ONBUILD") and "<<" in rest:
            heredocs = tuple(self._heredocs(rest, place))
        place = Place(start, self.at, word)
        return Line(word, written, flags, rest, heredocs, place, gaps, text.strip())

    def _heredocs(self, rest: str, place: Place) -> Iterator[Heredoc]:
        try:
            rules = Rules(self.escape, raw=True, keep_unset=True)
            words = expand(rest, nothing_set, rules).words
        except WordError:
            return  # a quote that does not end: the shell will say so
        if place.instruction == "ONBUILD" and rest.split(None, 1)[0].upper() not in (
            _TAKING_HEREDOCS
        ):
            return
        for word in words:
            found = _read_heredoc(word, self.escape)
            if found is not None:
                name, strips, expands = found
                yield self._body(word, name, strips, expands, place)

    def _body(self, word: str, name: str, strips: bool, expands: bool, place: Place) -> Heredoc:
        plain: list[str] = []
        kept: list[str] = []
        while self.at < len(self.source.lines):
            line = self.source.lines[self.at]
            self.at += 1
            bare = line.lstrip("\t") if strips else line
            if bare == name:
                text, tabs = "".join(kept), "".join(plain)
                return Heredoc(name, text, expands, strips, word, tabs)
            plain.append(f"{line}\n")
            kept.append(f"{bare}\n")
        raise self.source.failure(
            f'the here-document "{name[:40]}" does not end: no line is "{name[:40]}" alone',
            place,
            word,
        )


def _read_heredoc(word: str, escape: str) -> tuple[str, bool, bool] | None:
    """(name, whether tabs go, whether variables are put in) of "<<NAME"; None: it is none."""
    match = _HEREDOC.fullmatch(word)
    if match is None or not match[3]:
        return None
    raw = match[3]
    try:
        names = expand(raw, nothing_set, Rules(escape, keep_unset=True)).words
    except WordError:
        return None
    if len(names) != 1:
        return None
    return names[0], match[2] == "-", names[0] == raw


def split_flags(rest: str) -> tuple[tuple[str, ...], str]:
    """The words that begin with "--", without their quotes, and all after them.

    A lone "--" ends them.
    """
    flags: list[str] = []
    at = 0
    while True:
        while at < len(rest) and rest[at].isspace():
            at += 1
        if not rest.startswith("--", at):
            return tuple(flags), rest[at:].strip()
        word, at = _flag(rest, at)
        if word == "--":
            return tuple(flags), rest[at:].strip()
        flags.append(word)


def _flag(rest: str, at: int) -> tuple[str, int]:
    """One word with quotes taken away; a quote that does not end goes to the end."""
    found, quote = [], ""
    while at < len(rest):
        letter = rest[at]
        at += 1
        if letter == quote:
            quote = ""
        elif letter == "\\" and at < len(rest):
            found.append(rest[at])
            at += 1
        elif not quote and letter in "'\"":
            quote = letter
        elif not quote and letter.isspace():
            break
        else:
            found.append(letter)
    return "".join(found), at
