"""pyrootless.cli.table: columns that fit, and cells that only show."""

from __future__ import annotations

from pyrootless.cli.table import format_rows


def test_columns_are_as_wide_as_what_is_shown() -> None:
    rows = [("NAME", "SIZE"), ("a\x1b[2J", "1"), ("b", "22")]
    assert format_rows(rows) == "NAME      SIZE\na\\x1b[2J  1\nb         22\n"
