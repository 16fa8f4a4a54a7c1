"""The verbs about containers.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.cli.containers.native import become as become
    from pyrootless.cli.containers.ps import container_fields as container_fields
    from pyrootless.cli.containers.ps import written_bytes as written_bytes
    from pyrootless.cli.containers.run import Announcer as Announcer

_HOME = {
    "Announcer": "run",
    "become": "native",
    "container_fields": "ps",
    "written_bytes": "ps",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
