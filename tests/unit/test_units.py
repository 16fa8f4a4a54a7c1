"""pyrootless.units: exact numbers in, exact text out."""

from __future__ import annotations

import pytest

from pyrootless import units
from pyrootless.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("4096", 4096),
        (4096, 4096),
        ("64m", 67108864),
        ("64MB", 67108864),
        ("1g", 1073741824),
        ("1.5GiB", 1610612736),
        ("512K", 524288),
        (" 7b ", 7),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_parse_size(text: str | int, size_bytes: int) -> None:
    assert units.parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "-1",
        -1,
        "1.2",
        "1e9",
        "64 mm",
        "1,5g",
        "9223372036854775808",
        "8192p",
        "٣",
        "nan",
    ],
)
def test_parse_size_refuses(text: str | int) -> None:
    with pytest.raises(UsageError):
        units.parse_size(text)


@pytest.mark.parametrize(
    ("value", "duration_ns"),
    [
        ("10", 10_000_000_000),
        (10, 10_000_000_000),
        (0.1, 100_000_000),
        ("1.5s", 1_500_000_000),
        ("200ms", 200_000_000),
        (".5", 500_000_000),
        ("2m", 120_000_000_000),
        ("1h", 3_600_000_000_000),
    ],
)
def test_parse_duration(value: str | int | float, duration_ns: int) -> None:
    assert units.parse_duration_ns(value) == duration_ns


@pytest.mark.parametrize("value", ["", "-1", "1.5ns", "1 y", "inf", float("inf"), -0.5, "1h30"])
def test_parse_duration_refuses(value: str | float) -> None:
    with pytest.raises(UsageError):
        units.parse_duration_ns(value)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1KiB"),
        (1536, "1.5KiB"),
        (1048575, "1MiB"),
        (67108864, "64MiB"),
        (2**50, "1PiB"),
        (2**63, "8192PiB"),
    ],
)
def test_format_size(size_bytes: int, text: str) -> None:
    assert units.format_size(size_bytes) == text


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0ms"),
        (1_500_000, "1ms"),
        (59_999_999_999, "59s"),
        (90_000_000_000, "1m30s"),
        (7_200_000_000_000, "2h0m"),
        (90_000_000_000_000, "1d1h"),
    ],
)
def test_format_duration(duration_ns: int, text: str) -> None:
    assert units.format_duration(duration_ns) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (5400, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (59 * 86400, "8 weeks"),
        (60 * 86400, "2 months"),
        (334 * 86400 + 8 * 3600, "11 months"),
        (730 * 86400, "2 years"),
    ],
)
def test_format_span(seconds: int, text: str) -> None:
    assert units.format_span(seconds * 1_000_000_000) == text
