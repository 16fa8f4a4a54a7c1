"""Stores with small images in them, for tests.

In: a directory, names, contents of layers.  Out: a `Store`, images in it.
Never: a registry, a seccomp filter.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from images.tars import files

from pyrootless.config import Directories
from pyrootless.images.archive.layer import compress_layer
from pyrootless.images.config import HistoryEntry, ImageConfig, encode_image_config
from pyrootless.images.imported import Taken, keep, make_manifest
from pyrootless.images.platforms import Platform, host_platform
from pyrootless.images.reference import Reference, parse_reference
from pyrootless.images.store.disk import Store, StoredImage

BASE = {"etc/passwd": b"root:x:0:0::/root:/bin/sh\nwww:x:33:33::/srv:/bin/sh\n", "run": b"#!"}
"""Files of the lowest layer."""

HOST = Platform("linux", host_platform().architecture)


def make_store(directory: Path) -> Store:
    """An empty store below a directory that is made."""
    directory.mkdir(parents=True, exist_ok=True)
    return Store(Directories(directory / "data", directory / "run").make())


def make_image(
    store: Store,
    text: str,
    layers: Sequence[dict[str, bytes]] = (BASE,),
    config: ImageConfig | None = None,
) -> StoredImage:
    """An image of these layers, the lowest first, under a name; "" for none."""
    base = config or ImageConfig(
        raw=b"", platform=HOST, cmd=("/run",), created="2024-02-03T04:05:06Z"
    )
    stored = [compress_layer(store, [files(layer)]) for layer in layers]
    history = tuple(HistoryEntry(created_by=f"step {n}") for n, _ in enumerate(layers))
    raw = encode_image_config(
        replace(base, diff_ids=tuple(layer.diff_id for layer in stored), history=history)
    )
    store.blobs.put(raw)
    manifest = make_manifest(raw, [layer.descriptor for layer in stored])
    store.put_image(manifest)
    names = (name(text),) if text else ()
    return keep(store, Taken(manifest.digest, manifest.config.digest, names))


def name(text: str) -> Reference:
    """A reference."""
    return parse_reference(text)


def gzipped(data: bytes) -> bytes:
    """The same bytes for the same data."""
    return gzip.compress(data, mtime=0)
