"""Languages: how a source becomes a program.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.sandbox.languages.java import main_class as main_class
    from pyrootless.sandbox.languages.java import source_names as source_names
    from pyrootless.sandbox.languages.table import Language as Language
    from pyrootless.sandbox.languages.table import find_language as find_language
    from pyrootless.sandbox.languages.table import languages as languages
    from pyrootless.sandbox.languages.table import parse_language as parse_language

_HOME = {
    "Language": "table",
    "find_language": "table",
    "languages": "table",
    "main_class": "java",
    "parse_language": "table",
    "source_names": "java",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
