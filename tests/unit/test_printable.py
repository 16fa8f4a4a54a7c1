"""pyrootless.printable: nothing a terminal obeys, nothing that cannot be written."""

from __future__ import annotations

import os

import pytest

from pyrootless.printable import printable, printable_bytes, printable_name

NAMES = [
    (b"ann", "ann"),
    ("Zoë 李".encode(), "Zoë 李"),
    (b"m\xfcller", "m\\udcfcller"),
    (b"\x1b[2J\x07", "\\x1b[2J\\x07"),
    ("\x9b2J".encode(), "\\x9b2J"),
    ("a\u202eb\u200b".encode(), "a\\u202eb\\u200b"),
    (b"a\nb\r\tc", "a\\nb\\r\\tc"),
    (b"a\\x1b", "a\\\\x1b"),
]


@pytest.mark.parametrize(("raw", "shown"), NAMES)
def test_names(raw: bytes, shown: str) -> None:
    assert printable_name(os.fsdecode(raw)) == shown
    assert shown.encode().decode().isprintable()


def test_no_two_names_look_alike() -> None:
    texts = [b"a\x1b", b"a\\x1b", b"a\\\\x1b", b"a\xff", b"a\\udcff", "a\xff".encode()]
    assert len({printable_name(os.fsdecode(text)) for text in texts}) == len(texts)


def test_texts_keep_what_they_are_told() -> None:
    assert printable("a\n\tb\x1b", kept="\n\t") == "a\n\tb\\x1b"
    assert printable_bytes(b"a\r\n\x1b[31m\xff\n") == "a\n\\x1b[31m\\xff\n"
