"""Runs as Jobe's clients describe them.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.sandbox.jobe.files import FileCache as FileCache
    from pyrootless.sandbox.jobe.runs import SpecError as SpecError
    from pyrootless.sandbox.jobe.runs import failed as failed
    from pyrootless.sandbox.jobe.runs import language_versions as language_versions
    from pyrootless.sandbox.jobe.runs import overload as overload
    from pyrootless.sandbox.jobe.runs import parse_spec as parse_spec
    from pyrootless.sandbox.jobe.runs import run_spec as run_spec

_HOME = {
    "FileCache": "files",
    "SpecError": "runs",
    "failed": "runs",
    "language_versions": "runs",
    "overload": "runs",
    "parse_spec": "runs",
    "run_spec": "runs",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
