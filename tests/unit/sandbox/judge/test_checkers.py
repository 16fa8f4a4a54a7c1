"""sandbox.judge.checkers: what is right, and where the first difference is said to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrootless.errors import UsageError
from pyrootless.sandbox.judge.checkers import RIGHT, Check, Finding, compare

RIGHTS = [
    ("exact", b"a\n", b"a\n"),
    ("exact", b"\x00\xff", b"\x00\xff"),
    ("lines", b"a  \nb\n\n", b"a\nb"),
    ("lines", b"a\r\nb\r\n", b"a\nb\n"),
    ("tokens", b" 1   2\n3", b"1 2 3\n"),
    ("tokens", b"", b" \n"),
    ("unordered", b"b\na\na\n", b"a\nb\na"),
    ("float", b"1.00", b"1"),
    ("float", b"nan -inf", b"nan -inf"),
]
WRONGS = [
    ("exact", b"a", b"a\n", "byte 2 (line 1) differs; 1 bytes, not 2"),
    ("exact", b"x\nyz", b"x\nyy", "byte 4 (line 2) differs; 4 bytes, not 4"),
    ("lines", b"a\nc", b"a\nb", 'line 2 is "c", not "b"'),
    ("lines", b" a", b"a", 'line 1 is " a", not "a"'),
    ("tokens", b"1 2", b"1 2 3", 'it ends before word 3: "3"'),
    ("tokens", b"1 2 3", b"1 2", 'word 3 is one too many: "3"'),
    ("tokens", b"\xff<b>\x1b[31m", b"ok", 'word 1 is "\\xff<b>\\x1b[31m", not "ok"'),
    ("tokens", b"9" * 80, b"1", f'word 1 is "{"9" * 60}…", not "1"'),
    ("unordered", b"a\na", b"a\nb", 'the line "b" is missing'),
    ("unordered", b"a\nb\nb", b"a\nb", 'the line "b" is one too many'),
    ("float", b"1e5_0", b"1e5", 'word 1 is "1e5_0", not "1e5"'),
    ("float", b"nan", b"1", 'word 1 is "nan", not "1"'),
    ("float", b"inf", b"1e400", 'word 1 is "inf", not "1e400"'),
    ("float", b"0x10", b"16", 'word 1 is "0x10", not "16"'),
]


@pytest.mark.parametrize(("kind", "actual", "expected"), RIGHTS)
def test_right_answers(kind: str, actual: bytes, expected: bytes) -> None:
    assert compare(Check(kind), actual, expected) == RIGHT  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "actual", "expected", "text"), WRONGS)
def test_wrong_answers(kind: str, actual: bytes, expected: bytes, text: str) -> None:
    check = Check(kind)  # type: ignore[arg-type]
    assert compare(check, actual, expected) == Finding(False, text)


@pytest.mark.parametrize(
    ("actual", "absolute", "relative", "accepted"),
    [
        (b"0.5", 0.5, 0.0, True),
        (b"1.5000001", 0.5, 0.0, False),
        (b"1.25", 0.0, 0.25, True),
        (b"0.749", 0.0, 0.25, False),
        (b"1.2", 0.1, 0.25, True),
        (b"1e9999", 1e300, 0.0, False),
    ],
)
def test_how_far_a_number_may_be_off(
    actual: bytes, absolute: float, relative: float, accepted: bool
) -> None:
    check = Check("float", absolute=absolute, relative=relative)
    assert compare(check, actual, b"1").accepted is accepted


def test_a_program_is_not_compared() -> None:
    with pytest.raises(UsageError, match='kind "program" compares nothing'):
        compare(Check("program", program="check.py"), b"", b"")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_every_kind_takes_any_bytes_and_itself_is_right(one: bytes, other: bytes) -> None:
    for kind in ("exact", "lines", "tokens", "unordered", "float"):
        check = Check(kind, absolute=1e-9)  # type: ignore[arg-type]
        assert compare(check, one, one) == RIGHT
        found = compare(check, one, other)
        assert found.accepted is (found.text == "")
