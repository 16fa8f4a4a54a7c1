"""Parts of what programs wrote, for people: a begin, an end, the first error.

What comes in: bytes of a compiler or a program. What goes out: fewer of them.
Must never: cut a character of UTF-8 in two, take longer than what it reads is long.
"""

from __future__ import annotations

import re

from pyrootless.printable import printable_bytes

LINES = 40
_LINE_BYTES = 300
_CONTINUED = range(0x80, 0xC0)
_ERROR = re.compile(rb"\berror\b", re.IGNORECASE)
_PLACE = re.compile(rb"[^\s:]{1,255}:\d+:")
"""How compilers name a line that is wrong: "main.go:3:1: …"."""


def begin_of(data: bytes, most: int) -> bytes:
    """The first bytes, no more than `most`."""
    if len(data) <= most:
        return data
    end = most
    while end > most - 3 and data[end] in _CONTINUED:
        end -= 1
    return data[:end] if data[end] not in _CONTINUED else data[:most]


def end_of(data: bytes, most: int) -> bytes:
    """The last lines, no more than `LINES` and `most` bytes."""
    start = max(0, len(data) - most)
    while 0 < start < len(data) and start < len(data) - most + 3 and data[start] in _CONTINUED:
        start += 1
    return b"".join(data[start:].splitlines(keepends=True)[-LINES:])


def first_error(log: bytes) -> str:
    """The line of a compiler's output that says what is wrong, printable; "" for no output."""
    lines = [line[:_LINE_BYTES].strip() for line in log.split(b"\n")]
    lines = [line for line in lines if line]
    for pattern in (_ERROR, _PLACE):
        for line in lines:
            if pattern.search(line):
                return printable_bytes(line)
    return printable_bytes(next(iter(lines), b""))
