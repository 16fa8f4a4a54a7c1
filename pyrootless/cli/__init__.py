"""The door for a person at a shell: one file per verb that Python serves.

What comes in: argv after the verb.  What goes out: an exit code.
Must never: hold logic of its own; the verbs call the rooms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.cli.arguments import Parser as Parser
    from pyrootless.cli.main import leave as leave
    from pyrootless.cli.rows import format_list as format_list
    from pyrootless.cli.table import format_age as format_age
    from pyrootless.cli.table import format_rows as format_rows

_HOME = {
    "Parser": "arguments",
    "format_age": "table",
    "format_list": "rows",
    "format_rows": "table",
    "leave": "main",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
