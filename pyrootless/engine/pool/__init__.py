"""Prepared containers: set up before anybody asks, each used once.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.engine.pool.builders import most_threads as most_threads
    from pyrootless.engine.pool.stock import Stock as Stock

_HOME = {
    "Stock": "stock",
    "most_threads": "builders",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
