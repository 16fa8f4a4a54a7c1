"""Docker's archives of images (`docker save`): images out of one, and images into one.

What comes in: an archive with a manifest.json, or images of the store.
What goes out: images in the store, not named yet; the members of an archive.
Must never: store a layer that is not the one its configuration names.

manifest.json lists the images, each {"Config": MEMBER, "RepoTags": [NAME…], "Layers":
[MEMBER…]} with the lowest layer first. A member may be a link to another. Such an archive has
no OCI manifest, so one is made; the image's ID, the configuration's digest, stays the same.
Source: Docker image specification 1.2, "Combined Image JSON + Filesystem Changeset Format".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from functools import partial

from pyrootless.errors import IntegrityError, UsageError
from pyrootless.images import (
    MAX_LAYERS,
    Descriptor,
    Node,
    Reference,
    Taken,
    check_counts,
    digest_of,
    make_manifest,
    parse_document,
    parse_image_config,
    parse_reference,
)
from pyrootless.images.archive.compression import file_chunks
from pyrootless.images.archive.layer import open_plain, take_layer
from pyrootless.images.archive.source import Source, read_document
from pyrootless.images.archive.tar import clean_name
from pyrootless.images.archive.write import TarWriter
from pyrootless.images.store import Store, StoredImage

MANIFEST_NAME = "manifest.json"
REPOSITORIES_NAME = "repositories"
MAX_CONFIGS_BYTES = 64 << 20
"""Of all configurations of an archive together; one has a few kilobytes."""
_NAMED_BY_DIGEST = re.compile(r"(?:.*/)?([0-9a-f]{64})(?:\.json)?")


def is_docker_archive(source: Source) -> bool:
    """Whether a source is an archive of docker's."""
    return source.has(MANIFEST_NAME)


def take_all(store: Store, source: Source, name: str | None = None) -> list[Taken]:
    """Every image of an archive, or those of one name.

    Args:
        store: Where to.
        source: The archive.
        name: A reference; None: all.

    Raises:
        IntegrityError: A malformed document, a layer that is missing or not what it should be.
        StoreError: The store cannot be written.
    """
    # The document is a list; the parser of documents takes objects.
    raw = b'{"images":' + read_document(source, MANIFEST_NAME) + b"}"
    entries = parse_document(raw, MANIFEST_NAME).children("images")
    if not entries:
        raise IntegrityError(f"{MANIFEST_NAME} lists no image")
    check_counts(len(entries), sum(len(entry.texts("RepoTags")) for entry in entries))
    wanted = None if name is None else parse_reference(name)
    listed = [(entry, _references(entry)) for entry in entries]
    take = _Taker(store, source).take
    return [
        Taken(*take(entry), references)
        for entry, references in listed
        if wanted is None or wanted in references
    ]


def write_images(
    store: Store, images: Iterable[tuple[StoredImage, tuple[Reference, ...]]], tar: TarWriter
) -> None:
    """The members of an archive: manifest.json first, then what it names, each once.

    Raises:
        IntegrityError: A blob of the store is damaged.
        StoreError: No room in the store's tmp/.
        OSError: The archive cannot be written.
    """
    chosen = list(images)
    listed = [_entry(image, references) for image, references in chosen]
    tar.add(MANIFEST_NAME, json.dumps(listed, separators=(",", ":")).encode() + b"\n")
    for image, _ in chosen:
        tar.add(_config_name(image), store.blobs.read(image.manifest.config.digest))
        for layer, diff_id in zip(image.manifest.layers, image.config.diff_ids, strict=True):
            if not tar.has(_layer_name(diff_id)):
                plain, size_bytes = open_plain(store, layer, diff_id)
                with plain:
                    tar.add_chunks(_layer_name(diff_id), size_bytes, file_chunks(plain))


class _Taker:
    """Images of one archive into a store.  However often its list names a configuration or a
    layer, each is read once."""

    def __init__(self, store: Store, source: Source) -> None:
        self._store = store
        self._source = source
        self._images: dict[tuple[str, ...], tuple[str, str]] = {}
        self._layers: dict[tuple[str, str], Descriptor] = {}
        self._configs_bytes = 0

    def take(self, entry: Node) -> tuple[str, str]:
        """Digest of the manifest that was made, and the image's ID."""
        names = tuple(map(clean_name, (entry.text("Config"), *entry.texts("Layers"))))
        if names not in self._images:
            self._images[names] = self._take(*names)
        return self._images[names]

    def _take(self, name: str, *members: str) -> tuple[str, str]:
        store = self._store
        raw = self._read_config(name)
        config = parse_image_config(raw)
        if len(members) != len(config.diff_ids) or len(members) > MAX_LAYERS:
            raise IntegrityError(
                f"{MANIFEST_NAME} names {len(members)} layers, but {name} "
                f"{len(config.diff_ids)}; {MAX_LAYERS} are the most that an image has"
            )
        known = store.find(digest_of(raw))
        if known is not None and all(store.layers.has(layer) for layer in config.diff_ids):
            return known.manifest.digest, digest_of(raw)
        layers = list(map(self._take_layer, members, config.diff_ids))
        store.blobs.put(raw)
        manifest = make_manifest(raw, layers)
        store.put_image(manifest)
        return manifest.digest, manifest.config.digest

    def _take_layer(self, member: str, diff_id: str) -> Descriptor:
        key = member, diff_id
        if key not in self._layers:
            reopen = partial(self._source.open, member)
            self._layers[key] = take_layer(self._store, reopen, diff_id=diff_id).descriptor
        return self._layers[key]

    def _read_config(self, name: str) -> bytes:
        raw = read_document(self._source, name)
        self._configs_bytes += len(raw)
        if self._configs_bytes > MAX_CONFIGS_BYTES:
            raise IntegrityError(
                "the configurations of the archive's images are longer together than "
                f"{MAX_CONFIGS_BYTES >> 20} MiB"
            )
        _check_name(name, raw)
        return raw


def _check_name(name: str, raw: bytes) -> None:
    """A configuration that is named by its digest has that digest."""
    match = _NAMED_BY_DIGEST.fullmatch(name)
    if match is not None and hashlib.sha256(raw).hexdigest() != match[1]:
        raise IntegrityError(f"{name} in the archive has other content than its digest says")


def _references(entry: Node) -> tuple[Reference, ...]:
    try:
        return tuple(parse_reference(tag) for tag in entry.texts("RepoTags"))
    except UsageError as error:
        raise IntegrityError(f"{MANIFEST_NAME}: {error}") from None


def _entry(image: StoredImage, references: tuple[Reference, ...]) -> dict[str, object]:
    return {
        "Config": _config_name(image),
        "RepoTags": [reference.canonical for reference in references] or None,
        "Layers": [_layer_name(diff_id) for diff_id in image.config.diff_ids],
    }


def _config_name(image: StoredImage) -> str:
    return f"{image.manifest.config.digest.removeprefix('sha256:')}.json"


def _layer_name(diff_id: str) -> str:
    return f"{diff_id.removeprefix('sha256:')}.tar"
