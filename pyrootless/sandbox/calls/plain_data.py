"""Plain data as text, and back: what crosses the wall between a teacher's tests and a
student's program.

What comes in: None, bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict.
What goes out: JSON; what JSON has no word for is an object with one key, "$" and its kind.
Must never: make anything but these types, execute anything, import anything that is not in the
standard library: this file runs on both sides, and on the student's it stands alone.

A value of a subclass (a Counter, a named tuple, an object that claims to equal everything)
becomes a value of the plain type below it.
"""

from __future__ import annotations

import base64
import json

TYPE_CHECKING = False  # as typing's, which costs a student's run six milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DEPTH_MAX = 100
COMPARED_MAX = 1 << 21
"""Parts of values that may be compared for sets and dicts of one text: a tenth of a second."""
_LARGE_BITS = 1000


class CostlyError(ValueError):
    """To make the value would take long: too much in it has one hash."""


def to_text(value: object) -> str:
    """JSON of a value.

    Raises:
        TypeError: Something in it is no plain data.
        ValueError: It is nested too deeply, or holds itself.
    """
    return json.dumps(_pack(value, DEPTH_MAX), ensure_ascii=True, allow_nan=False)


def from_text(text: str | bytes) -> object:
    """The value of such JSON.

    Raises:
        ValueError: It is not what `to_text` makes; CostlyError: or hostile.
    """
    try:
        return _Maker().make(json.loads(text, parse_constant=_refuse), DEPTH_MAX)
    except (RecursionError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"no plain data: {type(error).__name__}") from None


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is no plain data")


def _pack(value: object, depth: int) -> object:
    if depth == 0:
        raise ValueError("the value is nested too deeply")
    for kind, pack in _PACKERS:
        if isinstance(value, kind):
            return pack(value, depth - 1)
    raise TypeError(f"{type(value).__name__} is no plain data")


def _pack_int(value: int, depth: int) -> object:
    return {"$int": hex(value)} if int.bit_length(value) > _LARGE_BITS else int.__int__(value)


def _pack_float(value: float, depth: int) -> object:
    text = float.__repr__(value)
    return {"$float": text} if text.strip("-") in ("nan", "inf") else float.__float__(value)


def _pack_complex(value: complex, depth: int) -> object:
    parts = (complex.__getattribute__(value, "real"), complex.__getattribute__(value, "imag"))
    return {"$complex": [_pack_float(part, depth) for part in parts]}


def _pack_str(value: str, depth: int) -> object:
    return str.__str__(value)


def _pack_bytes(value: bytes | bytearray, depth: int) -> object:
    return {"$bytes": base64.b64encode(bytes(memoryview(value))).decode()}


def _pack_list(value: list[Any], depth: int) -> object:
    return [_pack(item, depth) for item in list.__iter__(value)]


def _pack_tuple(value: tuple[Any, ...], depth: int) -> object:
    return {"$tuple": [_pack(item, depth) for item in tuple.__iter__(value)]}


def _pack_set(value: set[Any], depth: int) -> object:
    return {"$set": [_pack(item, depth) for item in set.__iter__(value)]}


def _pack_frozenset(value: frozenset[Any], depth: int) -> object:
    return {"$frozenset": [_pack(item, depth) for item in frozenset.__iter__(value)]}


def _pack_dict(value: dict[Any, Any], depth: int) -> object:
    rows = list(dict.items(value))
    if all(type(key) is str and not key.startswith("$") for key, _ in rows):
        return {key: _pack(item, depth) for key, item in rows}
    return {"$dict": [[_pack(key, depth), _pack(item, depth)] for key, item in rows]}


_PACKERS: list[tuple[Any, Callable[[Any, int], object]]] = [
    (bool, lambda value, depth: value),
    (int, _pack_int),
    (float, _pack_float),
    (complex, _pack_complex),
    (str, _pack_str),
    ((bytes, bytearray), _pack_bytes),
    (list, _pack_list),
    (tuple, _pack_tuple),
    (set, _pack_set),
    (frozenset, _pack_frozenset),
    (dict, _pack_dict),
    (type(None), lambda value, depth: None),
]


class _Maker:
    """One value being made from its text.

    A set compares values of one hash with each other, and whoever wrote the text may have
    chosen them so: thousands of long tuples, equal but for their ends. What would be compared
    is counted before a set is made, and the counting itself counts.
    """

    def __init__(self) -> None:
        self._left = COMPARED_MAX

    def make(self, value: object, depth: int) -> object:
        if depth == 0:
            raise ValueError("nested too deeply")
        if isinstance(value, list):
            return [self.make(item, depth - 1) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((key, content),) = value.items()
            if key.startswith("$"):
                return self._make_kind(key, content, depth - 1)
        return {key: self.make(item, depth - 1) for key, item in value.items()}

    def _make_kind(self, kind: str, content: Any, depth: int) -> object:
        if kind == "$int":
            return int(content, 16)
        if kind == "$float":
            return float(content)
        if kind == "$bytes":
            return base64.b64decode(content, validate=True)
        items = self.make(content, depth)
        if not isinstance(items, list):
            raise ValueError(f"{kind} without a list")
        if kind == "$tuple":
            return tuple(items)
        if kind == "$complex":
            return complex(*items)
        if kind in ("$set", "$frozenset"):
            self._check_hashes(items)
            return set(items) if kind == "$set" else frozenset(items)
        if kind == "$dict":
            self._check_hashes([key for key, _ in items])
            return dict(items)
        raise ValueError(f"{kind[:20]} is not known")

    def _check_hashes(self, items: list[Any]) -> None:
        """Each value is compared with those of its hash that came before it."""
        alike: dict[int, int] = {}
        for item in items:
            number = hash(item)
            before = alike.get(number, 0)
            if before:
                self._spend(before * self._parts(item))
            alike[number] = before + 1

    def _parts(self, value: object) -> int:
        """How much there is to compare in it.

        A set looks each of its values up in another, where it meets all that have its hash.
        """
        self._spend(1)
        if isinstance(value, tuple):
            return 1 + sum(map(self._parts, value))
        if isinstance(value, frozenset):
            alike: dict[int, int] = {}
            for item in value:
                alike[hash(item)] = alike.get(hash(item), 0) + 1
            return 1 + sum(self._parts(item) * alike[hash(item)] for item in value)
        if isinstance(value, str | bytes):
            return 1 + len(value) // 64
        return 1 + value.bit_length() // 512 if isinstance(value, int) else 1

    def _spend(self, parts: int) -> None:
        self._left -= parts
        if self._left < 0:
            raise CostlyError("too many values of one hash")
