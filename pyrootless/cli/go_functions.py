"""Functions of Go's text/template and of docker's `--format`, and how Go prints a value.

What comes in: plain values.  What goes out: plain values, text.
Must never: print, read anything.

Source: pkg.go.dev/text/template, fmt; docker's formatting page.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus

_HTML = str.maketrans({
    "<": "&lt;", ">": "&gt;", "&": "&amp;", "'": "&#39;", '"': "&#34;", "\0": "\ufffd",
})  # fmt: skip
_JS = str.maketrans({
    "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D", "'": "\\'",
})  # fmt: skip
NO_VALUE = object()
"""What an index of a map gives where there is no such key."""
_EXPONENT_FROM = 6
_MAX_WIDTH = 10_000
_VERB = re.compile(r"%([-+# 0]*)([0-9]*)(?:\.([0-9]*))?(.)", re.DOTALL)


def truth(value: Any) -> bool:
    """Whether `if` takes a value for true: not what is empty, zero or nothing."""
    return value is not NO_VALUE and bool(value)


def show(value: Any) -> str:
    """A value as fmt.Print writes it."""
    if value is NO_VALUE:
        return "<no value>"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, dict):
        rows = sorted(value.items(), key=lambda row: str(row[0]))
        return f"map[{' '.join(f'{show(key)}:{show(item)}' for key, item in rows)}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(map(show, value))}]"
    return str(value)


def _float(value: float) -> str:
    """%v of a float64: the shortest digits, an exponent below 1e-4 and from 1e6 on."""
    if not math.isfinite(value):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    digits, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
    power = int(exponent) if value else 0
    if value and (power < -4 or power >= _EXPONENT_FROM):
        return f"{digits}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return f"{Decimal(repr(value)).normalize():f}"


def _print(*values: Any) -> str:
    """Blanks between two operands when neither is a text."""
    found: list[str] = []
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            found.append(" ")
        found.append(show(value))
    return "".join(found)


def _printf(form: str, *values: Any) -> str:
    left = list(values)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not left:
            return f"%!{verb}(MISSING)"
        text = _verb(verb, precision, flags, left.pop(0))
        wide = min(int(width or 0), _MAX_WIDTH)
        if "-" in flags:
            return text.ljust(wide)
        if "0" in flags and verb in "dxXof":
            sign = text[:1] if text[:1] in "+-" else ""
            return sign + text[len(sign) :].rjust(wide - len(sign), "0")
        return text.rjust(wide)

    made = _VERB.sub(one, form)
    extra = ", ".join(f"{_kind(value)}={show(value)}" for value in left)
    return f"{made}%!(EXTRA {extra})" if extra else made


def _verb(verb: str, precision: str | None, flags: str, value: Any) -> str:
    digits = None if precision is None else min(int(precision or 0), _MAX_WIDTH)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if verb == "v":
        return show(value)
    if verb == "s" and not whole and not isinstance(value, bool | float):
        text = show(value)
        return text if digits is None else text[:digits]
    if verb == "q" and isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if verb == "t" and isinstance(value, bool):
        return show(value)
    if verb in "dxXo" and whole:
        return format(value, ("+" if "+" in flags else "") + verb)
    if verb in "fFeEgG" and isinstance(value, float):
        return format(value, f".{6 if digits is None else digits}{verb}")
    if verb == "T":
        return _kind(value)
    return f"%!{verb}({_kind(value)}={show(value)})"


def _kind(value: Any) -> str:
    names = {bool: "bool", int: "int", float: "float64", str: "string", type(None): "<nil>"}
    return names.get(type(value), "map[string]interface {}" if isinstance(value, dict)
                     else "[]interface {}")  # fmt: skip


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            texts = all(isinstance(item, str) for item in value.values())
            value = value.get(key, "" if texts else NO_VALUE)
        elif isinstance(value, list | tuple | str):
            value = _bytes(value) if isinstance(value, str) else value
            if isinstance(key, bool) or not isinstance(key, int):
                raise ValueError(f"cannot index slice/array with type {_kind(key)}")
            if not 0 <= key < len(value):
                raise ValueError(f"index out of range: {key}")
            value = value[key]
        else:
            raise ValueError(f"can't index item of type {_kind(value)}")
    return value


def _slice(value: Any, *ends: int) -> Any:
    if len(ends) > 2 or any(not 0 <= end <= len(value) for end in ends) or (
        len(ends) == 2 and ends[0] > ends[1]
    ):  # fmt: skip
        raise ValueError(f"index out of range: {show(list(ends))}")
    return value[ends[0] if ends else 0 : ends[1] if len(ends) > 1 else None]


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise ValueError("missing argument for comparison")
    return any(_comparable(first, other) and first == other for other in others)


def _comparable(first: Any, other: Any) -> bool:
    if first is None or other is None:
        return True
    if type(first) is not type(other):
        raise ValueError("incompatible types for comparison")
    return True


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def run(first: Any, other: Any) -> bool:
        _comparable(first, other)
        return bool(compare(first, other))

    return run


def _json(value: Any) -> str:
    if value is NO_VALUE:
        return "null"
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if not callable(item)}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda _: None)


def _join(values: Any, separator: str) -> str:
    if not isinstance(values, list | tuple) or not all(isinstance(v, str) for v in values):
        raise ValueError("join takes a list of texts")
    return separator.join(values)


def _pad(text: str, before: int, after: int) -> str:
    if not text:
        return text
    return " " * min(before, _MAX_WIDTH) + text + " " * min(after, _MAX_WIDTH)


def _truncate(text: str, length: int) -> str:
    """Of its bytes."""
    return text if len(_bytes(text)) < length else _text(_bytes(text)[: max(0, length)])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _title(text: str) -> str:
    """A letter after what is no letter, digit or "_"; beyond ASCII only a blank is such."""
    before = " "
    out = []
    for char in text:
        inside = before.isalnum() or before == "_" or (before > "\x7f" and not before.isspace())
        out.append(char if inside else char.title())
        before = char
    return "".join(out)


def _escape_js(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1].translate(_JS)


def _texts(function: Callable[[str], Any]) -> Callable[[str], Any]:
    def run(text: str) -> Any:
        if not isinstance(text, str):
            raise ValueError(f"wrong type for value; expected string; got {_kind(text)}")
        return function(text)

    return run


def _apply(function: Callable[..., Any], *values: Any) -> Any:
    if not callable(function):
        raise ValueError("call of a value that is no function")
    return function(*values)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "call": _apply,
    "eq": _equal,
    "ge": _ordered(lambda a, b: a >= b),
    "gt": _ordered(lambda a, b: a > b),
    "html": lambda *values: _print(*values).translate(_HTML),
    "index": _index,
    "join": _join,
    "js": lambda *values: _escape_js(_print(*values)),
    "json": _json,
    "le": _ordered(lambda a, b: a <= b),
    "len": lambda value: len(_bytes(value) if isinstance(value, str) else value),
    "lower": _texts(str.lower),
    "lt": _ordered(lambda a, b: a < b),
    "ne": lambda first, other: not _equal(first, other),
    "not": lambda value: not truth(value),
    "pad": _pad,
    "print": _print,
    "printf": _printf,
    "println": lambda *values: " ".join(map(show, values)) + "\n",
    "slice": _slice,
    "split": lambda text, separator: text.split(separator) if separator else list(text),
    "title": _texts(_title),
    "truncate": _truncate,
    "upper": _texts(str.upper),
    "urlquery": lambda *values: quote_plus(_print(*values)),
}
"""Name → function; `and` and `or` are the executor's: they may leave words unread."""
