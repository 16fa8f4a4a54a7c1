"""A Dockerfile's text as it was given, to show the lines that are to blame.

What comes in: the text, and where something in it is wrong.
What goes out: a `BuildError` with file, line, column, instruction and the lines themselves.
Must never: open a file, change the text.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyrootless.errors import BuildError

AROUND = 2
"""Lines that are shown before and after those to blame."""
MAX_SHOWN = 12
"""Of an instruction that is longer its begin is shown."""
_WIDEST = 160


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instruction stands.

    Attributes:
        line: Its first line, counted from 1.
        last: Its last line, a here-document's end included.
        instruction: The word, in capital letters; "" before it is known.
    """

    line: int
    last: int
    instruction: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A Dockerfile.

    Attributes:
        name: As a person knows the file.
        lines: Its text, without line ends.
    """

    name: str
    lines: tuple[str, ...]

    def failure(
        self, message: str, place: Place, token: str = "", more: str = ""
    ) -> BuildError:
        """What is wrong there, to be raised.

        Args:
            message: One sentence, without a full stop.
            place: Of the instruction.
            token: The word to blame; its line and column are told when it stands in the text.
            more: The message with what belongs to it, told after the lines; "": nothing.
        """
        line, column = self._find(place, token)
        word = f"{place.instruction}: " if place.instruction else ""
        head = f"{self.name}:{line}:{column}: {word}{message}"
        rest = more.split("\n")[1:]
        text = "\n".join([head, *self.shown(place), *rest])
        return BuildError(text, line=line, column=column, instruction=place.instruction)

    def shown(self, place: Place) -> list[str]:
        """The instruction's lines marked by ">", and those around them."""
        last = min(place.last, place.line + MAX_SHOWN - 1)
        first = max(1, place.line - AROUND)
        end = min(len(self.lines), last + AROUND)
        wide = len(str(end))
        rows = []
        for number in range(first, end + 1):
            mark = ">" if place.line <= number <= last else " "
            text = self.lines[number - 1].expandtabs(4)[:_WIDEST]
            rows.append(f"  {number:>{wide}} {mark} {text}".rstrip())
        return rows

    def _find(self, place: Place, token: str) -> tuple[int, int]:
        """Line and column of a word, both from 1; else those of the instruction."""
        if token:
            for number in range(place.line, min(place.last, len(self.lines)) + 1):
                at = self.lines[number - 1].find(token)
                if at >= 0:
                    return number, at + 1
        if 0 < place.line <= len(self.lines):
            text = self.lines[place.line - 1]
            return place.line, len(text) - len(text.lstrip()) + 1
        return place.line, 1
