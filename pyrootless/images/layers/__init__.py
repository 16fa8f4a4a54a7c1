"""Layers: bytes that travel → trees in the store, with their real owners.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.images.layers.channel import Channel as Channel
    from pyrootless.images.layers.channel import ChannelClosed as ChannelClosed
    from pyrootless.images.layers.compression import FREE_BYTES as FREE_BYTES
    from pyrootless.images.layers.compression import check_ratio as check_ratio
    from pyrootless.images.layers.lists import read_owners as read_owners
    from pyrootless.images.layers.lost import tell_lost_owners as tell_lost_owners
    from pyrootless.images.layers.mount_points import add_mount_points as add_mount_points
    from pyrootless.images.layers.ranges import NEWUIDMAP as NEWUIDMAP
    from pyrootless.images.layers.ranges import Owners as Owners
    from pyrootless.images.layers.ranges import Watch as Watch
    from pyrootless.images.layers.ranges import make_owners as make_owners
    from pyrootless.images.layers.ranges import range_lowers as range_lowers
    from pyrootless.images.layers.ranges import unfit_owners as unfit_owners
    from pyrootless.images.layers.unpacking import unpack_layer as unpack_layer
    from pyrootless.images.layers.view import read_merged as read_merged
    from pyrootless.images.layers.zstd import Frames as Frames
    from pyrootless.images.layers.zstd import Reader as Reader
    from pyrootless.images.layers.zstd import open_zstd as open_zstd
    from pyrootless.images.layers.zstd import zstd_error as zstd_error

_HOME = {
    "Channel": "channel",
    "ChannelClosed": "channel",
    "FREE_BYTES": "compression",
    "Frames": "zstd",
    "NEWUIDMAP": "ranges",
    "Owners": "ranges",
    "Reader": "zstd",
    "Watch": "ranges",
    "add_mount_points": "mount_points",
    "check_ratio": "compression",
    "make_owners": "ranges",
    "open_zstd": "zstd",
    "range_lowers": "ranges",
    "read_merged": "view",
    "read_owners": "lists",
    "tell_lost_owners": "lost",
    "unfit_owners": "ranges",
    "unpack_layer": "unpacking",
    "zstd_error": "zstd",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
