"""pyrootless.sandbox.judge.excerpts: what people are shown of much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrootless.sandbox.judge.excerpts import LINES, begin_of, end_of, first_error

GCC = (
    b"In file included from main.c:1:\nadd.h: In function 'add':\nadd.h:1:30: warning: unused\n"
    b"main.c:3:5: error: 'x' undeclared (first use in this function)\nmain.c:4: error: later\n"
)
GO = b"# command-line-arguments\n./main.go:4:2: undefined: x\n./main.go:5:2: undefined: y\n"
ERRORS = [
    (GCC, "main.c:3:5: error: 'x' undeclared (first use in this function)"),
    (GO, "./main.go:4:2: undefined: x"),
    (
        b"error[E0425]: cannot find value\n --> ./main.rs:1:13\n",
        "error[E0425]: cannot find value",
    ),
    (b"\n  CE: TLE\n", "CE: TLE"),
    (b"collect2: error: \x1b[2Jld\xff\r\n", "collect2: error: \\x1b[2Jld\\xff"),
    (b"error " + b"x" * 9999, "error " + "x" * 294),
    (b"", ""),
    (b"\n\n", ""),
]


@pytest.mark.parametrize(("log", "line"), ERRORS)
def test_the_first_error(log: bytes, line: str) -> None:
    assert first_error(log) == line


@given(st.text(), st.integers(1, 40))
def test_no_character_is_cut(text: str, most: int) -> None:
    data = text.encode()
    begin, end = begin_of(data, most), end_of(data, most)
    assert data.startswith(begin) and data.endswith(end)
    assert max(len(begin), len(end)) <= most
    assert begin.decode() + end.decode() is not None
    if len(data) <= most:
        assert begin == data
    else:
        assert len(begin) > most - 4


@given(st.binary(), st.integers(1, 40))
def test_bytes_that_are_no_text_are_cut_all_the_same(data: bytes, most: int) -> None:
    assert data.startswith(begin_of(data, most)) and data.endswith(end_of(data, most))


def test_the_last_lines() -> None:
    data = b"".join(b"%d\n" % number for number in range(1000))
    assert end_of(data, 4096).splitlines()[0] == b"%d" % (1000 - LINES)
    assert end_of(b"a\nb", 4096) == b"a\nb"
