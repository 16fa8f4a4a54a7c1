"""What holds the limits of one container: values read from its config.json.

What comes in: the annotations of a config.json.  What goes out: `HeldLimit`, one for each limit
that was asked for.
Must never: choose an enforcement (csrc/limits/plan.c does), look at the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LIMITS = (
    "memory",
    "memory-swap",
    "memory-reservation",
    "cpus",
    "cpu-shares",
    "cpuset",
    "pids",
    "io",
    "storage",
    "cpu-time",
)
"""Names of enum prl_limit (csrc/limits/names.c), in its order."""
NOTE = "io.pyrootless.limits"


@dataclass(frozen=True, slots=True)
class HeldLimit:
    """One limit.

    Attributes:
        name: Of LIMITS.
        rung: What holds it: "cgroup2", "watchdog", … (docs/limits.md).
        exactness: "exact", "late", "each", "changeable" or "none".
    """

    name: str
    rung: str
    exactness: str


def held_limits(annotations: Mapping[str, str]) -> tuple[HeldLimit, ...]:
    """The limits of a config.json, in the order of LIMITS."""
    return tuple(
        HeldLimit(name, annotations[key], annotations.get(f"{key}.exactness", ""))
        for name in LIMITS
        if (key := f"{NOTE}.{name}") in annotations
    )
