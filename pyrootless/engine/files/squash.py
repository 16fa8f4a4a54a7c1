"""An image of many layers → one of a single layer; two images → what differs.

What comes in: images of the store.  What goes out: an image; `Change` values.
Must never: touch a file of a layer's in this process (helper.py does); change an image.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256

from pyrootless.engine.files.committing import Change
from pyrootless.engine.files.layering import Layering, LayerTree
from pyrootless.engine.files.programs import LayeredLauncher
from pyrootless.images import (
    HistoryEntry,
    Reference,
    Taken,
    encode_image_config,
    keep,
    make_manifest,
)
from pyrootless.images.archive import compress_layer, now_text
from pyrootless.images.store import Store, StoredImage

_CHUNK_BYTES = 1 << 18
Found = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Squash:
    """What is said of the new image.

    Attributes:
        message: For its history; "": which image it was made of.
        userns: The map of ids in which owners are read, "auto", "single" or "range".
        root: Value of --root.
    """

    message: str = ""
    userns: str = "auto"
    root: str | None = None


def squash_image(
    store: Store, image: StoredImage, reference: Reference | None, options: Squash = Squash()
) -> StoredImage:
    """Make an image of one layer with the files and the configuration of another.

    Args:
        store: Where both are.
        image: Its files are read, with owners, attributes and hard links.
        reference: The new image's name; None: it gets none.
        options: The rest.

    Raises:
        HostUnsupportedError: The map of ids lacks owners that the files have.
        TreeError: They cannot be read.
        StoreError: The store cannot be written.
    """
    with store.adding(), _opened(store, options.userns, options.root) as trees:
        layer = compress_layer(store, trees.archive(image.config.diff_ids))
        created = now_text()
        said = options.message or f"squashed of {image.shown}, {image.id}"
        step = HistoryEntry(created=created, comment=said)
        config = replace(
            image.config, created=created, diff_ids=(layer.diff_id,), history=(step,)
        )
        raw = encode_image_config(config)
        store.blobs.put(raw)
        manifest = make_manifest(raw, [layer.descriptor])
        store.put_image(manifest)
        names = () if reference is None else (reference,)
        return keep(store, Taken(manifest.digest, manifest.config.digest, names))


def compare_images(
    store: Store,
    image: StoredImage,
    other: StoredImage | None = None,
    *,
    userns: str = "auto",
    root: str | None = None,
) -> list[Change]:
    """What an image has otherwise than another one.

    Type, mode, owner, link, device, attributes and content count, the time of a change does
    not.  A directory counts when it is itself otherwise, not for what is in it.

    Args:
        store: Where they are.
        image: The one that "A" and "C" are about.
        other: What it is compared with; None: the image without its last layer.
        userns, root: As of `Squash`.

    Returns: changes, sorted by path.

    Raises:
        HostUnsupportedError, TreeError: As `squash_image`.
    """
    below = image.config.diff_ids[:-1] if other is None else other.config.diff_ids
    with store.pin(), _opened(store, userns, root) as trees:
        old, new = trees.facts(below), trees.facts(image.config.diff_ids)
    changes = [Change("D", path) for path in old.keys() - new.keys()]
    for path, fact in new.items():
        if path not in old:
            changes.append(Change("A", path))
        elif old[path] != fact:
            changes.append(Change("C", path))
    return sorted(changes, key=lambda change: change.path)


@dataclass(frozen=True, slots=True)
class _Trees:
    """Roots of layers, one after the other."""

    launcher: LayeredLauncher
    tree: LayerTree

    def archive(self, diff_ids: tuple[str, ...]) -> Iterator[bytes]:
        """All files of a root as a layer's archive."""
        with self._reading(diff_ids) as descriptor:
            while chunk := os.read(descriptor, _CHUNK_BYTES):
                yield chunk

    def facts(self, diff_ids: tuple[str, ...]) -> dict[str, Found]:
        """Path from the root → what of the file counts in a comparison."""
        found: dict[str, Found] = {}
        with (
            self._reading(diff_ids) as descriptor,
            os.fdopen(descriptor, "rb", closefd=False) as stream,
            tarfile.open(
                fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape"
            ) as archive,
        ):
            for member in archive:
                path = "/" + member.name.removeprefix(".").strip("/")
                found[path] = _fact(archive, member, found)
        return found

    @contextmanager
    def _reading(self, diff_ids: tuple[str, ...]) -> Iterator[int]:
        self.tree.use(Layering(self.launcher.lowers(diff_ids)))
        with self.tree.reading("/", ".", attributes=True) as descriptor:
            yield descriptor


@contextmanager
def _opened(store: Store, userns: str, root: str | None) -> Iterator[_Trees]:
    with store.pin(), store.scratch() as work:
        launcher = LayeredLauncher(store, root, userns, ())
        with LayerTree(work, launcher.kind) as tree:
            yield _Trees(launcher, tree)


def _fact(archive: tarfile.TarFile, member: tarfile.TarInfo, found: dict[str, Found]) -> Found:
    """A hard link counts as the file that it is one more name of."""
    if member.islnk():
        return found["/" + member.linkname.removeprefix(".").strip("/")]
    attributes = tuple(
        sorted(item for item in member.pax_headers.items() if item[0].startswith("SCHILY"))
    )
    device = (member.devmajor, member.devminor)
    facts = (member.type, member.mode, member.uid, member.gid, member.linkname, device)
    return (*facts, attributes, _content(archive, member))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member) if member.isreg() else None
    digest = sha256()
    while stream is not None and (chunk := stream.read(_CHUNK_BYTES)):
        digest.update(chunk)
    return digest.digest()
