"""pyrootless.images.signals: names of signals → numbers."""

from __future__ import annotations

import pytest

from pyrootless.errors import UsageError
from pyrootless.images.signals import parse_signal, signal_name


@pytest.mark.parametrize(
    ("text", "number"),
    [("SIGTERM", 15), ("quit", 3), ("9", 9), ("SIGRTMIN+3", 37), ("RTMAX-1", 63), ("rtmin", 34),
     ("64", 64), ("SIGCLD", 17)],
)  # fmt: skip
def test_signals(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize(
    ("number", "name"),
    [(15, "SIGTERM"), (34, "SIGRTMIN"), (37, "SIGRTMIN+3"), (64, "SIGRTMIN+30")],
)
def test_names(number: int, name: str) -> None:
    assert signal_name(number) == name
    assert parse_signal(name) == number


@pytest.mark.parametrize(
    "text", ["", "0", "65", "TERMINATE", "RTMIN+31", "RTMAX+1", "-9", "9.", "٣"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="is not a signal"):
        parse_signal(text)
