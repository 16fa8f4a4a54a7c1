"""The corpus of each parser in Python, and all its neighbours by one byte.

In: fuzz_parsers.py and corpus/NAME/.  Out: no exception but those that a parser promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz_parsers import PARSERS

HERE = Path(__file__).resolve().parent
OTHERS = b'\x00"\\{[0-.:/@%\x80\xff'
MOST_NEIGHBOURS = 600
"""Places of a file that are changed: more of them are taken at even distances."""


def neighbours(data: bytes) -> Iterator[bytes]:
    """The bytes, and with one byte changed, left out or doubled, or the end cut off."""
    yield data
    for at in range(0, len(data), -(-len(data) // MOST_NEIGHBOURS) or 1):
        before, after = data[:at], data[at + 1 :]
        yield before
        yield before + after
        yield before + data[at : at + 1] * 2 + after
        yield before + OTHERS[at % len(OTHERS) :][:1] + after


@pytest.mark.parametrize("name", PARSERS)
def test_replay(name: str) -> None:
    corpus = sorted((HERE / "corpus" / name).iterdir())
    assert len(corpus) >= 3
    for path in corpus:
        for data in neighbours(path.read_bytes()):
            PARSERS[name](data)
