"""Lower directories for a map of many ids: layers whose files have their real owners.

What comes in: the layers' trees and the caller's subordinate ids.
What goes out: trees with an owners layer above those that need one; owners layers, made.
Must never: change a tree; make an owners layer outside a user namespace (images/owners.py).

A tree belongs to the caller alone. DATA/layers/HEX/range-KEY holds just its entries whose owner
is another, with that owner; it is made once for a layer and a set of ids. Most layers have no
such entry and need none.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from pyrootless.config import find_launcher
from pyrootless.errors import HostUnsupportedError, StoreError
from pyrootless.images.owners import (
    missing_file,
    needs_owners_layer,
    owners_command,
    owners_layer,
    range_key,
)
from pyrootless.images.owners_missing import read_missing, tell_missing
from pyrootless.images.subordinate import FILES, SubordinateIds, this_caller

NEWUIDMAP = Path("/usr/bin/newuidmap")
TIMEOUT_SECONDS = 600
"""For one layer: its files of other owners are cloned or copied."""


def range_lowers(trees: Sequence[Path], ids: SubordinateIds) -> Iterator[Path]:
    """Lower directories in order, each owners layer above its tree."""
    key = range_key(ids.uids, ids.gids)
    for tree in trees:
        if needs_owners_layer(tree.parent):
            yield owners_layer(tree.parent, key)
        yield tree


def make_range_layers(store: Path, trees: Sequence[Path], ids: SubordinateIds) -> None:
    """Make the owners layers that are missing.

    Raises:
        HostUnsupportedError: There is no launcher, or this user cannot have its ids mapped.
        StoreError: The disk does not take it.
    """
    key = range_key(ids.uids, ids.gids)
    layers = [tree.parent for tree in trees if needs_owners_layer(tree.parent)]
    for layer in layers:
        if not owners_layer(layer, key).is_dir():
            _make(store, layer, key)


def unfit_owners(trees: Sequence[Path], ids: SubordinateIds) -> str:
    """Why owners layers that are made do not say the truth about all owners; "": they do."""
    key = range_key(ids.uids, ids.gids)
    files = (missing_file(tree.parent, key) for tree in trees)
    missing = read_missing(files)
    if missing is None:
        return ""
    have = (sum(count for _, count in ids.uids), sum(count for _, count in ids.gids))
    login = this_caller().login or str(os.getuid())
    return tell_missing(missing, have, login, [Path(name) for name in FILES])


def _make(store: Path, layer: Path, key: str) -> None:
    """As root of a user namespace with the caller's ids."""
    command = [str(find_launcher()), "unshare", "--map", "range", "--"]
    try:
        done = subprocess.run(
            [*command, *owners_command(store, layer, key)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StoreError(
            f"the owners of layer {layer.name} were not set in {TIMEOUT_SECONDS} seconds",
            remedy="see what the disk does; a map of one id needs none: --userns=single",
        ) from None
    if done.returncode:
        raise HostUnsupportedError(
            f"the owners of layer {layer.name} cannot be set: {done.stderr.strip()}",
            check="subordinate-ids",
            remedy="a map of one id needs none: --userns=single",
        )
