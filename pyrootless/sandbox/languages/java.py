"""Names that Java wants: of a source's file, by its public type; of the class with main().

What comes in: texts of sources, class files, both as a student left them.
What goes out: names. Must never: execute anything; take longer than what it reads is long; hand
out a name that could be an option.

Sources: JLS 21, 3.3 to 3.10 (tokens), 7.6 (a public type and its file), 12.1.4 (main);
JVMS 21, 4.1 to 4.7 (the class file).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

_SOURCE_CHARS = 1 << 20
_CLASSES_BYTES = 1 << 20
"""Of all class files that are looked at; the likely ones come first."""
_TOKEN = re.compile(
    r"//[^\n]*+"
    r"|/\*(?:.*?\*/|.*)"
    r'|"""(?:(?:\\.|[^\\])*?"""|.*)'
    r'|"(?:\\.|[^"\\\n])*+"?'
    r"|'(?:\\.|[^'\\\n])*+'?"
    r"|[{}();]"
    r"|@?[^\W\d][\w$]*+",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\u+([0-9a-fA-F]{4})")
_TYPES = ("class", "interface", "@interface", "enum", "record")
_LIKELY = ("Main", "Solution", "Program", "Submission")
_PUBLIC_STATIC = 0x0009
_MAIN = (b"main", b"([Ljava/lang/String;)V")
_SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4,
          18: 4, 19: 2, 20: 2}  # fmt: skip
"""Bytes of an entry of the constant pool, by its tag; those of text (1) vary."""
_TEXT, _LONG, _DOUBLE = 1, 5, 6


def source_names(sources: Mapping[str, bytes]) -> dict[str, str]:
    """Name → name as javac wants it: that of the public type in it, where there is one.

    A name that would then stand twice is left as it is: javac says what is wrong.
    """
    names: dict[str, str] = {}
    for name, data in sources.items():
        path = PurePosixPath(name)
        public = public_type(data)
        wanted = str(path.with_name(f"{public}.java")) if public else name
        names[name] = name if wanted in names.values() else wanted
    return names if len(set(names.values())) == len(names) else {name: name for name in sources}


def public_type(source: bytes) -> str:
    """The first public class, interface, enum or record on the top level; "": there is none."""
    text = source.decode("utf-8", errors="replace")[:_SOURCE_CHARS]
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    depth, public, named = 0, False, False
    for token in _TOKEN.finditer(text):
        word = token[0]
        if named and depth == 0 and _is_name(word):
            return word
        if word in ("{", "("):
            depth += 1
        elif word in ("}", ")"):
            depth -= 1
        if depth == 0:
            public = word not in (";", "}") and (public or word == "public")
            named = public and word in _TYPES
    return ""


def main_class(sources: Sequence[str], classes: Mapping[str, bytes]) -> str:
    """The class whose main() is to be run.

    Args:
        sources: Names of sources, the main one first.
        classes: Class files by name.

    Returns:
        Its full name: of several the one named as a source is, the first source first. Where
        none has a main(), the first class: java says what is wrong; "" without any class.
    """
    stems = [PurePosixPath(name).stem for name in sources]
    found = sorted(
        (name for name in classes if _is_name(_simple(name))),
        key=lambda name: (_rank(_simple(name), stems), name),
    )
    first, left = "", _CLASSES_BYTES
    for name in found:
        data = classes[name]
        left -= len(data)
        if left < 0:
            break
        full, has_main = _read_class(data)
        if has_main:
            return full
        first = first or full
    return first


def _simple(path: str) -> str:
    return PurePosixPath(path).stem


def _rank(name: str, stems: Sequence[str]) -> tuple[bool, int]:
    """Classes inside of others last; before them the likely ones first."""
    likely = [*stems, *_LIKELY]
    return "$" in name, likely.index(name) if name in likely else len(likely)


def _is_name(text: str) -> bool:
    return text.replace("$", "_").isidentifier()


def _read_class(data: bytes) -> tuple[str, bool]:
    """Full name, and whether it has a main(); "" for what is no class file."""
    try:
        return _Class(data).facts()
    except (struct.error, IndexError, KeyError, UnicodeDecodeError):
        return "", False


class _Class:
    """A class file, read from its begin on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def facts(self) -> tuple[str, bool]:
        """Full name, and whether it has a main()."""
        magic, _, count = self._take(">IIH")
        if magic != 0xCAFEBABE:
            return "", False
        pool = self._pool(count)
        _, this, _, interfaces = self._take(">HHHH")
        self._at += 2 * interfaces
        for _ in self._members():
            pass  # fields
        name = pool[struct.unpack(">H", pool[this])[0]].decode().replace("/", ".")
        has_main = any(
            access & _PUBLIC_STATIC == _PUBLIC_STATIC and (pool[of], pool[form]) == _MAIN
            for access, of, form in self._members()
        )
        return (name, has_main) if all(map(_is_name, name.split("."))) else ("", False)

    def _take(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return found

    def _pool(self, count: int) -> dict[int, bytes]:
        """Number → content of each constant."""
        pool, number = {}, 1
        while number < count:
            (tag,) = self._take(">B")
            size = self._take(">H")[0] if tag == _TEXT else _SIZES[tag]
            pool[number] = self._data[self._at : self._at + size]
            self._at += size
            number += 2 if tag in (_LONG, _DOUBLE) else 1
        return pool

    def _members(self) -> Iterator[tuple[int, int, int]]:
        """Access, name and form of each field or method; attributes are passed over."""
        for _ in range(self._take(">H")[0]):
            access, name, form, attributes = self._take(">HHHH")
            for _ in range(attributes):
                _, size = self._take(">HI")
                self._at += size
            yield access, name, form
