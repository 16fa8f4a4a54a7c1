"""Images that were read from somewhere else than a registry, and how they get their names.

What comes in: `Taken`: an image that is whole in the store.  What goes out: its names.
Must never: take a name away from another image before this one is whole.

An image that nobody named is kept under localhost/unnamed@DIGEST, so that it can be listed,
tagged, run by its ID, and is not swept away; its first real name replaces that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pyrootless.errors import IntegrityError, PyrootlessError, StoreError, UsageError
from pyrootless.images.layers import make_owners
from pyrootless.images.manifest import (
    OCI_CONFIG,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    digest_of,
    encode_manifest,
    parse_manifest,
)
from pyrootless.images.reference import Reference
from pyrootless.images.store import Store, StoredImage
from pyrootless.journal import add_event

MAX_IMAGES = 1000
MAX_NAMES = 2000
"""Of one archive. Each costs a link and a flush of the disk."""
UNNAMED = "localhost/unnamed"


@dataclass(frozen=True, slots=True)
class Taken:
    """An image that was read into the store.

    Attributes:
        manifest_digest: "sha256:HEX".
        id: Digest of its configuration.
        references: What its source calls it; not in the store yet.
    """

    manifest_digest: str
    id: str
    references: tuple[Reference, ...]


def is_named(reference: Reference) -> bool:
    """Whether a person gave this name."""
    return reference.name != UNNAMED


def keep(store: Store, taken: Taken) -> StoredImage:
    """Give an image its names; one without a name gets the stand-in.

    Raises:
        StoreError: The store cannot be written.
    """
    for reference in taken.references:
        store.tag(reference, taken.manifest_digest)
    if not taken.references and store.find(taken.manifest_digest) is None:
        store.tag(_stand_in(taken.manifest_digest), taken.manifest_digest)
    image = store.find(taken.manifest_digest)
    if image is None:
        raise StoreError(f"the image {taken.id} went while it was read", remedy="try again")
    trees = [store.layers.tree(layer) for layer in dict.fromkeys(image.config.diff_ids)]
    make_owners(store.directories.data, trees)
    return image


def keep_all(store: Store, images: Sequence[Taken]) -> None:
    """Give several images their names, all of them or none.

    Raises:
        StoreError: The store cannot be written.
    """
    before = {name: store.refs.find(name) for image in images for name in image.references}
    try:
        for image in images:
            keep(store, image)
    except BaseException:
        for name, digest in before.items():
            with suppress(PyrootlessError):  # the failure itself is what counts
                if digest is None:
                    store.untag(name)
                else:
                    store.tag(name, digest)
        raise


def check_counts(images: int, names: int) -> None:
    """Before any of an archive is stored: it has no more images and names than archives have.

    Raises:
        IntegrityError: It has.
    """
    for count, most, what in ((images, MAX_IMAGES, "images"), (names, MAX_NAMES, "names")):
        if count > most:
            raise IntegrityError(
                f"the archive lists {count} {what}; {most} are the most that is read",
                remedy="save them in several archives: pyrootless save -o FILE NAME…",
            )


def name_image(store: Store, image: StoredImage, reference: Reference) -> None:
    """Give an image of the store one more name; the stand-in goes.

    Raises:
        StoreError: The store cannot be written.
    """
    store.tag(reference, image.manifest.digest)
    name = {"name": reference.familiar}
    add_event(store.directories, "image", "tag", image.id, {**image.config.labels, **name})
    stand_in = _stand_in(image.manifest.digest)
    if stand_in in image.references:
        store.untag(stand_in)


def unname_image(store: Store, image: StoredImage, names: Sequence[Reference] = ()) -> None:
    """Take names away from an image, which stays; without a name it is listed by its ID.

    Args:
        store: Where it is.
        image: From `find_image`.
        names: Those that go; none: all of them.

    Raises:
        UsageError: It does not have such a name; then none goes.
        StoreError: The store cannot be written.
    """
    has = [name for name in image.references if is_named(name)]
    lacking = [name.familiar for name in names if name not in has]
    if lacking:
        known = ", ".join(name.familiar for name in has) or "none"
        raise UsageError(f"the image has no name {lacking[0]}; its names: {known}")
    gone = set(names or has)
    if gone >= set(has):
        store.tag(_stand_in(image.manifest.digest), image.manifest.digest)
    for name in sorted(gone, key=lambda each: each.familiar):
        store.untag(name)
        labels = {**image.config.labels, "name": name.familiar}
        add_event(store.directories, "image", "untag", image.id, labels)


def make_manifest(config: bytes, layers: Iterable[Descriptor]) -> Manifest:
    """The manifest of an image that came without one."""
    described = Descriptor(OCI_CONFIG, digest_of(config), len(config))
    made = parse_manifest(encode_manifest(described, tuple(layers)), OCI_MANIFEST)
    assert isinstance(made, Manifest)
    return made


def _stand_in(manifest_digest: str) -> Reference:
    domain, path = UNNAMED.split("/")
    return Reference(domain, path, None, manifest_digest)
