"""docs/hosts.md as values: what each kind of host gives, and how an observation reads there.

In: the document's tables, what host_probe.py printed.
Out: per host the cells the document has, and the cells an observation makes.
Never: a guess: a refusal whose text the document does not have is an error with that text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "hosts.md"
FIRST, WHAT, DOCTOR = "host", "what it is", "doctor"
WORKS, REFUSED = "works", "refused"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row of the refusals: the error's first line, and the doctor's entry it points to."""

    text: str
    entry: str


def table(name: str) -> list[dict[str, str]]:
    """The rows between `<!-- NAME -->` and `<!-- /NAME -->`, by column."""
    document = DOCUMENT.read_text(encoding="utf-8")
    block = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", document, re.DOTALL)
    assert block, f"{DOCUMENT.name} has no table {name}"
    lines = [line for line in block[1].splitlines() if line]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    for row in rows:
        assert len(row) == len(head), f"table {name}: {row}"
    return [dict(zip(head, row, strict=True)) for row in rows]


def hosts(name: str) -> dict[str, dict[str, str]]:
    """Host → its cells, without what it is."""
    return {
        row[FIRST]: {column: row[column] for column in row if column not in (FIRST, WHAT)}
        for row in table(name)
    }


def refusals() -> dict[str, Refusal]:
    """Number → refusal."""
    return {
        row["number"]: Refusal(row["text"].strip("`"), row["entry"].strip("`"))
        for row in table("refusals")
    }


def feature_cell(observed: dict[str, Any]) -> str:
    """ "works" or "refused N", for one feature of host_probe.py."""
    lines = observed["lines"]
    if observed["status"] == 0 and observed["out"] == "0\n" and not lines:
        return WORKS
    assert observed["status"] == 125 and len(lines) == 3, observed
    assert lines[1].startswith("  remedy: "), observed
    found = Refusal(lines[0], lines[2].removeprefix("  more: pyrootless doctor "))
    numbers = [number for number, refusal in refusals().items() if refusal == found]
    assert numbers, f"docs/hosts.md has no refusal `{found.text}` that names `{found.entry}`"
    return f"{REFUSED} {numbers[0]}"


def doctor_cell(observed: dict[str, Any], usual: set[str]) -> str:
    """The entries that are not ok, "NAME STATE" each, but those that this kernel always has."""
    entries = observed["entries"]
    assert len(entries) > 10, observed
    found = [f"{one['name']} {one['state']}" for one in entries if one["state"] != "ok"]
    return ", ".join(text for text in found if text not in usual) or "ok"


def cells(observed: dict[str, Any], usual: set[str], row: dict[str, str]) -> dict[str, str]:
    """What an observation reads like in the columns of a row."""
    features = [column for column in row if column != DOCTOR]
    found = {name: feature_cell(observed["features"][name]) for name in features}
    return {**found, DOCTOR: doctor_cell(observed["doctor"], usual)}


def said_well(observed: dict[str, Any]) -> list[str]:
    """What is wrong with the doctor's words: a missing thing needs a sentence and a way out."""
    wrong = []
    for one in observed["doctor"]["entries"]:
        if not one["consequence"].endswith("."):
            wrong.append(f"{one['name']}: {one['consequence']!r} is no sentence")
        if one["state"] == "missing" and not one["fix"]:
            wrong.append(f"{one['name']}: missing, and no fix")
    fit = all(
        one["state"] != "missing" or one["needed"] != "now"
        for one in observed["doctor"]["entries"]
    )
    if fit != (observed["doctor"]["status"] == 0):
        wrong.append(f"exit status {observed['doctor']['status']}, though fit is {fit}")
    return wrong
