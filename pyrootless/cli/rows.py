"""Lists as `--format` wants them: docker's tables, lines and JSON.

What comes in: a format, a dictionary for each row, the columns' titles.
What goes out: text.
Must never: print; let a row say anything to a terminal but in a format of the caller's own.

Source: docker's formatting page; Go's text/tabwriter with at least 10 cells and 3 blanks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyrootless.cli.go_template import Template
from pyrootless.errors import UsageError

MIN_WIDTH = 10
GAP = 3

Row = Mapping[str, Any]


def format_list(form: str, rows: Sequence[Row], titles: Mapping[str, Any], usual: str) -> str:
    r"""Every row by a format.

    Args:
        form: "table", "table TEMPLATE", "json", or a template; \t and \n are what they mean.
        rows: A value of each field.
        titles: A column's title for each field.
        usual: The template of "table" alone.

    Raises:
        UsageError: The format has no meaning.
    """
    text = form.strip().replace("\\t", "\t").replace("\\n", "\n")
    if text == "raw":
        raise UsageError('the format "raw" is not there', remedy="write: --format json")
    if text == "json":
        text = "{{json .}}"
    word, _, rest = text.partition(" ")
    if word != "table":
        template = Template(text)
        return "".join(f"{template.render(row)}\n" for row in rows)
    template = Template(rest.strip() or usual)
    return align([template.render(row).split("\t") for row in (titles, *rows)])


def align(lines: Sequence[Sequence[str]]) -> str:
    """Cells in columns; the last of a line is as it is."""
    most = max(map(len, lines), default=0)
    widths = [
        max((len(line[column]) + GAP for line in lines if len(line) > column + 1), default=0)
        for column in range(most)
    ]
    out = []
    for line in lines:
        cells = [f"{cell:<{max(MIN_WIDTH, widths[at])}}" for at, cell in enumerate(line[:-1])]
        out.append("".join([*cells, line[-1]]).rstrip() + "\n")
    return "".join(out)
