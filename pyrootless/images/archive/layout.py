"""OCI image layouts: images out of one, and images into one.

What comes in: a layout, as a directory or as the members of an archive (`Source`), or images of
the store.  What goes out: images in the store, not named yet; a layout's directory.
Must never: store a blob that is not what its digest says, choose between two images that fit
equally, replace a file of a layout by anything but a rename.

Source: OCI image specification 1.1, "Image Layout"; the names of images in it are annotations:
org.opencontainers.image.ref.name (often a mere tag) and containerd's io.containerd.image.name
(always a full reference).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from pyrootless.errors import IntegrityError, StoreError, UsageError
from pyrootless.images import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_INDEX,
    Descriptor,
    Index,
    Manifest,
    Platform,
    Reference,
    Taken,
    check_counts,
    choose_platform,
    encode_index,
    host_platform,
    keep,
    parse_document,
    parse_image_config,
    parse_manifest,
    parse_reference,
)
from pyrootless.images.archive.layer import put_blob, unpack_stored
from pyrootless.images.archive.source import (
    DirectorySource,
    Source,
    blob_path,
    read_blob,
    read_document,
)
from pyrootless.images.manifest import ImageConfig
from pyrootless.images.store import Store, StoredImage

LAYOUT_NAME = "oci-layout"
INDEX_NAME = "index.json"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
REF_NAME = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"
MAX_NESTING = 4


def is_layout(source: Source) -> bool:
    """Whether a source is an OCI layout."""
    return source.has(LAYOUT_NAME) and source.has(INDEX_NAME)


def take_all(store: Store, source: Source, tag: str | None = None) -> list[Taken]:
    """Every image of a layout, or the one of a tag; this machine's where there are several.

    Args:
        store: Where to.
        source: The layout.
        tag: As for `choose_entry`; None: all.

    Raises:
        IntegrityError: A malformed document, a blob that is missing or not what it should be.
        UsageError: None fits this machine.
        StoreError: The store cannot be written.
    """
    if tag is not None:
        return [take_image(store, source, choose_entry(source, tag, "the archive"))]
    entries = list(_entries(_read_index(source)))
    named = [_references(entry) for entry in entries]
    check_counts(len({entry.digest for entry in entries}), len(entries))
    found: dict[str, Taken] = {}
    for entry in entries:
        if entry.digest not in found:
            found[entry.digest] = take_image(store, source, entry)
    return [
        replace(found[entry.digest], references=references)
        for entry, references in zip(entries, named, strict=True)
    ]


def take_image(
    store: Store, source: Source, entry: Descriptor, platform: Platform | None = None
) -> Taken:
    """One image of a layout.

    Args:
        store: Where to.
        source: The layout.
        entry: Of its index.
        platform: Which one where there are several; None: this machine's.

    Raises:
        IntegrityError, UsageError, StoreError: As for `take_all`.
    """
    references = _references(entry)
    manifest = _read_manifest(source, entry, platform or host_platform(), MAX_NESTING)
    config = _take_config(store, source, manifest)
    if len(config.diff_ids) != len(manifest.layers):
        raise IntegrityError(
            f"the image {manifest.digest} has {len(manifest.layers)} layers, but its "
            f"configuration names {len(config.diff_ids)}"
        )
    for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True):
        put_blob(store, layer, partial(source.open, blob_path(layer.digest)))
        unpack_stored(store, layer, diff_id)
    store.put_image(manifest)
    return Taken(manifest.digest, manifest.config.digest, references)


def read_layout(store: Store, directory: Path, tag: str | None) -> StoredImage:
    """One image of a layout's directory into the store, without a name from there.

    Args:
        store: Where to.
        directory: The layout.
        tag: Which image: its reference name, "@sha256:…", or None for the only one.

    Raises:
        IntegrityError, UsageError, StoreError: As for `take_all`; and there is no such image.
    """
    with store.adding(), DirectorySource(directory) as source:
        taken = take_image(store, source, choose_entry(source, tag, str(directory)))
        return keep(store, replace(taken, references=()))


def choose_entry(source: Source, tag: str | None, where: str) -> Descriptor:
    """The entry of a layout's index that a tag means.

    Args:
        source: The layout.
        tag: As for `read_layout`.
        where: What to call the layout in messages.

    Raises:
        UsageError: None has the tag, or there are several and no tag was given.
        IntegrityError: The index is malformed.
    """
    entries = list(_entries(_read_index(source)))
    fits = [entry for entry in entries if tag is None or tag in _tags(entry)]
    fits = list({entry.digest: entry for entry in reversed(fits)}.values())
    if len(fits) > 1:
        fits = [entry for entry in fits if "latest" in _tags(entry)] or fits
    if len(fits) == 1:
        return fits[0]
    there = ", ".join(sorted({_tags(entry)[0] for entry in entries})) or "none"
    wanted = f"no image {tag!r}" if not fits else "several images"
    raise UsageError(f"{where} has {wanted}; it has: {there}")


def write_layout(store: Store, image: StoredImage, directory: Path, tag: str) -> None:
    """Add an image to a layout's directory, which is made when missing.

    An image that had the tag loses it; its blobs stay.

    Raises:
        StoreError: The directory cannot be written.
        IntegrityError: The directory has an index that is malformed, or a blob of the store is
            damaged.
    """
    try:
        (directory / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        for descriptor in blobs_of(image):
            _write_blob(store, directory, descriptor)
        entries = _other_entries(directory, tag)
        entries.append(describe_image(image, {REF_NAME: tag}))
        _write_file(directory / LAYOUT_NAME, LAYOUT)
        _write_file(directory / INDEX_NAME, encode_index(entries))
    except OSError as error:
        raise StoreError(
            f"cannot write the layout {directory}: {error.filename}: {error.strerror}",
            remedy="choose a directory that can be written",
        ) from error


def blobs_of(image: StoredImage) -> Iterator[Descriptor]:
    """Every blob an image consists of: manifest, configuration, layers; each once."""
    manifest = image.manifest
    own = Descriptor(manifest.media_type, manifest.digest, len(manifest.raw))
    seen = {blob.digest: blob for blob in (own, manifest.config, *manifest.layers)}
    yield from seen.values()


def describe_image(image: StoredImage, annotations: dict[str, str]) -> Descriptor:
    """The entry of an index for an image."""
    manifest = image.manifest
    return Descriptor(
        media_type=manifest.media_type,
        digest=manifest.digest,
        size=len(manifest.raw),
        platform=image.config.platform,
        annotations=annotations,
    )


def _read_index(source: Source) -> Index:
    layout = parse_document(read_document(source, LAYOUT_NAME), LAYOUT_NAME)
    version = layout.text("imageLayoutVersion")
    if not version.startswith("1."):
        raise IntegrityError(f"the layout's version is {version[:40]!r}; 1.0.0 is understood")
    index = parse_manifest(read_document(source, INDEX_NAME), OCI_INDEX)
    if not isinstance(index, Index):
        raise IntegrityError(f"{INDEX_NAME} is not an index")
    return index


def _entries(index: Index) -> Iterator[Descriptor]:
    """The images of an index; of several for different platforms under one name, ours."""
    groups: dict[str, list[Descriptor]] = {}
    for entry in index.manifests:
        if entry.media_type in (*MANIFEST_TYPES, *INDEX_TYPES):
            groups.setdefault(_name(entry), []).append(entry)
    for entries in groups.values():
        platforms = {entry.platform for entry in entries}
        if len(entries) > 1 and len(platforms) == len(entries) and None not in platforms:
            yield choose_platform(replace(index, manifests=tuple(entries)), host_platform())
        else:
            yield from entries


def _name(entry: Descriptor) -> str:
    return entry.annotations.get(FULL_NAME) or entry.annotations.get(REF_NAME, "")


def _tags(entry: Descriptor) -> list[str]:
    """Everything that may be typed for an entry; the first is the one to show."""
    names = [entry.annotations.get(key, "") for key in (REF_NAME, FULL_NAME)]
    return [*(name for name in names if name), f"@{entry.digest}"]


def _references(entry: Descriptor) -> tuple[Reference, ...]:
    """A full name counts; a reference name without a host belongs to no registry."""
    full, short = entry.annotations.get(FULL_NAME), entry.annotations.get(REF_NAME)
    try:
        if full:
            return (parse_reference(full),)
        if short:
            return (parse_reference(short if "/" in short else f"localhost/{short}"),)
    except UsageError as error:
        raise IntegrityError(f"the layout's index: {error}") from None
    return ()


def _read_manifest(
    source: Source, entry: Descriptor, platform: Platform, depth: int
) -> Manifest:
    if depth == 0:
        raise IntegrityError(f"indexes lie more than {MAX_NESTING} deep in one another")
    raw = read_blob(source, entry.digest)
    if len(raw) != entry.size:
        raise IntegrityError(f"{entry.digest} has {len(raw)} bytes and not {entry.size}")
    found = parse_manifest(raw, entry.media_type)
    if isinstance(found, Manifest):
        return found
    return _read_manifest(source, choose_platform(found, platform), platform, depth - 1)


def _take_config(store: Store, source: Source, manifest: Manifest) -> ImageConfig:
    raw = read_blob(source, manifest.config.digest)
    if len(raw) != manifest.config.size:
        raise IntegrityError(
            f"the configuration {manifest.config.digest} has {len(raw)} bytes and not "
            f"{manifest.config.size}"
        )
    config = parse_image_config(raw)
    store.blobs.put(raw)
    return config


def _other_entries(directory: Path, tag: str) -> list[Descriptor]:
    """What the layout's index lists beside the tag that is about to be written."""
    if not (directory / INDEX_NAME).exists():
        return []
    with DirectorySource(directory) as source:
        listed = _read_index(source).manifests
    return [entry for entry in listed if entry.annotations.get(REF_NAME) != tag]


def _write_blob(store: Store, directory: Path, descriptor: Descriptor) -> None:
    target = directory / blob_path(descriptor.digest)
    with suppress(FileNotFoundError):
        if target.stat().st_size == descriptor.size:
            return
    fresh = _beside(target)
    try:
        with fresh.open("wb") as copy:
            for chunk in store.blobs.stream(descriptor.digest):
                copy.write(chunk)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def _write_file(target: Path, data: bytes) -> None:
    fresh = _beside(target)
    try:
        fresh.write_bytes(data)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}")
