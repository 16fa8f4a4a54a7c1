"""The files of a container: read, written, compared, made an image.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.engine.files.committing import CommitOptions as CommitOptions
    from pyrootless.engine.files.committing import commit_container as commit_container
    from pyrootless.engine.files.committing import list_changes as list_changes
    from pyrootless.engine.files.copying import Copied as Copied
    from pyrootless.engine.files.copying import copy_in as copy_in
    from pyrootless.engine.files.copying import copy_out as copy_out
    from pyrootless.engine.files.copying import stream_in as stream_in
    from pyrootless.engine.files.copying import stream_out as stream_out
    from pyrootless.engine.files.trees import open_root as open_root
    from pyrootless.engine.files.trees import open_tree as open_tree

_HOME = {
    "CommitOptions": "committing",
    "Copied": "copying",
    "commit_container": "committing",
    "copy_in": "copying",
    "copy_out": "copying",
    "list_changes": "committing",
    "open_root": "trees",
    "open_tree": "trees",
    "stream_in": "copying",
    "stream_out": "copying",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
