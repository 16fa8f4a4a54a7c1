"""Signals by name: what images write ("SIGTERM", "quit", "RTMIN+3", "9") → a number, and back.

What comes in: a text, or a number of Linux, 1 to 64.  What goes out: the other one.
Must never: depend on where Python runs: numbers are those of signal(7) for the machines of
today, and real-time signals count from 34, as C libraries leave two to themselves.
"""

from __future__ import annotations

import re
import signal

from pyrootless.errors import UsageError

REALTIME_MIN, REALTIME_MAX = 34, 64
_REALTIME = re.compile(r"RT(MIN|MAX)(?:([+-])([0-9]{1,2}))?")


def parse_signal(text: str) -> int:
    """The signal meant by "SIGTERM", "term", "15", "RTMIN+3".

    Raises:
        UsageError: It is none.
    """
    word = text.strip().upper().removeprefix("SIG")
    number = _number(word)
    if number is None or not 1 <= number <= REALTIME_MAX:
        raise UsageError(
            f'"{text[:40]}" is not a signal; write a name like SIGTERM, or a number'
        )
    return number


def signal_name(number: int) -> str:
    """What docker calls it: "SIGTERM", "SIGRTMIN+3"."""
    if number >= REALTIME_MIN:
        return f"SIGRTMIN+{number - REALTIME_MIN}" if number > REALTIME_MIN else "SIGRTMIN"
    return signal.Signals(number).name


def _number(word: str) -> int | None:
    if word.isascii() and word.isdigit() and len(word) < 4:
        return int(word)
    match = _REALTIME.fullmatch(word)
    if match is not None:
        base, sign, offset = match.groups()
        start = REALTIME_MIN if base == "MIN" else REALTIME_MAX
        found = start + int(f"{sign or ''}{offset or 0}")
        return found if REALTIME_MIN <= found <= REALTIME_MAX else None
    known = signal.Signals.__members__.get(f"SIG{word}")
    return None if known is None else int(known)
