"""Texts of strangers on a terminal: what they may show, and never what they may do.

What comes in: any text, of an image, a registry or a file system.
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


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
