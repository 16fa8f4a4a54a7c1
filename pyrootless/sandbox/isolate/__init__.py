"""The front that isolate's callers know.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.sandbox.isolate.meta import Status as Status
    from pyrootless.sandbox.isolate.meta import failure as failure
    from pyrootless.sandbox.isolate.meta import meta_of as meta_of
    from pyrootless.sandbox.isolate.meta import seconds as seconds
    from pyrootless.sandbox.isolate.meta import status_of as status_of
    from pyrootless.sandbox.isolate.meta import to_text as to_text
    from pyrootless.sandbox.isolate.rules import environment as environment
    from pyrootless.sandbox.isolate.rules import parse_rules as parse_rules
    from pyrootless.sandbox.isolate.run import Wish as Wish
    from pyrootless.sandbox.isolate.run import run_in_place as run_in_place

_HOME = {
    "Status": "meta",
    "Wish": "run",
    "environment": "rules",
    "failure": "meta",
    "meta_of": "meta",
    "parse_rules": "rules",
    "run_in_place": "run",
    "seconds": "meta",
    "status_of": "meta",
    "to_text": "meta",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
