"""Plain data ↔ text: every kind, what is refused, and what a hostile side may send."""

from __future__ import annotations

import enum
import itertools
import json
import math
from collections import Counter, OrderedDict, namedtuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrootless.sandbox.calls.plain_data import CostlyError, from_text, to_text

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
    | st.text() | st.binary() | st.complex_numbers(allow_nan=False)
)  # fmt: skip
KEYS = st.integers() | st.text() | st.binary() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.sets(KEYS) | st.frozensets(KEYS)
        | st.dictionaries(KEYS, inner)
    ),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
def test_round(value: Any) -> None:
    found = from_text(to_text(value))
    assert found == value
    assert type(found) is type(value)


def test_kinds_that_compare_equal_stay_apart() -> None:
    for value in (True, 1, 1.0, (1,), [1], {"$set": [1]}, {1}, b"a", "a", -math.inf):
        assert repr(from_text(to_text(value))) == repr(value)
    assert from_text(to_text(10**5000)) == 10**5000
    assert math.isnan(from_text(to_text(math.nan)))  # type: ignore[arg-type]


class Liar(list[int]):
    """Equal to everything."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __iter__(self) -> Any:
        raise RuntimeError("asked")


class Color(enum.IntEnum):
    RED = 3


def test_subclasses_become_what_is_below_them() -> None:
    pair = namedtuple("pair", "a b")
    given = [Liar([1]), Color.RED, Counter("aab"), OrderedDict(a=1), pair(1, 2)]
    found = from_text(to_text(given))
    assert found == [[1], 3, {"a": 2, "b": 1}, {"a": 1}, (1, 2)]
    assert [type(item) for item in found] == [list, int, dict, dict, tuple]  # type: ignore[attr-defined]


class Posing:
    """Says it is a number."""

    __class__ = int  # type: ignore[assignment]


def test_refused_on_the_way_out() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value in (object(), Posing(), len, [1, {2: object()}]):
        with pytest.raises(TypeError):
            to_text(value)
    with pytest.raises(ValueError, match="nested"):
        to_text(endless)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "NaN", '{"$nope":[]}', '{"$set":[[1]]}', '{"$set":3}', '{"$dict":[1]}',
        '{"$int":"zz"}', '{"$int":5}', '{"$float":[]}',
        '{"$bytes":"%"}', '{"$complex":[1,2,3]}',
        "[" * 5000 + "]" * 5000, '{"$set":' * 200, b"\xff\xfe",
    ],
)  # fmt: skip
def test_refused_on_the_way_in(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        from_text(text)


PRIME = 2**61 - 1  # numbers that are alike modulo this have one hash


HOSTILE = {
    "numbers": {"$set": [PRIME * n for n in range(6_000)]},
    "few long tuples": {
        "$set": [{"$tuple": [*[0] * 1000, PRIME * n]} for n in range(1000)],
    },
    "keys": {"$dict": [[{"$tuple": [*[0] * 1000, PRIME * n]}, 0] for n in range(1000)]},
    "long texts": {"$set": [{"$tuple": ["x" * 4000, PRIME * n]} for n in range(1000)]},
    "large numbers": {
        "$set": [{"$int": hex(2**16000 // PRIME * PRIME + PRIME * n)} for n in range(1000)]
    },
    "many sets": [{"$set": [PRIME * n for n in range(1000)]} for _ in range(200)],
    "sets of sets": {
        "$set": [
            {"$frozenset": [*[PRIME * k for k in range(100)], PRIME * n]}
            for n in range(100, 1000)
        ]
    },
    "the same again": {"$set": [{"$tuple": [0] * 400}] * 400},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_values_of_one_hash_are_refused(kind: str) -> None:
    """60,000 such numbers would take minutes to put into a set."""
    with pytest.raises(CostlyError, match="one hash"):
        from_text(json.dumps(HOSTILE[kind]))


def test_natural_likeness_is_taken() -> None:
    """-1 and -2 have one hash, and so have all tuples of them."""
    grid = {(x, y, z) for x in range(-9, 9) for y in range(-9, 9) for z in range(-9, 9)}
    assert from_text(to_text(grid)) == grid
    signs = set(itertools.product((-1, -2), repeat=9))
    assert len({hash(item) for item in signs}) == 1
    assert from_text(to_text(signs)) == signs
    nested = {frozenset({(-1, n), (-2, n)}) for n in range(500)}
    assert from_text(to_text(nested)) == nested
