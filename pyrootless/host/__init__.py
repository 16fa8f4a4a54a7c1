"""This machine: what its user and kernel permit, and what would mend it.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.host.cdi import edits_of as edits_of
    from pyrootless.host.cdi import names_of_gpus as names_of_gpus
    from pyrootless.host.network import Facts as Facts
    from pyrootless.host.network import Helper as Helper
    from pyrootless.host.network import encode_facts as encode_facts
    from pyrootless.host.network import facts_path as facts_path
    from pyrootless.host.network import find_programs as find_programs
    from pyrootless.host.network import is_current as is_current
    from pyrootless.host.network import read_facts as read_facts

_HOME = {
    "Facts": "network",
    "Helper": "network",
    "edits_of": "cdi",
    "encode_facts": "network",
    "facts_path": "network",
    "find_programs": "network",
    "is_current": "network",
    "names_of_gpus": "cdi",
    "read_facts": "network",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
