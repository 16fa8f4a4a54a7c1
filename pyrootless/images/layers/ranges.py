"""Lower directories for a map of many ids: layers whose files have their real owners.

What comes in: the layers' trees and the caller's subordinate ids.
What goes out: trees with an owners layer above those that need one; owners layers, made.
Must never: change a tree; make an owners layer outside a user namespace (owners.py).

A tree belongs to the caller alone. DATA/layers/HEX/range-KEY holds just its entries whose owner
is another, with that owner; it is made once for a layer and a set of ids. Most layers have no
such entry and need none.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyrootless.config import find_launcher
from pyrootless.errors import HostUnsupportedError, StoreError
from pyrootless.images import FILES, SubordinateIds, subordinate, this_caller
from pyrootless.images.layers.missing import read_missing, tell_missing
from pyrootless.images.layers.owners import (
    has_owners_layer,
    missing_file,
    needs_owners_layer,
    owners_layer,
    owners_layers_command,
    range_key,
)

NEWUIDMAP = Path("/usr/bin/newuidmap")
TIMEOUT_SECONDS = 600
"""From one layer to the next: its files of other owners are cloned or copied."""
TICK_SECONDS = 0.25
"""How often the watcher is called meanwhile."""

_PREPARED_WITHOUT = "it was prepared where you had no subordinate ids"

Watch = Callable[[int, int], None]
"""Who wants to know how many layers of how many are done; called a few times a second."""


def range_lowers(trees: Sequence[Path], ids: SubordinateIds) -> Iterator[Path]:
    """Lower directories in order, each owners layer above its tree."""
    key = range_key(ids.uids, ids.gids)
    for tree in trees:
        if needs_owners_layer(tree.parent):
            yield owners_layer(tree.parent, key)
        yield tree


@dataclass(frozen=True, slots=True)
class Owners:
    """What `make_owners` came to.

    Attributes:
        ids: The caller's, and the layers are made for them; None: it has no use of many ids.
        unfit: Without ids, why files of the layers have other owners than the image says; "":
            none has.
    """

    ids: SubordinateIds | None
    unfit: str = ""


def make_owners(store: Path, trees: Sequence[Path], watch: Watch | None = None) -> Owners:
    """Make what the caller's own map of many ids needs, so that a start finds it.

    Args:
        store: The store's directory.
        trees: The trees of an image's layers.
        watch: As for `make_range_layers`.

    Raises:
        StoreError: The disk does not take it.
    """
    ids = subordinate.subordinate_ids()
    if not ids.annotations():
        foreign = any(needs_owners_layer(tree.parent) for tree in trees)
        return Owners(None, _PREPARED_WITHOUT if foreign else "")
    try:
        make_range_layers(store, trees, ids, watch)
    except HostUnsupportedError as error:
        return Owners(None, error.args[0])
    return Owners(ids)


def make_range_layers(
    store: Path, trees: Sequence[Path], ids: SubordinateIds, watch: Watch | None = None
) -> None:
    """Make the owners layers that are missing: all of them by one process in one namespace.

    They last from the next `Layers.flush` on.

    Args:
        store: The store's directory.
        trees: The layers' trees.
        ids: The caller's.
        watch: Called with how many are there, and of how many.

    Raises:
        HostUnsupportedError: There is no launcher, or this user cannot have its ids mapped.
        StoreError: The disk does not take it.
    """
    key = range_key(ids.uids, ids.gids)
    layers = [tree.parent for tree in trees if needs_owners_layer(tree.parent)]
    missing = [layer for layer in layers if not has_owners_layer(layer, key)]
    if missing:
        _make(owners_layers_command(store, missing, key), len(missing), watch or _nobody)


def unfit_owners(trees: Sequence[Path], ids: SubordinateIds) -> str:
    """Why owners layers that are made do not say the truth about all owners; "": they do.

    Raises:
        StoreError: What they lack cannot be read.
    """
    key = range_key(ids.uids, ids.gids)
    files = [missing_file(tree.parent, key) for tree in trees]
    try:
        missing = read_missing(files)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"what owners layers lack cannot be read: {error}",
            remedy="get it again: pyrootless rmi IMAGE; pyrootless pull IMAGE",
        ) from error
    if missing is None:
        return ""
    have = (sum(count for _, count in ids.uids), sum(count for _, count in ids.gids))
    login = this_caller().login or str(os.getuid())
    return tell_missing(missing, have, login, [Path(name) for name in FILES])


def _nobody(done: int, total: int) -> None:
    """A `Watch` that says nothing."""


def _make(owners: list[str], total: int, watch: Watch) -> None:
    """As root of a user namespace with the caller's ids."""
    command = [str(find_launcher()), "unshare", "--map", "range", "--", *owners]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        ) as process:
            try:
                _follow(process, total, watch)
            except BaseException:
                process.kill()
                raise
            finally:
                watch(total, total)
        if process.returncode:
            said.seek(0)
            why = said.read().decode(errors="replace").strip()
            raise HostUnsupportedError(
                f"the owners of layers cannot be set: {why}",
                check="subordinate-ids",
                remedy="a map of one id needs none: --userns=single",
            )


def _follow(process: subprocess.Popen[bytes], total: int, watch: Watch) -> None:
    """Until it ends: it says a line for each layer.  Raises StoreError when it hangs."""
    assert process.stdout is not None
    done, since = 0, time.monotonic()
    while time.monotonic() - since < TIMEOUT_SECONDS:
        watch(done, total)
        if not select.select([process.stdout], [], [], TICK_SECONDS)[0]:
            continue
        part = os.read(process.stdout.fileno(), 4096)
        if not part:
            return
        done, since = done + part.count(b"\n"), time.monotonic()
    raise StoreError(
        f"the owners of a layer were not set in {TIMEOUT_SECONDS} seconds",
        remedy="see what the disk does; a map of one id needs none: --userns=single",
    )
