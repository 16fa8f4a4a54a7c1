"""Results of a batch → one page a teacher can read.

What comes in: a BatchResult.
What goes out: HTML that needs nothing else: no network, no script.
Must never: put what a program wrote on the page unescaped, or more of it than SHOWN_BYTES.
"""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pyrootless.printable import printable_bytes
from pyrootless.sandbox.judge.results import (
    NOT_COMPILED,
    RIGHT,
    SKIPPED,
    BatchResult,
    CaseResult,
)
from pyrootless.units import format_size

SHOWN_BYTES = 4096
SHOWN_LINES = 40
_TEMPLATE = "report.html.j2"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference; kind: "same", "theirs" (expected), "ours" (written), "cut"."""

    kind: str
    text: str


def to_page(batch: BatchResult) -> str:
    """The page, the same text for the same results."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ms=_milliseconds,
        size=format_size,
        number=lambda value: f"{value:g}",
        text=printable_bytes,
    )
    template = environment.get_template(_TEMPLATE)
    return template.render(
        batch=batch,
        verdicts=sorted(Counter(row.verdict for row in batch.submissions).items()),
        columns=[test.name for test in _columns(batch)],
        state=state_of,
        bar=_bar,
        difference=difference,
        longest=_longest(batch),
        shown_log=lambda row: printable_bytes(row.log[:SHOWN_BYTES]),
    )


def state_of(verdict: str) -> str:
    """right, wrong, slow, broken or skipped: what colour and mark a verdict has."""
    if verdict in (RIGHT, SKIPPED):
        return {RIGHT: "right", SKIPPED: "skipped"}[verdict]
    if verdict in ("TLE", "ILE", "MLE", "OLE", "DLE"):
        return "slow"
    return "broken" if verdict in ("RE", "SG", "SV", "FE", "IE", NOT_COMPILED) else "wrong"


def difference(test: CaseResult) -> list[Line]:
    """What was expected and what came, line by line."""
    theirs = printable_bytes(test.expected[:SHOWN_BYTES]).splitlines()
    ours = printable_bytes(test.output[:SHOWN_BYTES]).splitlines()
    kinds = {"  ": "same", "- ": "theirs", "+ ": "ours"}
    found = [
        Line(kinds[row[:2]], row[2:])
        for row in difflib.ndiff(theirs[:SHOWN_LINES], ours[:SHOWN_LINES])
        if row[:2] in kinds
    ]
    cut = max(len(theirs), len(ours)) > SHOWN_LINES or (
        max(len(test.expected), len(test.output)) >= SHOWN_BYTES
    )
    return [*found, Line("cut", "…")] if cut else found


def _columns(batch: BatchResult) -> tuple[CaseResult, ...]:
    return max((row.tests for row in batch.submissions), key=len, default=())


def _longest(batch: BatchResult) -> int:
    """Nanoseconds of the longest time or limit on the page: the scale of all plots."""
    times = [
        max(test.cpu_ns, test.wall_ns, test.cpu_limit_ns)
        for row in batch.submissions
        for test in row.tests
    ]
    return max(times, default=0) or 1


def _bar(value_ns: int, longest_ns: int) -> str:
    """Width on a scale of 100, two decimals."""
    return f"{100 * value_ns / longest_ns:.2f}"


def _milliseconds(value_ns: int) -> str:
    return f"{value_ns / 1e6:.0f} ms" if value_ns >= 10_000_000 else f"{value_ns / 1e6:.1f} ms"
