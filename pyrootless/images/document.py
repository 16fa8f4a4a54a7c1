"""JSON from strangers: bytes → checked values, with words for what is wrong.

What comes in: a document's bytes and what it is called in messages.
What goes out: objects, texts, lists and numbers of exactly the asked type.
Must never: accept a key twice, a number that is none, a text that cannot be written as UTF-8,
nesting or sizes without a bound; open a file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pyrootless.errors import IntegrityError

MAX_BYTES = 4 * 1024 * 1024
"""Of a manifest or an image's configuration; registries refuse larger manifests too."""
MAX_DEPTH = 32
MAX_SIZE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Node:
    """An object of a document, and where it stands.

    Attributes:
        members: Its keys and values.
        place: For messages: "manifest", "manifest: layers[2]".
    """

    members: dict[str, Any]
    place: str

    def text(self, key: str, default: str | None = None) -> str:
        """A text; the default when the key is missing or null; None: it must be there."""
        value = self.members.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self.wrong(key, "must be a text")
        return value

    def size(self, key: str) -> int:
        """A whole number from 0 to 2^63-1."""
        value = self.members.get(key)
        if type(value) is not int or not 0 <= value <= MAX_SIZE:
            raise self.wrong(key, "must be a whole number of bytes")
        return value

    def number(self, key: str) -> int:
        """A whole number of 64 bits, 0 when it is missing or null."""
        value = self.members.get(key)
        if value is None:
            return 0
        if type(value) is not int or abs(value) > MAX_SIZE:
            raise self.wrong(key, "must be a whole number")
        return value

    def flag(self, key: str) -> bool:
        """True or false, false when it is missing or null."""
        value = self.members.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return bool(value)

    def child(self, key: str) -> Node:
        """An object, empty when it is missing or null."""
        value = self.members.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(key, "must be an object")
        return Node(value or {}, f"{self.place}: {key}")

    def children(self, key: str) -> list[Node]:
        """A list of objects, empty when it is missing or null."""
        found = []
        for number, value in enumerate(self._list(key)):
            if not isinstance(value, dict):
                raise self.wrong(f"{key}[{number}]", "must be an object")
            found.append(Node(value, f"{self.place}: {key}[{number}]"))
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty when it is missing or null."""
        values = self._list(key)
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(key, "must be a list of texts")
        return tuple(values)

    def pairs(self, key: str) -> dict[str, str]:
        """An object of texts, empty when it is missing or null."""
        members = self.child(key).members
        if not all(isinstance(value, str) for value in members.values()):
            raise self.wrong(key, "must be an object of texts")
        return dict(members)

    def wrong(self, key: str, why: str) -> IntegrityError:
        """The exception for one of its members."""
        return IntegrityError(f'{self.place}: "{key}" {why}')

    def _list(self, key: str) -> list[Any]:
        value = self.members.get(key)
        if value is not None and not isinstance(value, list):
            raise self.wrong(key, "must be a list")
        return value or []


def parse_document(raw: bytes, place: str) -> Node:
    """A JSON object's bytes, checked as far as it can be without knowing its meaning.

    Args:
        raw: UTF-8, at most MAX_BYTES.
        place: What to call it in messages.

    Raises:
        IntegrityError: It is too large, too deep, no JSON object, or has a key twice.
    """
    if len(raw) > MAX_BYTES:
        raise IntegrityError(f"{place}: {len(raw)} bytes are more than the {MAX_BYTES} allowed")
    try:
        found = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
        _check_values(found)
    except RecursionError:
        raise IntegrityError(f"{place}: nested more than {MAX_DEPTH} deep") from None
    except (ValueError, UnicodeError) as error:
        raise IntegrityError(f"{place}: not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise IntegrityError(f"{place}: must be a JSON object")
    return Node(found, place)


def encode_document(members: dict[str, Any]) -> bytes:
    """An object as JSON: no space, keys in the given order, UTF-8; equal in, equal out."""
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f'"{key}" stands twice')
        found[key] = value
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _check_values(found: Any) -> None:
    """Depth, and texts that have no UTF-8 form (lone halves of surrogate pairs)."""
    level = [found]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and not value.isascii():
                value.encode()
        if not below:
            return
        level = below
    raise RecursionError
