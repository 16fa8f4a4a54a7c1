"""Images that are named by where they lie and not by a registry.

What comes in: `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:NAME]`.
What goes out: the image in the store, with what its source calls it.
Must never: choose between two images.

Words and forms are those of containers-transports(5). A repository of docker.io that is called
as one of these is reached by its whole name: docker.io/library/oci:latest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyrootless.errors import UsageError

if TYPE_CHECKING:
    from pyrootless.images import Taken
    from pyrootless.images.platforms import Platform
    from pyrootless.images.store import Store, StoredImage

DIRECTORY = "oci"
ARCHIVES = ("oci-archive", "docker-archive")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image lies.

    Attributes:
        kind: "oci", "oci-archive" or "docker-archive".
        path: The directory or file.
        name: Which image of it; None: the only one.
    """

    kind: str
    path: Path
    name: str | None


def parse_place(text: str) -> Place | None:
    """The place a text names; None when it names a registry's image.

    Raises:
        UsageError: A place without a path.
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind not in (DIRECTORY, *ARCHIVES):
        return None
    if not rest:
        raise UsageError(f'"{text}" names no path; write {kind}:PATH or {kind}:PATH:NAME')
    if Path(rest).exists():  # a path may have colons of its own
        return Place(kind, Path(rest), None)
    path, _, name = rest.partition(":")
    return Place(kind, Path(path), name or None)


def pull_place(store: Store, place: Place, platform: Platform | None = None) -> StoredImage:
    """The image that lies at a place, into the store, under the names its source gives it.

    Args:
        store: Where to.
        place: Where from.
        platform: Which one where there are several; None: this machine's.

    Raises:
        UsageError, IntegrityError, StoreError: As for `take_place`.
    """
    from pyrootless.images import keep

    with store.adding():
        return keep(store, take_place(store, place, platform))


def take_place(store: Store, place: Place, platform: Platform | None = None) -> Taken:
    """The image that lies at a place, into the store, not named yet.

    The caller pins the store. Of an archive's images for several machines it takes this one's.

    Raises:
        UsageError: There is no such file or image, or there are several.
        IntegrityError: A malformed, damaged or hostile one.
        StoreError: The store cannot be written.
    """
    if not place.path.exists():
        raise UsageError(f"{place.kind}:{place.path}: there is no such file or directory")
    # Here and not above: a pull from a registry asks only whether its name is a place's.
    from pyrootless.images.archive import images, layout
    from pyrootless.images.archive.source import DirectorySource, open_archive

    if place.kind == DIRECTORY:
        with DirectorySource(place.path) as source:
            entry = layout.choose_entry(source, place.name, str(place.path))
            return layout.take_image(store, source, entry, platform)
    try:
        stream = place.path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {place.path}: {error.strerror}") from error
    with stream, open_archive(stream, store.directories.temporary) as archived:
        return _only(images.take_images(store, archived, place.name), place)


def _only(taken: list[Taken], place: Place) -> Taken:
    if len(taken) == 1:
        return taken[0]
    if not taken:
        raise UsageError(f"{place.path} has no image {place.name!r}")
    names = [str(reference) for image in taken for reference in image.references]
    raise UsageError(
        f"{place.path} has {len(taken)} images",
        remedy=f"say which: {place.kind}:{place.path}:NAME; names: {', '.join(names)}",
    )
