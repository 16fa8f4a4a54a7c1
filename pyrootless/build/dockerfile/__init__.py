"""The Dockerfile language: text → instructions, words, patterns.

What comes in: text.  What goes out: values.
Must never: open a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.build.dockerfile.ignore import IgnoreRules as IgnoreRules
    from pyrootless.build.dockerfile.ignore import parse_ignore as parse_ignore
    from pyrootless.build.dockerfile.instructions import Dockerfile as Dockerfile
    from pyrootless.build.dockerfile.parse import parse_dockerfile as parse_dockerfile
    from pyrootless.build.dockerfile.parse import parse_instruction as parse_instruction
    from pyrootless.build.dockerfile.patterns import compile_pattern as compile_pattern
    from pyrootless.build.dockerfile.words import expand as expand

_HOME = {
    "Dockerfile": "instructions",
    "IgnoreRules": "ignore",
    "compile_pattern": "patterns",
    "expand": "words",
    "parse_dockerfile": "parse",
    "parse_ignore": "ignore",
    "parse_instruction": "parse",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
