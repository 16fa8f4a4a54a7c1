"""Sizes and durations: text ↔ exact integers.

What comes in: what a person or a program writes ("64m", "1.5s", 4096).
What goes out: whole bytes and whole nanoseconds, or short text for tables.
Must never: round silently, use binary floating point, read anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyrootless.errors import UsageError

if TYPE_CHECKING:
    from fractions import Fraction

_NUMBER = r"(?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_SIZE = re.compile(_NUMBER + r"\s*(?P<unit>[kmgtp]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_DURATION = re.compile(_NUMBER + r"\s*(?P<unit>ns|us|ms|s|m|h|d)?", re.ASCII)
_SIZE_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_DURATION_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_MAX = 2**63 - 1


def parse_size(value: str | int) -> int:
    """Bytes meant by "64m", "1g", "512k", "1.5GiB", "4096" or 4096.

    Units are powers of 1024 and case does not matter, as in docker's and podman's options.

    Raises:
        UsageError: Not a size, negative, not a whole number of bytes, or beyond 2**63-1.
    """
    from fractions import Fraction  # 2 ms, which those that only show sizes do without

    if isinstance(value, int):
        return _checked(Fraction(value), "size", str(value))
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise UsageError(f'"{value}" is not a size; write bytes, or k, m, g as in "64m"')
    unit = 1024 ** _SIZE_POWER[match["unit"].lower()]
    return _checked(Fraction(match["number"]) * unit, "size", value)


def parse_duration_ns(value: str | int | float) -> int:
    """Nanoseconds meant by "10", "1.5s", "200ms", "2m", "1h" or a number of seconds.

    Raises:
        UsageError: Not a duration, negative, finer than 1 ns, or beyond 2**63-1 ns.
    """
    from fractions import Fraction

    text = repr(value) if isinstance(value, float) else str(value).strip()
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(f'"{value}" is not a duration; write "1.5" (seconds) or "200ms"')
    unit_ns = _DURATION_NS[match["unit"] or "s"]
    return _checked(Fraction(match["number"]) * unit_ns, "duration", text)


def format_size(size_bytes: int) -> str:
    """Short text for tables: 0 → "0B", 1536 → "1.5KiB", 67108864 → "64MiB"."""
    if size_bytes < 1024:
        return f"{size_bytes}B"
    power = min((size_bytes.bit_length() - 1) // 10, 5)
    tenths = (size_bytes * 10 + 1024**power // 2) // 1024**power
    if tenths >= 10240 and power < 5:
        power, tenths = power + 1, 10
    whole, tenth = divmod(tenths, 10)
    unit = f"{'KMGTP'[power - 1]}iB"
    return f"{whole}.{tenth}{unit}" if tenth else f"{whole}{unit}"


def format_decimal(size_bytes: int) -> str:
    """Docker's short text, in powers of 1000 and four digits: 1500 → "1.5kB", 16431000 →
    "16.43MB"."""
    amount, unit = float(size_bytes), 0
    while amount >= 1000 and unit < 5:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.4g}{('B', 'kB', 'MB', 'GB', 'TB', 'PB')[unit]}"


def format_moment(unix_ns: int) -> str:
    """A moment as docker's JSON has it, to the second: "2026-12-01T09:05:13Z"."""
    from datetime import UTC, datetime  # most verbs show no moment

    return datetime.fromtimestamp(unix_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_duration(duration_ns: int) -> str:
    """Short text for tables, rounded down: 1_500_000 → "1ms", 90 s → "1m30s", 2 h → "2h0m"."""
    seconds = duration_ns // 1_000_000_000
    if seconds == 0:
        return f"{duration_ns // 1_000_000}ms"
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60}s"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds % 3600 // 60}m"
    return f"{seconds // 86400}d{seconds % 86400 // 3600}h"


def format_span(span_ns: int) -> str:
    """A span in docker's words, for ages: "3 seconds", "About an hour", "11 months"."""
    seconds = span_ns // 1_000_000_000
    hours = (seconds + 1800) // 3600
    if seconds < 60:
        return _counted(seconds, "second") if seconds else "Less than a second"
    if seconds < 3600:
        return "About a minute" if seconds < 120 else f"{seconds // 60} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    days = hours // 24
    for least, length, unit in ((730, 365, "years"), (60, 30, "months"), (14, 7, "weeks")):
        if days >= least:
            return f"{days // length} {unit}"
    return f"{days} days"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _checked(amount: Fraction, kind: str, text: str) -> int:
    if amount < 0 or amount > _MAX:
        raise UsageError(f'"{text}" is not a {kind}: it must lie between 0 and 2^63-1')
    if amount.denominator != 1:
        raise UsageError(f'"{text}" is not a whole {kind}; write a finer unit')
    return int(amount)
