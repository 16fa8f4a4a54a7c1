"""A root file system's tar archive → an image of one layer.

What comes in: the archive (plain, gzip, zstd, xz or bzip2) from a file or pipe, and changes to
an empty configuration.  What goes out: an image in the store.
Must never: name the image before it is whole in the store.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pyrootless.errors import IntegrityError, UsageError
from pyrootless.images import (
    HistoryEntry,
    ImageConfig,
    Reference,
    Taken,
    apply_changes,
    encode_image_config,
    keep,
    make_manifest,
)
from pyrootless.images.archive.compression import Readable, compression_of, plain_chunks
from pyrootless.images.archive.layer import StoredLayer, compress_layer
from pyrootless.images.archive.source import peek
from pyrootless.images.platforms import Platform, host_platform
from pyrootless.images.store import Store, StoredImage

EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"
"""Seconds since 1970 that stand for "now". Source: reproducible-builds.org."""


_WANTED = (
    "give a tar archive of a root file system, whole, as `docker export` or `tar -C DIR -c .` "
    "write it; an archive of images is for: pyrootless load -i FILE"
)


def import_rootfs(
    store: Store,
    stream: Readable,
    reference: Reference | None,
    changes: Sequence[str] = (),
    message: str = "",
) -> StoredImage:
    """Make an image of a root file system.

    Args:
        store: Where to.
        stream: Its tar archive, compressed or not.
        reference: Its name; None: it gets none.
        changes: Dockerfile instructions for its configuration.
        message: The history's comment; "": where it came from.

    Raises:
        UsageError: A change is malformed.
        IntegrityError: Not a tar archive, or a hostile one.
        StoreError: The store cannot be written.
    """
    empty = ImageConfig(raw=b"", platform=_platform(), created=now_text())
    config = apply_changes(empty, changes)
    with store.adding():
        head, stream = peek(stream)
        if not head:
            raise IntegrityError("nothing was read: there is no archive", remedy=_WANTED)
        try:
            layer = compress_layer(store, plain_chunks(stream, compression_of(head)))
        except IntegrityError as error:
            raise IntegrityError(error.args[0], remedy=_WANTED) from error
        raw = encode_image_config(_with_layer(config, layer, message))
        store.blobs.put(raw)
        manifest = make_manifest(raw, [layer.descriptor])
        store.put_image(manifest)
        names = () if reference is None else (reference,)
        return keep(store, Taken(manifest.digest, manifest.config.digest, names))


def _with_layer(config: ImageConfig, layer: StoredLayer, message: str) -> ImageConfig:
    step = HistoryEntry(created=config.created, comment=message or "Imported from -")
    return replace(config, diff_ids=(layer.diff_id,), history=(step,))


def _platform() -> Platform:
    """This machine's; a root file system does not say which variant of amd64 it needs."""
    found = host_platform()
    return replace(found, variant="") if found.architecture == "amd64" else found


def now_text() -> str:
    """The time, RFC 3339; SOURCE_DATE_EPOCH stands for it.  Raises UsageError."""
    given = os.environ.get(EPOCH_VARIABLE, "")
    if not given:
        moment = datetime.now(UTC)
    elif given.isascii() and given.isdigit() and len(given) < 12:
        moment = datetime.fromtimestamp(int(given), UTC)
    else:
        raise UsageError(f'{EPOCH_VARIABLE}="{given[:40]}" is no number of seconds')
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
