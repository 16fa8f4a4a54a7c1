"""The store: what images are made of, on disk.

What comes in: blobs, unpacked layers, names.  What goes out: `StoredImage`s and room on disk.
Must never: contact a registry, start a container, lose what is stored when it is killed.

One class per noun does the work: Blobs, Layers, Refs, Images, Collection, Usage, Temporaries
(store_*.py); this file joins them. Everything commits by rename after a flush; what a crash
leaves lies in tmp/ or trash/, and `sweep` takes it away. Readers take no lock.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pyrootless.config import Directories, find_directories
from pyrootless.errors import (
    ContainerStateError,
    IntegrityError,
    PyrootlessError,
    StoreError,
    UsageError,
)
from pyrootless.images import Manifest, Reference, parse_image_config, parse_reference
from pyrootless.images.store.blobs import Blobs, BlobWriter
from pyrootless.images.store.collect import Collected, Collection, store_lock
from pyrootless.images.store.files import check_version, flush_directory, writing
from pyrootless.images.store.images import Images, StoredImage
from pyrootless.images.store.layers import Layers, LayerWriter
from pyrootless.images.store.refs import Refs
from pyrootless.images.store.removal import Budget
from pyrootless.images.store.steps import Steps
from pyrootless.images.store.temporary import Swept, Temporaries
from pyrootless.images.store.usage import ImageUsage, Usage, measure_images, measure_usage
from pyrootless.images.store.users import LayerUser, is_in_use, list_users
from pyrootless.journal import add_event

__all__ = [
    "BlobWriter", "Collected", "LayerUser", "LayerWriter", "Store", "StoredImage", "Swept",
    "Usage", "open_store",
]  # fmt: skip


def open_store(root: str | None = None) -> Store:
    """The store of this user; nothing is made before the first write.

    Args:
        root: Value of --root; None: the user's own.

    Raises:
        StoreError: A newer pyrootless wrote it, or it cannot be found.
    """
    return Store(find_directories(root))


class Store:
    """One store.

    Attributes:
        directories: Where it lies.
        blobs: Bytes by digest.
        layers: Unpacked trees by diff ID.
        refs: Names.
        steps: What steps of builds made.
        temporaries: Work in progress, `scratch()` for one's own.
    """

    def __init__(self, directories: Directories) -> None:
        check_version(directories)
        self.directories = directories
        self.temporaries = Temporaries(directories)
        self.blobs = Blobs(directories, self.temporaries)
        self.layers = Layers(directories, self.temporaries)
        self.refs = Refs(directories, self.temporaries)
        self.steps = Steps(directories, self.temporaries)
        self._images = Images(self.blobs, self.layers, self.refs)
        self._pins: list[None] = []

    def put_image(self, manifest: Manifest) -> None:
        """Make an image out of blobs and layers that are there.

        Its blobs last from now on.  Its layers do when a launch template is written: after a
        power cut before that they are unpacked again from the blobs.

        Raises:
            StoreError: A part is missing, or the store cannot be written.
            IntegrityError: The parts do not fit together.
        """
        with self.pin():
            config = parse_image_config(self.blobs.read(manifest.config.digest))
            if len(config.diff_ids) != len(manifest.layers):
                raise IntegrityError(
                    f"image {manifest.digest}: its manifest has {len(manifest.layers)} layers, "
                    f"its configuration {len(config.diff_ids)}"
                )
            for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True):
                if not self.blobs.has(layer.digest, layer.size) or not self.layers.has(diff_id):
                    raise StoreError(f"image {manifest.digest}: layer {diff_id} is not stored")
            self.blobs.put(manifest.raw)
            directory = self.image_directory(manifest.digest)
            with writing(directory):
                directory.mkdir(mode=0o700, exist_ok=True)
                flush_directory(directory.parent)

    def image_directory(self, manifest_digest: str) -> Path:
        """DATA/images/HEX, where an image's launch template lies."""
        return self.directories.images / self.blobs.path(manifest_digest).name

    def tag(self, reference: Reference, manifest_digest: str) -> None:
        """Let a reference name an image; another image of that name loses it.

        Raises:
            StoreError: There is no such image, or the store cannot be written.
        """
        with self.pin():
            if not self.blobs.has(manifest_digest):
                raise StoreError(f"there is no image {manifest_digest} to be named {reference}")
            self.refs.set(reference, manifest_digest)

    def untag(self, reference: Reference) -> bool:
        """Take a name away; False when there is none. The image stays until a collection."""
        return self.refs.remove(reference)

    def untag_unused(
        self,
        damaged: Callable[[PyrootlessError], None] | None = None,
        keep: Callable[[StoredImage], bool] | None = None,
    ) -> list[Reference]:
        """Take the names of every image away that no container stands on; these names.

        Args:
            damaged: Called with the reason for each image that cannot be read; it keeps its
                name. None: raise the first.
            keep: Says of an image whether it keeps its names all the same.
        """
        gone = []
        for image in self.images(damaged):
            if keep is not None and keep(image):
                continue
            directory = self.image_directory(image.manifest.digest)
            if not self.users(image) and not is_in_use(directory):
                gone += [name for name in image.references if self.untag(name)]
        return gone

    def find(self, text: str) -> StoredImage | None:
        """The image somebody means: reference, alias, (begin of an) ID, manifest's digest.

        Raises:
            UsageError: Several images fit, or the text has no meaning.
            IntegrityError: The image cannot be read; the text says what heals it.
        """
        return self._images.find(text)

    def images(
        self, damaged: Callable[[PyrootlessError], None] | None = None
    ) -> list[StoredImage]:
        """Every named image, sorted by name.

        Args:
            damaged: Called with the reason for each that cannot be read; None: raise the first.
        """
        return self._images.list_all(damaged)

    def near(self, text: str) -> list[str]:
        """At most three names that look like what was typed."""
        return self._images.near(text)

    @contextmanager
    def pin(self) -> Iterator[None]:
        """Keep collections away while blobs and layers come in that have no name yet.

        Raises:
            StoreError: The store cannot be written.
        """
        with store_lock(self.directories, fcntl.LOCK_SH):
            self._pins.append(None)
            try:
                self.sweep()
                yield
            finally:
                self._pins.pop()

    @contextmanager
    def adding(self) -> Iterator[None]:
        """`pin` for what is read from a file: when it fails, what came in goes again.

        Raises:
            StoreError: The store cannot be written.
        """
        try:
            with self.pin():
                yield
        except BaseException:
            with suppress(PyrootlessError, OSError):  # the failure itself is what counts
                self._collect_quietly()
            raise

    def collect(
        self,
        dry_run: bool = False,
        waiting: Callable[[], None] | None = None,
        keep: Callable[[StoredImage], bool] | None = None,
    ) -> Collected:
        """Remove what no name, no container and no launch needs.

        Args:
            dry_run: Only say what would go.
            waiting: Called once when a pull, an import or a load must be waited for.
            keep: Says of an image without a name whether it stays all the same.

        Raises:
            IntegrityError: A named image cannot be read, so that its parts are not known.
            StoreError: The store cannot be written, or this is called inside `pin`.
        """
        if self._pins:
            raise StoreError("a collection was asked for inside a pull, an import or a load")
        with store_lock(self.directories, fcntl.LOCK_EX, waiting):
            found = Collection(self.directories, self.temporaries, keep).run(dry_run=dry_run)
            if dry_run:
                return found
            self.temporaries.bury(partials=True)
        # The lock is free again: nobody waits for the disk.
        swept = self.temporaries.empty_trash(Budget(), foreign=True)
        return replace(found, problems=swept.problems)

    def sweep(self) -> Swept:
        """Remove what dead processes left; bounded, and nothing happens to what is in use."""
        return self.temporaries.sweep()

    def scratch(self) -> AbstractContextManager[Path]:
        """A directory of one's own on the store's file system, gone afterwards."""
        return self.temporaries.scratch()

    def usage(self) -> Usage:
        """What the store takes of the disk."""
        images = self.images(damaged=lambda _: None)
        return measure_usage(self.directories, images, list_users(self.directories))

    def image_usage(self) -> list[ImageUsage]:
        """What each named image takes of the disk."""
        images = self.images(damaged=lambda _: None)
        return measure_images(self.directories, images, list_users(self.directories))

    def users(self, image: StoredImage) -> list[LayerUser]:
        """Containers that stand on an image, running or kept."""
        own = image.config.diff_ids
        return [user for user in list_users(self.directories) if user.stands_on(own)]

    def remove(self, text: str, force: bool = False) -> list[str]:
        """Remove a name, and the image when it was the last.

        Args:
            text: A name removes that name; an ID or digest the image, when it has one name.
            force: Every name of an ID; and although a container stands on the image (its layers
                then stay until the container goes).

        Returns:
            "Untagged: NAME" and "Deleted: DIGEST" lines, as docker writes them.

        Raises:
            UsageError: There is no such image; near names are given.
            ContainerStateError: A container stands on it, or an ID has several names.
            StoreError: The store cannot be written.
        """
        self.sweep()
        going = self._names_to_remove(text, force)
        digest = self.refs.find(going[0])
        rest = set(self._images.names_of(digest or "")) - set(going)
        if digest is not None and not rest and not force:
            self._refuse_used(digest, text)
        names = [name.familiar for name in going if self.refs.remove(name)]
        for name in names:
            add_event(self.directories, "image", "untag", digest or name, {"name": name})
        lines = [f"Untagged: {name}" for name in names]
        return lines if rest else lines + self._collect_quietly()

    def _names_to_remove(self, text: str, force: bool) -> list[Reference]:
        """At least one name, which is stored."""
        named = self._named_by(text)
        if named is not None:
            return [named]
        image = self.find(text)
        if image is None:
            near = " or ".join(f'"{name}"' for name in self.near(text))
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(
                f'there is no image "{text}"{hint}', remedy="see them: pyrootless images"
            )
        if len(image.references) > 1 and not force:
            names = ", ".join(name.familiar for name in image.references)
            raise ContainerStateError(
                f"image {image.id[7:19]} has several names: {names}",
                remedy=f"remove them all: pyrootless rmi -f {text}",
            )
        return list(image.references)

    def _named_by(self, text: str) -> Reference | None:
        """The stored name that a text is, without reading the image: it may be damaged."""
        try:
            reference = parse_reference(text)
        except UsageError:
            return None
        if self.refs.find(reference) is not None:
            return reference
        alias = self.refs.find_alias(text)
        return alias if alias is not None and self.refs.find(alias) is not None else None

    def _refuse_used(self, manifest_digest: str, text: str) -> None:
        try:
            image = self._images.load(manifest_digest, ())
        except IntegrityError:
            return  # nothing can be started from it
        users = self.users(image)
        if users:
            names = ", ".join(user.shown for user in users)
            raise ContainerStateError(
                f"image {text} is used by container {names}",
                remedy=f"remove it first: pyrootless rm {users[0].shown}",
            )
        if is_in_use(self.image_directory(manifest_digest)):
            raise ContainerStateError(
                f"image {text} is used by a container that is running",
                remedy="see it: pyrootless ps; or wait for its end",
            )

    def _collect_quietly(self) -> list[str]:
        """Remove what became free; a pull under way leaves that to the next collection."""
        if self._pins:
            return []
        with store_lock(self.directories, fcntl.LOCK_EX | fcntl.LOCK_NB) as taken:
            if not taken:
                return []
            try:
                gone = Collection(self.directories, self.temporaries).run(dry_run=False)
            except IntegrityError:
                return []  # another image is damaged: `system prune` says so
        self.temporaries.empty_trash(Budget(), foreign=True)
        for digest in gone.images:
            add_event(self.directories, "image", "delete", digest, {"name": digest})
        return [f"Deleted: {digest}" for digest in (*gone.images, *gone.layers)]
