"""Collection: what no name and no container needs goes away.

What comes in: the store's names, containers and image locks.
What goes out: `Collected`, and a store without the rest.
Must never: run beside a pull, an import or a load (they hold the lock `collect.lock` shared);
remove what a name, a container or a launch in progress needs; go on when it cannot tell.

Order: the store's lock, the locks of images that have no name, and only then the containers'
configurations: a container that starts holds its image's lock until its configuration is there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pyrootless.config import Directories
from pyrootless.errors import IntegrityError
from pyrootless.images.store.blobs import Blobs
from pyrootless.images.store.files import make_store, try_lock, writing
from pyrootless.images.store.images import Images, StoredImage
from pyrootless.images.store.layers import Layers, layer_disk_bytes
from pyrootless.images.store.refs import Refs
from pyrootless.images.store.removal import move_to_trash
from pyrootless.images.store.steps import Steps
from pyrootless.images.store.temporary import Temporaries
from pyrootless.images.store.users import (
    list_image_directories,
    list_users,
    lock_image,
    read_template,
    used_layers,
)

LOCK = "collect.lock"


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed, or would remove.

    Attributes:
        images: Digests of manifests, sorted.
        layers: Diff IDs, sorted.
        blobs: Digests, sorted; with those of `images`.
        bytes: What blobs and layers took.
        problems: One sentence for each thing that is out of sight, but not yet off the disk.
    """

    images: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    bytes: int = 0
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reachable:
    """Grows while names and containers are read."""

    manifests: set[str] = field(default_factory=set)
    blobs: set[str] = field(default_factory=set)
    layers: set[str] = field(default_factory=set)

    def keep(self, image: StoredImage) -> None:
        """Everything an image is made of."""
        self.manifests.add(image.manifest.digest)
        self.blobs.update((image.manifest.digest, image.id))
        self.blobs.update(layer.digest for layer in image.manifest.layers)
        self.layers.update(image.config.diff_ids)


@contextmanager
def store_lock(
    directories: Directories, kind: int, waiting: Callable[[], None] | None = None
) -> Iterator[bool]:
    """Hold DATA/collect.lock.

    Args:
        directories: The store; made when missing.
        kind: fcntl.LOCK_SH or LOCK_EX; with LOCK_NB it is not waited for.
        waiting: Called once when somebody else has it and it is waited for.

    Yields:
        False when somebody else has it and LOCK_NB was given.

    Raises:
        StoreError: The store cannot be written, or its file system has no locks.
    """
    make_store(directories)
    path = directories.data / LOCK
    with writing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with writing(path):
            taken = try_lock(descriptor, kind & ~fcntl.LOCK_NB)
            if not taken and not kind & fcntl.LOCK_NB:
                if waiting is not None:
                    waiting()
                fcntl.flock(descriptor, kind)
                taken = True
        yield taken
    finally:
        os.close(descriptor)


class Collection:
    """One collection; the store's exclusive lock is held by who makes it."""

    def __init__(
        self,
        directories: Directories,
        temporaries: Temporaries,
        keep: Callable[[StoredImage], bool] | None = None,
    ) -> None:
        self._directories = directories
        self._keep = keep
        self._temporaries = temporaries
        self._blobs = Blobs(directories, temporaries)
        self._layers = Layers(directories, temporaries)
        self._refs = Refs(directories, temporaries)
        self._steps = Steps(directories, temporaries)
        self._images = Images(self._blobs, self._layers, self._refs)

    def run(self, *, dry_run: bool) -> Collected:
        """Find what is not needed, and put it out of sight: a sweep takes it off the disk.

        Raises:
            IntegrityError: A named image cannot be read, so that its parts are not known.
            StoreError: The store cannot be read or written.
        """
        with ExitStack() as locks:
            reachable = self._named()
            free = self._lock_unnamed(locks, reachable)
            for user in list_users(self._directories):
                reachable.layers.update(user.diff_ids)
            doomed = self._doomed(reachable)
            if not dry_run:
                self._remove(free, doomed)
        return doomed

    def _named(self) -> _Reachable:
        reachable = _Reachable()
        for image in self._images.list_all():
            reachable.keep(image)
        for step in self._steps.list_all():
            if step.descriptor is not None:
                reachable.layers.add(step.diff_id)
                reachable.blobs.add(step.descriptor.digest)
        return reachable

    def _lock_unnamed(self, locks: ExitStack, reachable: _Reachable) -> list[Path]:
        """Directories of images without a name, locked against launches; those in use stay."""
        free = []
        for path in list_image_directories(self._directories):
            digest = f"sha256:{path.name}"
            if digest in reachable.manifests or self._is_kept(digest, reachable):
                continue
            descriptor = lock_image(path)
            if descriptor is not None:
                locks.callback(os.close, descriptor)
                free.append(path)
                continue
            reachable.manifests.add(digest)
            config = read_template(path)
            reachable.layers.update(used_layers(self._directories, config))
            with suppress(IntegrityError):  # then its template alone says what it needs
                reachable.keep(self._images.load(digest, ()))
        return free

    def _is_kept(self, digest: str, reachable: _Reachable) -> bool:
        """An image that somebody wants to keep although it has no name."""
        if self._keep is None:
            return False
        try:
            image = self._images.load(digest, ())
        except IntegrityError:
            return False
        if self._keep(image):
            reachable.keep(image)
        return digest in reachable.manifests

    def _doomed(self, reachable: _Reachable) -> Collected:
        blobs = [item for item in self._blobs.list_all() if item.digest not in reachable.blobs]
        layers = sorted(set(self._layers.list_all()) - reachable.layers)
        size = sum(item.size_bytes for item in blobs)
        size += sum(layer_disk_bytes(self._layers.path(diff_id)) for diff_id in layers)
        digests = {item.digest for item in blobs if item.digest}
        known = {f"sha256:{path.name}" for path in list_image_directories(self._directories)}
        return Collected(
            images=tuple(sorted(known - reachable.manifests)),
            layers=tuple(layers),
            blobs=tuple(sorted(digests)),
            bytes=size,
        )

    def _remove(self, free: list[Path], doomed: Collected) -> None:
        """Templates first: from then on no launch finds the layers."""
        with writing(self._directories.data):
            for path in free:
                move_to_trash(self._directories, path)
            for diff_id in doomed.layers:
                move_to_trash(self._directories, self._layers.path(diff_id))
            names = set(doomed.blobs)
            for item in self._blobs.list_all():
                if not item.digest or item.digest in names:
                    item.path.unlink(missing_ok=True)
        self._refs.remove_lost_aliases()
