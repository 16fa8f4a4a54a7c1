"""The meta-file of the isolate-shaped front.

What comes in: an outcome and the limits that were asked for. What goes out: keys and values.
Must never: write a key that was not measured.

Source: isolate(1), "Meta-files".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyrootless.sandbox import Outcome

_NS = 1_000_000_000
_KILL = 9


@dataclass(frozen=True, slots=True)
class Status:
    """How a run ended, in isolate's words: "" and "OK (…)" when all is well."""

    code: str
    message: str
    killed: bool = False


def status_of(outcome: Outcome, time_ns: int, wall_ns: int, killed_for: str) -> Status:
    """The two letters and the sentence.

    Args:
        outcome: The run.
        time_ns, wall_ns: Limits without the extra time; 0: none.
        killed_for: The limit for which the box was ended, "" when it ended by itself.
    """
    killed = killed_for in ("cpu", "wall")
    if killed_for == "cpu" or (time_ns and outcome.cpu_ns > time_ns):
        return Status("TO", "Time limit exceeded", killed)
    if killed_for == "wall" or (wall_ns and outcome.wall_ns > wall_ns):
        return Status("TO", "Time limit exceeded (wall clock)", killed)
    if killed_for == "memory" or "memory" in outcome.flags and outcome.signal == _KILL:
        return Status("SG", f"Caught fatal signal {_KILL}", bool(killed_for))
    if outcome.signal is not None:
        return Status("SG", f"Caught fatal signal {outcome.signal}")
    if outcome.exit_code:
        return Status("RE", f"Exited with error status {outcome.exit_code}")
    return Status("", "")


def meta_of(outcome: Outcome, status: Status, groups: bool) -> dict[str, str]:
    """Key → value, in the order they are written."""
    kib = str(outcome.memory_peak_bytes // 1024)
    meta = {
        "time": seconds(outcome.cpu_ns),
        "time-wall": seconds(outcome.wall_ns),
        "max-rss": kib,
        "csw-voluntary": str(outcome.yields),
        "csw-forced": str(outcome.preemptions),
    }
    if groups:
        meta["cg-mem"] = kib
        if "memory" in outcome.flags:
            meta["cg-oom-killed"] = "1"
    if outcome.signal is not None:
        meta["exitsig"] = str(outcome.signal)
    elif outcome.exit_code is not None:
        meta["exitcode"] = str(outcome.exit_code)
    if status.killed:
        meta["killed"] = "1"
    return meta | failure(status)


def failure(status: Status) -> dict[str, str]:
    """The keys of a run that did not end well."""
    return {"status": status.code, "message": status.message} if status.code else {}


def seconds(value_ns: int) -> str:
    """Three decimals, rounded down."""
    return f"{value_ns // _NS}.{value_ns % _NS // 1_000_000:03d}"


def to_text(meta: Mapping[str, str]) -> str:
    """Lines "key:value"; a value never brings a line of its own."""
    return "".join(f"{key}:{' '.join(value.split())}\n" for key, value in meta.items())
