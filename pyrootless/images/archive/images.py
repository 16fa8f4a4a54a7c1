"""Archives of images: `save` and `load`.

What comes in: names of images and a file or pipe to write; an archive from a file or pipe.
What goes out: an archive that podman, skopeo and docker read; images in the store, with names.
Must never: name an image before every image of the archive is whole in the store; write an
archive of which a blob is damaged and call it done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, Literal

from pyrootless.errors import IntegrityError, UsageError
from pyrootless.images import (
    Descriptor,
    Reference,
    Taken,
    encode_index,
    find_image,
    keep_all,
    parse_reference,
)
from pyrootless.images.archive import docker, layout
from pyrootless.images.archive.layout import FULL_NAME, REF_NAME
from pyrootless.images.archive.source import TarSource, blob_path, open_archive
from pyrootless.images.archive.write import TarWriter
from pyrootless.images.store import Store, StoredImage

Form = Literal["docker-archive", "oci-archive"]
FORMS: tuple[Form, ...] = ("docker-archive", "oci-archive")

Named = tuple[StoredImage, tuple[Reference, ...]]


def load_images(store: Store, stream: BinaryIO) -> list[str]:
    """Every image of an archive into the store, under the names the archive gives them.

    Args:
        store: Where to.
        stream: A docker archive or an OCI archive, compressed or not; a file or a pipe.

    Returns:
        The names, short as a person types them; of an image without one its ID, "sha256:HEX".

    Raises:
        IntegrityError: Not such an archive, a damaged one or a hostile one.
        UsageError: An image in it is for other machines only.
        StoreError: The store cannot be written.
    """
    with store.adding(), open_archive(stream, store.directories.temporary) as source:
        taken = take_images(store, source)
        keep_all(store, taken)
    return [name for image in taken for name in _names_of(image)]


def take_images(store: Store, source: TarSource, name: str | None = None) -> list[Taken]:
    """Every image of an archive, or the one of a name, into the store, without a name.

    Args:
        store: Where to.
        source: The archive.
        name: A reference, or the tag of an OCI layout; None: all.

    Raises:
        IntegrityError, UsageError, StoreError: As for `load_images`.
    """
    if layout.is_layout(source):
        return layout.take_all(store, source, name)
    if docker.is_docker_archive(source):
        return docker.take_all(store, source, name)
    if source.has(docker.REPOSITORIES_NAME):
        raise IntegrityError(
            "the archive has no manifest.json: docker before 1.10 wrote it; load it there and "
            "save it again"
        )
    raise IntegrityError(
        "this is no archive of images: it has neither a manifest.json (docker) nor an "
        "index.json (OCI). For a root file system: pyrootless import FILE NAME"
    )


def save_images(
    store: Store, names: Sequence[str], stream: BinaryIO, form: Form = "docker-archive"
) -> None:
    """Images of the store as one archive.

    Args:
        store: Where from.
        names: References or IDs; two of one image are two names of it in the archive.
        stream: Where to; only written, never sought.
        form: "docker-archive" (layers plain, as `docker save`) or "oci-archive" (blobs as they
            came).

    Raises:
        UsageError: There is no such image.
        IntegrityError: A blob is damaged.
        StoreError: No room in the store's tmp/.
        OSError: The stream cannot be written.
    """
    tar = TarWriter(stream)
    with store.pin():
        images = _choose(store, names)
        if form == "docker-archive":
            docker.write_images(store, images, tar)
        else:
            _write_layout(store, images, tar)
    tar.finish()


def _choose(store: Store, names: Sequence[str]) -> list[Named]:
    """Images in the order asked for, each once with all names it was asked for by."""
    found: dict[str, Named] = {}
    for name in names:
        image = find_image(store, name)
        digest = image.manifest.digest
        known = found.get(digest, (image, ()))[1]
        found[digest] = (image, tuple(dict.fromkeys((*known, *_asked(image, name)))))
    return list(found.values())


def _asked(image: StoredImage, name: str) -> tuple[Reference, ...]:
    """The reference by which an image was asked for; () when it was asked for by its ID."""
    try:
        wanted = parse_reference(name)
    except UsageError:
        return ()
    return (wanted,) if wanted in image.references and wanted.tag else ()


def _write_layout(store: Store, images: list[Named], tar: TarWriter) -> None:
    tar.add(layout.LAYOUT_NAME, layout.LAYOUT)
    tar.add(layout.INDEX_NAME, encode_index(_index_entries(images)))
    for directory in ("blobs", "blobs/sha256"):
        tar.add_directory(directory)
    for image, _ in images:
        for blob in layout.blobs_of(image):
            if not tar.has(blob_path(blob.digest)):
                chunks = store.blobs.stream(blob.digest)
                tar.add_chunks(blob_path(blob.digest), blob.size, chunks)


def _index_entries(images: list[Named]) -> list[Descriptor]:
    """A name each; the short one is the tag where no other image has the same tag."""
    tags = [reference.tag for _, references in images for reference in references]
    entries = []
    for image, references in images:
        for reference in references:
            alone = tags.count(reference.tag) == 1 and reference.tag
            notes = {
                FULL_NAME: reference.canonical,
                REF_NAME: str(reference.tag) if alone else reference.canonical,
            }
            entries.append(layout.describe_image(image, notes))
        if not references:
            entries.append(layout.describe_image(image, {}))
    return entries


def _names_of(image: Taken) -> list[str]:
    return [reference.familiar for reference in image.references] or [image.id]
