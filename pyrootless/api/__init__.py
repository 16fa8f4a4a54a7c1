"""The door for other systems: servers that speak their protocols.

What comes in: HTTP requests. What goes out: responses. Needs the extra `api` (h11).
Must never: be imported by anything but `pyrootless serve`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.api.http import Server as Server
    from pyrootless.api.jobe import PREFIX as PREFIX
    from pyrootless.api.jobe import Jobe as Jobe

_HOME = {
    "Jobe": "jobe",
    "PREFIX": "jobe",
    "Server": "http",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
