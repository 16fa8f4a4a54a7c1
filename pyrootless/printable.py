"""Texts of strangers on a terminal: what they may show, and never what they may do.

What comes in: any text, of an image, a registry, a file system or a program.
What goes out: the same text with what is not meant to be seen written as an escape.
Must never: let through what a terminal obeys (it may be told to type, to lie, to change its
colours), or half a character that cannot be written.
"""

from __future__ import annotations


def printable(text: str, *, kept: str = "") -> str:
    r"""A text in which every character is one that can be seen: "\x1b[2J" for an escape.

    Args:
        text: Anybody's.
        kept: Control characters that are wanted all the same.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in kept else _escaped(char) for char in text
    )


def printable_name(name: str) -> str:
    r"""The name of a file as reports and terminals show it; UTF-8 can carry it.

    Bytes that are no UTF-8 (surrogates, PEP 383) are shown as "\udcff". A backslash is doubled,
    so that two names never look alike.
    """
    return printable(name.replace("\\", "\\\\"))


def printable_bytes(data: bytes) -> str:
    r"""What a program wrote: lines of text; other control characters and bytes as escapes."""
    text = data.decode("utf-8", errors="backslashreplace")
    return printable(text.replace("\r\n", "\n"), kept="\n")


def is_utf8(text: str) -> bool:
    """No byte that is not UTF-8 (a surrogate, PEP 383) and no half of a character is in it."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
