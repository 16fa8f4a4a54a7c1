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
from pyrootless.images.archive_compression import file_chunks
from pyrootless.images.archive_layer import open_plain, take_layer
from pyrootless.images.archive_source import Source, read_document
from pyrootless.images.archive_tar import clean_name
from pyrootless.images.archive_write import TarWriter
from pyrootless.images.document import Node, parse_document
from pyrootless.images.manifest import digest_of, parse_image_config
from pyrootless.images.reference import Reference, parse_reference
from pyrootless.images.store import Store, StoredImage
from pyrootless.images.taken import Taken, make_manifest

MANIFEST_NAME = "manifest.json"
REPOSITORIES_NAME = "repositories"
MAX_IMAGES = 1000
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
    if not 0 < len(entries) <= MAX_IMAGES:
        raise IntegrityError(f"{MANIFEST_NAME} lists {len(entries)} images")
    wanted = None if name is None else parse_reference(name)
    listed = [(entry, _references(entry)) for entry in entries]
    return [
        Taken(*_take_image(store, source, entry), references)
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


def _take_image(store: Store, source: Source, entry: Node) -> tuple[str, str]:
    """Digest of the manifest that was made, and the image's ID."""
    name = clean_name(entry.text("Config"))
    raw = read_document(source, name)
    _check_name(name, raw)
    config = parse_image_config(raw)
    members = [clean_name(layer) for layer in entry.texts("Layers")]
    if len(members) != len(config.diff_ids):
        raise IntegrityError(
            f"{MANIFEST_NAME} names {len(members)} layers, but {name} {len(config.diff_ids)}"
        )
    known = store.find(digest_of(raw))
    if known is not None and all(store.layers.has(layer) for layer in config.diff_ids):
        return known.manifest.digest, digest_of(raw)
    layers = [
        take_layer(store, partial(source.open, member), diff_id=diff_id).descriptor
        for member, diff_id in zip(members, config.diff_ids, strict=True)
    ]
    store.blobs.put(raw)
    manifest = make_manifest(raw, layers)
    store.put_image(manifest)
    return manifest.digest, manifest.config.digest


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
