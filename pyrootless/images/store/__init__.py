"""The store: blobs, layers, names and images on disk.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.images.store.blobs import HEAL as HEAL
    from pyrootless.images.store.blobs import BlobWriter as BlobWriter
    from pyrootless.images.store.disk import Collected as Collected
    from pyrootless.images.store.disk import Store as Store
    from pyrootless.images.store.disk import StoredImage as StoredImage
    from pyrootless.images.store.disk import Usage as Usage
    from pyrootless.images.store.disk import open_store as open_store
    from pyrootless.images.store.files import DISK_BYTES as DISK_BYTES
    from pyrootless.images.store.files import UNFLUSHED as UNFLUSHED
    from pyrootless.images.store.files import boot_id as boot_id
    from pyrootless.images.store.files import flush_directory as flush_directory
    from pyrootless.images.store.files import remedy_of as remedy_of
    from pyrootless.images.store.files import writing as writing
    from pyrootless.images.store.layers import layer_bytes as layer_bytes
    from pyrootless.images.store.removal import move_to_trash as move_to_trash
    from pyrootless.images.store.removal import remove_tree as remove_tree
    from pyrootless.images.store.steps import StoredStep as StoredStep
    from pyrootless.images.store.temporary import Temporaries as Temporaries
    from pyrootless.images.store.usage import UsageRow as UsageRow

_HOME = {
    "BlobWriter": "blobs",
    "Collected": "disk",
    "DISK_BYTES": "files",
    "HEAL": "blobs",
    "Store": "disk",
    "StoredImage": "disk",
    "StoredStep": "steps",
    "Temporaries": "temporary",
    "UNFLUSHED": "files",
    "Usage": "disk",
    "UsageRow": "usage",
    "boot_id": "files",
    "flush_directory": "files",
    "layer_bytes": "layers",
    "move_to_trash": "removal",
    "open_store": "disk",
    "remedy_of": "files",
    "remove_tree": "removal",
    "writing": "files",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
