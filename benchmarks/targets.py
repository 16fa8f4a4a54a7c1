"""What the project wants to be, and whether the documents say that it is.

In: documents of bench.py, by scenario.  Out: one row for each aim: measured, met or not.
Never: a judgement without a number: what was not measured is "not measured".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Documents = Mapping[str, Mapping[str, Any]]
"""Scenario → its document."""


@dataclass(frozen=True)
class Aim:
    """One row.

    Attributes:
        text: what is divided by what.
        most: (or least, when `least`) the number may be.
        value: from the documents; None: not measured.
        tail: p99 of what is judged, divided by the same base; None: there is none.
    """

    text: str
    most: float
    value: Callable[[Documents], float | None]
    tail: Callable[[Documents], float | None] = lambda documents: None
    least: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Verdict:
    """An aim and what was measured."""

    aim: Aim
    value: float | None
    tail: float | None

    @property
    def word(self) -> str:
        """met, not met, or not measured."""
        if self.value is None:
            return "not measured"
        good = self.value >= self.aim.most if self.aim.least else self.value <= self.aim.most
        return "met" if good else "not met"


def _number(documents: Documents, scenario: str, name: str, key: str) -> float | None:
    """One number of a candidate's summary."""
    for row in documents.get(scenario, {}).get("candidates", ()):
        if row["name"] == name and row["summary"]:
            return float(row["summary"][key])
    return None


def _ratio(
    scenario: str, over: str, under: str, key: str = "median_ns", base: str = ""
) -> Callable[[Documents], float | None]:
    """over/under by medians; `base`: the scenario of `under`, when it is another one's."""

    def value(documents: Documents) -> float | None:
        above = _number(documents, scenario, over, key)
        below = _number(documents, base or scenario, under, "median_ns")
        return None if above is None or not below else round(above / below, 3)

    return value


def _pair(text: str, most: float, scenario: str, over: str, under: str) -> Aim:
    """A ratio of two candidates of one scenario, p99 beside it."""
    tail = _ratio(scenario, over, under, "p99_ns")
    return Aim(text, most, _ratio(scenario, over, under), tail)


def _phase(step: str) -> Callable[[Documents], float | None]:
    def value(documents: Documents) -> float | None:
        for row in documents.get("phases", {}).get("phases", ()):
            if row["step"] == step:
                return float(row["median_ns"]) / 1000
        return None

    return value


def _difference_us(scenario: str, over: str, under: str) -> Callable[[Documents], float | None]:
    def value(documents: Documents) -> float | None:
        above = _number(documents, scenario, over, "median_ns")
        below = _number(documents, scenario, under, "median_ns")
        return None if above is None or below is None else round((above - below) / 1000, 1)

    return value


def _limits_us(documents: Documents) -> float | None:
    """What limits of version 2 add to a start.

    An emulated machine's times are scaled as its floor is to that of a real one.
    """
    found = _difference_us("limits_v2", "pyrootless-limits-2", "pyrootless")(documents)
    if found is None:
        return _difference_us(KEPT, "pyrootless-limits-2", "pyrootless")(documents)
    if not documents["limits_v2"].get("emulated"):
        return found
    slow = _number(documents, "limits_v2", "floor", "median_ns")
    real = _number(documents, THROW_AWAY, "floor", "median_ns")
    return round(found * real / slow, 1) if slow and real else None


def _rate(documents: Documents, name: str, launchers: int) -> float | None:
    for row in documents.get("many", {}).get("throughput", ()):
        if (row["name"], row["launchers"]) == (name, launchers):
            return None if row["median"] is None else float(row["median"])
    return None


def _throughput(documents: Documents) -> float | None:
    own, other = _rate(documents, "pyrootless", 2), _rate(documents, "crun", 1)
    return None if own is None or not other else round(own / other, 2)


def _idle(documents: Documents) -> float | None:
    """Of the kernel's charge where there is one, else of the processes' share."""
    rows = {row["name"]: row for row in documents.get("many", {}).get("idle", ())}
    own, other = rows.get("pyrootless -d"), rows.get("bwrap")
    for key in ("charged_bytes", "pss_bytes"):
        if own and other and own[key] and other[key]:
            return round(float(own[key]) / float(other[key]), 3)
    return None


THROW_AWAY, KEPT, INSIDE = "launch_throwaway", "launch_kept", "inproc"
AIMS: tuple[Aim, ...] = (
    _pair("throw-away / bubblewrap", 0.55, THROW_AWAY, "pyrootless", "bwrap"),
    _pair("throw-away / crun", 0.25, THROW_AWAY, "pyrootless", "crun"),
    _pair("throw-away / floor", 1.8, THROW_AWAY, "pyrootless", "floor"),
    _pair("uid range, warm holder / bubblewrap", 0.6, KEPT, "pyrootless-range-holder", "bwrap"),
    _pair("upper on disk / throw-away", 1.3, KEPT, "pyrootless-disk", "pyrootless"),
    Aim(
        "upper on disk, p99 / median",
        3,
        _ratio(KEPT, "pyrootless-disk", "pyrootless-disk", "p99_ns"),
    ),
    _pair("Python direct / floor", 1.8, INSIDE, "python-launch", "python-floor"),
    _pair("Python prepared / floor", 1.0, "prepared", "python-pool", "python-floor"),
    _pair("Python at 2000 MiB / at 0", 1.1, INSIDE, "python-run-2000", "python-run-0"),
    _pair("exec / spawn of true", 3, "exec", "pyrootless-exec", "spawn"),
    Aim("seccomp install", 100, _phase("filter"), unit="µs"),
    Aim("cgroup limits, version 2", 150, _limits_us, unit="µs"),
    Aim("throughput at 2 launchers / one of crun", 4, _throughput, least=True),
    _pair("10,000 stopped / none", 1.1, "stopped", "stopped-10000", "stopped-0"),
    Aim("idle with monitor / bubblewrap, memory", 1.0, _idle),
)


def judge(documents: Documents, aims: Sequence[Aim] = AIMS) -> list[Verdict]:
    """Every aim, in the table's order."""
    return [Verdict(aim, aim.value(documents), aim.tail(documents)) for aim in aims]


def describe(verdicts: Sequence[Verdict]) -> str:
    """A table for people."""
    width = max(len(row.aim.text) for row in verdicts)
    lines = [f"{'aim':{width}}{'wanted':>10}{'measured':>11}{'p99':>8}", ""]
    for row in verdicts:
        wanted = f"{'≥' if row.aim.least else '≤'} {row.aim.most:g}{row.aim.unit}"
        value = "-" if row.value is None else f"{row.value:.2f}{row.aim.unit}"
        tail = "-" if row.tail is None else f"{row.tail:.2f}"
        lines.append(f"{row.aim.text:{width}}{wanted:>10}{value:>11}{tail:>8}  {row.word}")
    lines += ["", "medians of one run; p99 of the first, divided by the same base"]
    return "\n".join(lines) + "\n"


def as_rows(verdicts: Sequence[Verdict]) -> list[dict[str, object]]:
    """For a document."""
    return [
        {
            "aim": row.aim.text,
            "wanted": row.aim.most,
            "at_least": row.aim.least,
            "measured": row.value,
            "p99": row.tail,
            "verdict": row.word,
        }
        for row in verdicts
    ]
