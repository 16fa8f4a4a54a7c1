"""Lower directories for a map of many ids: layers whose files have their real owners.

What comes in: the layers' trees and the caller's subordinate ids.
What goes out: trees with an owners layer above those that need one.
Must never: change a tree; leave a half-made owners layer in its place.

A tree belongs to the caller alone. DATA/layers/HEX/range-KEY holds just its entries whose owner
is another, with that owner; it is made inside a user namespace with the caller's ids, once for
a layer and a set of ids. Most layers have no such entry and need none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyrootless.images.subordinate import SubordinateIds

KEY_DIGITS = 12


def range_key(ids: SubordinateIds) -> str:
    """Twelve hex digits over the ids a map is made of."""
    text = "\n".join(f"{name} {value}" for name, value in sorted(ids.annotations().items()))
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]


def range_lowers(trees: Iterable[Path], ids: SubordinateIds) -> Iterator[Path]:
    """Lower directories in order, each owners layer above its tree."""
    key = range_key(ids)
    for tree in trees:
        if has_owners(tree.parent):
            yield tree.parent / f"range-{key}"
        yield tree


def missing_layers(trees: Iterable[Path], ids: SubordinateIds) -> list[Path]:
    """Layers that need an owners layer and have none yet."""
    key = range_key(ids)
    layers = [tree.parent for tree in trees if has_owners(tree.parent)]
    return [layer for layer in layers if not (layer / f"range-{key}").is_dir()]


def has_owners(layer: Path) -> bool:
    """Whether an entry of a layer belongs to somebody else than root."""
    try:
        return (layer / "owners").stat().st_size > 0
    except OSError:
        return False
