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
    from pyrootless.engine.files.copying import resolve_last as resolve_last
    from pyrootless.engine.files.copying import stream_in as stream_in
    from pyrootless.engine.files.copying import stream_out as stream_out
    from pyrootless.engine.files.layering import Layering as Layering
    from pyrootless.engine.files.layering import LayerTree as LayerTree
    from pyrootless.engine.files.pack import header_of as header_of
    from pyrootless.engine.files.programs import Bind as Bind
    from pyrootless.engine.files.programs import LayeredLauncher as LayeredLauncher
    from pyrootless.engine.files.programs import Program as Program
    from pyrootless.engine.files.rooted import Root as Root
    from pyrootless.engine.files.squash import Squash as Squash
    from pyrootless.engine.files.squash import compare_images as compare_images
    from pyrootless.engine.files.squash import squash_image as squash_image
    from pyrootless.engine.files.stream import PlainStream as PlainStream
    from pyrootless.engine.files.trees import TreeError as TreeError
    from pyrootless.engine.files.trees import open_root as open_root
    from pyrootless.engine.files.trees import open_tree as open_tree
    from pyrootless.engine.files.unpack import ArchiveError as ArchiveError
    from pyrootless.engine.files.unpack import Extractor as Extractor
    from pyrootless.engine.files.unpack import open_below as open_below

_HOME = {
    "ArchiveError": "unpack",
    "Bind": "programs",
    "CommitOptions": "committing",
    "Copied": "copying",
    "Extractor": "unpack",
    "LayerTree": "layering",
    "LayeredLauncher": "programs",
    "Layering": "layering",
    "PlainStream": "stream",
    "Program": "programs",
    "Root": "rooted",
    "Squash": "squash",
    "TreeError": "trees",
    "commit_container": "committing",
    "compare_images": "squash",
    "copy_in": "copying",
    "copy_out": "copying",
    "header_of": "pack",
    "list_changes": "committing",
    "open_below": "unpack",
    "open_root": "trees",
    "open_tree": "trees",
    "resolve_last": "copying",
    "squash_image": "squash",
    "stream_in": "copying",
    "stream_out": "copying",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
