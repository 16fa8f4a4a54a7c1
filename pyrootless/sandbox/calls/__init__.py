"""Functions of a student, called across a process wall.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.sandbox.calls.functions import Function as Function
    from pyrootless.sandbox.calls.functions import function_files as function_files
    from pyrootless.sandbox.calls.functions import with_driver as with_driver

_HOME = {
    "Function": "functions",
    "function_files": "functions",
    "with_driver": "functions",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
