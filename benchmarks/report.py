"""From series to what people and programs read.

In: measured series, machine facts.  Out: one JSON document, one table as text.
Never: a measurement, a candidate left out because it failed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import Plan, Series, ratio, summarise

FORMAT = 1
"""Version of the JSON document; method.md describes it."""

_HEAD = ("min", "median", "p90", "p99", "CPU", "RSS")


@dataclass(frozen=True)
class Scenario:
    """What one document is about.

    Attributes:
        name: short; the document's file name by custom.
        title: one line.
        bases: names of the candidates that the others are divided by.
    """

    name: str
    title: str
    bases: tuple[str, ...]


def document(
    scenario: Scenario,
    plan: Plan,
    gathered: Sequence[Series],
    machine: Mapping[str, object],
    names: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Everything, raw samples included, so that any other statistic can be had later.

    Args:
        names: directory → what stands for it in command lines and errors: where a checkout
            lies is nobody's business, and would make two documents differ.
    """
    return {
        "format": FORMAT,
        "scenario": scenario.name,
        "title": scenario.title,
        "plan": asdict(plan),
        "machine": dict(machine),
        "candidates": [_candidate(series, names or {}) for series in gathered],
        "ratios_of_medians": ratios(scenario, gathered),
    }


def _named(text: str, names: Mapping[str, str]) -> str:
    """Replace directories by their names, the longest first."""
    for directory in sorted(names, key=len, reverse=True):
        text = text.replace(directory, names[directory])
    return text


def _candidate(series: Series, names: Mapping[str, str]) -> dict[str, object]:
    """One candidate's part of the document; numbers are None where there are none."""
    candidate = series.candidate
    return {
        "name": candidate.name,
        "argv": [_named(word, names) for word in candidate.argv],
        "leaves_out": candidate.leaves_out,
        "status": series.status,
        "failures": series.failures,
        "error": _named(series.error, names) or None,
        "left_behind": series.left_behind,
        "summary": asdict(summarise(series.samples)) if series.samples else None,
        "max_rss_bytes": series.max_rss_bytes,
        "wall_ns": [sample.wall_ns for sample in series.samples],
        "cpu_ns": [sample.cpu_ns for sample in series.samples],
    }


def ratios(
    scenario: Scenario, gathered: Sequence[Series]
) -> dict[str, dict[str, float | None]]:
    """Candidate → base → median by median; None where one of the two was not measured."""
    by_name = {series.candidate.name: series for series in gathered}
    bases = [by_name[name] for name in scenario.bases if name in by_name]
    return {
        name: {base.candidate.name: ratio(series, base) for base in bases}
        for name, series in by_name.items()
    }


def write(path: Path, content: Mapping[str, object]) -> None:
    """Write a document.  Raises OSError."""
    write_text(path, to_json(content))


def write_text(path: Path, text: str) -> None:
    """Replace `path` in one step.  Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text)
    scratch.replace(path)


def to_json(content: Mapping[str, object]) -> str:
    """JSON for people and diffs: indented, but a list without text or structure is one line."""
    return _text(content, "") + "\n"


def _text(value: object, indent: str) -> str:
    deeper = indent + "  "
    if isinstance(value, Mapping) and value:
        rows = [f"{json.dumps(key)}: {_text(item, deeper)}" for key, item in value.items()]
        return _block("{", rows, "}", indent)
    if isinstance(value, list | tuple) and not all(
        isinstance(item, int | float) for item in value
    ):
        return _block("[", [_text(item, deeper) for item in value], "]", indent)
    return json.dumps(value, ensure_ascii=False)


def _block(begin: str, rows: Sequence[str], end: str, indent: str) -> str:
    return f"{begin}\n{indent}  " + f",\n{indent}  ".join(rows) + f"\n{indent}{end}"


def table(scenario: Scenario, gathered: Sequence[Series]) -> str:
    """Times in milliseconds, memory in MiB, then the median divided by each base's."""
    divided = ratios(scenario, gathered)
    width = max([9, *(len(series.candidate.name) for series in gathered)])
    bases = [name for name in scenario.bases if any(name in row for row in divided.values())]
    head = "".join(f"{word:>8}" for word in _HEAD)
    head += "".join(f"{'/' + name:>{_ratio_width(name)}}" for name in bases)
    lines = [scenario.title, "", f"{'':{width}}{head}"]
    for series in gathered:
        if series.status == "measured":
            cells = _cells(series) + _ratio_cells(divided[series.candidate.name], bases)
            lines.append(f"{series.candidate.name:{width}}{cells}")
    lines += [
        "",
        "ms; CPU of the whole tree; RSS in MiB of the largest process; /x: by medians",
    ]
    return "\n".join([*lines, *_notes(gathered, width)]) + "\n"


def _ratio_width(name: str) -> int:
    return max(8, len(name) + 3)


def _cells(series: Series) -> str:
    found = summarise(series.samples)
    times = (found.min_ns, found.median_ns, found.p90_ns, found.p99_ns, found.cpu_median_ns)
    cells = "".join(f"{value / 1e6:8.2f}" for value in times)
    peak = series.max_rss_bytes
    return cells + (f"{'-':>8}" if peak is None else f"{peak / 2**20:8.1f}")


def _ratio_cells(row: Mapping[str, float | None], bases: Sequence[str]) -> str:
    cells = ""
    for name in bases:
        value = row[name]
        text = "-" if value is None else f"{value:.2f}"
        cells += f"{text:>{_ratio_width(name)}}"
    return cells


def _notes(gathered: Sequence[Series], width: int) -> list[str]:
    """What the numbers leave out, and what has no numbers."""
    lines = ["", "left out:"]
    for series in gathered:
        if series.status == "measured":
            name, text = series.candidate.name, series.candidate.leaves_out
            lines.append(f"  {name:{width}} {text or 'nothing'}")
    troubled = [series for series in gathered if series.error]
    if troubled:
        lines += ["", "not measured, or not every time:"]
    for series in troubled:
        count = f"{series.status}, {series.failures} failed"
        if series.status == "absent":
            count = "absent"
        error = "; ".join(line.strip() for line in series.error.splitlines())
        lines.append(f"  {series.candidate.name:{width}} {count}: {error}")
    return lines
