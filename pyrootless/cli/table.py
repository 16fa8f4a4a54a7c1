"""Tables on standard output.

What comes in: rows of texts, the head first.  What goes out: lines, columns as wide as needed.
Must never: cut a cell, print, let a cell say anything to a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyrootless import units
from pyrootless.printable import printable


def format_rows(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two blanks between them."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = (
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        for row in shown
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def format_age(then_unix_ns: int, now_unix_ns: int) -> str:
    """ "11 months ago", in docker's words; "unknown" for 0."""
    if not then_unix_ns:
        return "unknown"
    return f"{units.format_span(max(0, now_unix_ns - then_unix_ns))} ago"
