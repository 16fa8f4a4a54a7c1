"""An image, one more layer and a changed configuration → a new image.

What comes in: the image below, the layer's plain tar archive, the configuration.
What goes out: an image in the store.
Must never: name the image before it is whole in the store; store a layer that is not whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pyrootless.images.archive import compress_layer, now_text
from pyrootless.images.config import HistoryEntry, ImageConfig, encode_image_config
from pyrootless.images.imported import Taken, keep, make_manifest
from pyrootless.images.reference import Reference
from pyrootless.images.store import Store, StoredImage


@dataclass(frozen=True, slots=True)
class Commit:
    """What is said of a new image.

    Attributes:
        config: Its configuration; layers and history are those below.
        created_by: The command that made the layer.
        author: Of the image.
        message: For its history.
    """

    config: ImageConfig
    created_by: str
    author: str = ""
    message: str = ""


def add_layer(
    store: Store,
    base: StoredImage,
    chunks: Iterable[bytes],
    commit: Commit,
    reference: Reference | None,
) -> StoredImage:
    """Make an image of another one and a layer.

    Args:
        store: Where both are.
        base: The image below.
        chunks: The layer's plain tar archive; raises when it is not whole.
        commit: The rest.
        reference: Its name; None: it gets none.

    Raises:
        IntegrityError: The archive is no layer.
        StoreError: The store cannot be written.
    """
    with store.adding():
        layer = compress_layer(store, chunks)
        created = now_text()
        step = HistoryEntry(
            created=created,
            created_by=commit.created_by,
            author=commit.author,
            comment=commit.message,
        )
        config = replace(
            commit.config,
            created=created,
            author=commit.author,
            diff_ids=(*base.config.diff_ids, layer.diff_id),
            history=(*base.config.history, step),
        )
        raw = encode_image_config(config)
        store.blobs.put(raw)
        manifest = make_manifest(raw, [*base.manifest.layers, layer.descriptor])
        store.put_image(manifest)
        names = () if reference is None else (reference,)
        return keep(store, Taken(manifest.digest, manifest.config.digest, names))
