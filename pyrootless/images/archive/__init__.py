"""Images that come from somewhere else than a registry, and go there.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.images.archive.compression import MAGIC_BYTES as MAGIC_BYTES
    from pyrootless.images.archive.compression import compression_of as compression_of
    from pyrootless.images.archive.compression import plain_chunks as plain_chunks
    from pyrootless.images.archive.images import FORMS as FORMS
    from pyrootless.images.archive.images import Form as Form
    from pyrootless.images.archive.images import load_images as load_images
    from pyrootless.images.archive.images import save_images as save_images
    from pyrootless.images.archive.layer import StoredLayer as StoredLayer
    from pyrootless.images.archive.layer import compress_layer as compress_layer
    from pyrootless.images.archive.layer import unpack_stored as unpack_stored
    from pyrootless.images.archive.layout import write_layout as write_layout
    from pyrootless.images.archive.places import Place as Place
    from pyrootless.images.archive.places import parse_place as parse_place
    from pyrootless.images.archive.places import pull_place as pull_place
    from pyrootless.images.archive.places import take_place as take_place
    from pyrootless.images.archive.rootfs import import_rootfs as import_rootfs
    from pyrootless.images.archive.rootfs import now_text as now_text
    from pyrootless.images.archive.source import Prefixed as Prefixed
    from pyrootless.images.archive.source import open_unnamed as open_unnamed

_HOME = {
    "FORMS": "images",
    "Form": "images",
    "MAGIC_BYTES": "compression",
    "Place": "places",
    "StoredLayer": "layer",
    "compress_layer": "layer",
    "Prefixed": "source",
    "compression_of": "compression",
    "import_rootfs": "rootfs",
    "load_images": "images",
    "now_text": "rootfs",
    "open_unnamed": "source",
    "parse_place": "places",
    "plain_chunks": "compression",
    "pull_place": "places",
    "save_images": "images",
    "take_place": "places",
    "unpack_stored": "layer",
    "write_layout": "layout",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
