"""What the sandbox wants to be, and whether bench_sandbox.py's document says that it is.

In: its document, as "sandbox".  Out: aims for targets.judge.
Never: a judgement without a number: what was not measured is "not measured".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from targets import Aim, Documents

Value = Callable[[Documents], float | None]
_MS = 1e6
_KIB = 1024


def _number(*keys: str, unit: float = 1) -> Value:
    """A number of the document, by the keys that lead to it."""

    def value(documents: Documents) -> float | None:
        found: Any = documents.get("sandbox")
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return None if found is None else round(float(found) / unit, 4)

    return value


def _pair(text: str, most: float, over: str, under: str) -> Aim:
    """A ratio of two latencies by medians, p99 of the first beside it."""

    def ratio(key: str) -> Value:
        above, below = _number("latency", over, key), _number("latency", under, "median_ns")

        def value(documents: Documents) -> float | None:
            upper, lower = above(documents), below(documents)
            return None if upper is None or not lower else round(upper / lower, 3)

        return value

    return Aim(text, most, ratio("median_ns"), ratio("p99_ns"))


def _late(key: str) -> Value:
    return _number("cpu_limit_overshoot", "best", key, unit=_MS)


def _billed(rungs: str) -> Value:
    return _number("unreaped_children_billed", rungs, "least_share")


AIMS: tuple[Aim, ...] = (
    _pair("cold box / bubblewrap", 0.7, "box", "bwrap"),
    _pair("the same without control groups", 0.7, "box-no-groups", "bwrap"),
    _pair("ready box / spawn of true", 2.5, "ready", "spawn-true"),
    _pair("warm print(1) / bare python3", 0.3, "warm-python", "bare-python"),
    _pair("the same with numpy", 0.1, "warm-numpy", "bare-numpy"),
    Aim("250 ms limit, overshoot", 5, _late("median_ns"), unit=" ms"),
    Aim("the same, p99", 10, _late("p99_ns"), unit=" ms"),
    Aim("unreaped children, billed", 0.97, _billed("best"), least=True),
    Aim("the same without groups", 0.97, _billed("no-groups"), least=True),
    Aim("1,000 tests, each", 2.5, _number("many_tests", "each_ns", unit=_MS), unit=" ms"),
    Aim(
        "10,000 runs, memory",
        256,
        _number("growth", "memory_growth_bytes", unit=_KIB),
        unit=" KiB",
    ),
    Aim("the same, descriptors", 0, _number("growth", "descriptor_growth")),
    Aim("the same, files", 0, _number("growth", "file_growth")),
)
