"""The cache of builds: what it takes, and letting it go.

What comes in: the store.  What goes out: rows; bytes that became free.
Must never: touch what an image or a build under way needs.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyrootless.core._layers import tree_bytes
from pyrootless.images.store import Store, move_to_trash

_MOUNTS = "mounts"


@dataclass(frozen=True, slots=True)
class CacheRow:
    """One thing in the cache.

    Attributes:
        id: A step's key or a cache mount's.
        kind: "step" or "mount".
        size_bytes: On disk.
        shared: An image has the same layer.
        used_unix_ns: Last use.
        made_by: Instruction, or id of the mount.
    """

    id: str
    kind: str
    size_bytes: int
    shared: bool
    used_unix_ns: int
    made_by: str


def list_cache(store: Store) -> list[CacheRow]:
    """Everything in the cache, the one used last first.

    Raises:
        StoreError: It cannot be read.
    """
    named = {
        digest
        for image in store.images(damaged=lambda _: None)
        for digest in image.config.diff_ids
    }
    rows = [
        CacheRow(
            step.key, "step", store.layers.size_bytes(step.diff_id), step.diff_id in named,
            step.used_unix_ns, step.made_by,
        )
        for step in store.steps.list_all()
        if step.descriptor is not None
    ]  # fmt: skip
    rows += [_mount_row(path) for path in _mounts(store)]
    return sorted(rows, key=lambda row: (-row.used_unix_ns, row.id))


def prune_cache(store: Store, *, older_than_ns: int = 0, dry_run: bool = False) -> int:
    """Forget steps and cache mounts, and free what nothing else needs.

    Args:
        store: The store.
        older_than_ns: Only what was used last before this time since 1970; 0: everything.
        dry_run: Only say how much.

    Returns:
        Bytes.

    Raises:
        StoreError: The store cannot be written.
    """
    limit = older_than_ns or 1 << 63
    for step in store.steps.list_all():
        if step.used_unix_ns < limit and not dry_run:
            store.steps.remove(step.key)
    size = 0
    for path in _mounts(store):
        if path.stat().st_mtime_ns < limit:
            size += _remove_mount(store, path, dry_run=dry_run)
    if dry_run:
        rows = [row for row in list_cache(store) if row.used_unix_ns < limit]
        return size + sum(
            row.size_bytes for row in rows if row.kind == "step" and not row.shared
        )
    return size + store.collect().bytes


def _mounts(store: Store) -> list[Path]:
    parent = store.directories.cache / _MOUNTS
    with suppress(FileNotFoundError):
        return sorted(path for path in parent.iterdir() if path.is_dir())
    return []


def _mount_row(path: Path) -> CacheRow:
    name = ""
    with suppress(OSError):
        name = (path / "id").read_text(errors="replace")
    used = path.stat().st_mtime_ns
    return CacheRow(path.name, "mount", tree_bytes(path), False, used, f"cache mount {name}")


def _remove_mount(store: Store, path: Path, *, dry_run: bool) -> int:
    """Unless a build uses it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = tree_bytes(path)
        if not dry_run:
            move_to_trash(store.directories, path)
        return size
    except BlockingIOError:
        return 0
    finally:
        os.close(descriptor)
