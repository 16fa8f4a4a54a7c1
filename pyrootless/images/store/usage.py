"""What the store takes of the disk, kind by kind.

What comes in: the store.  What goes out: `Usage`.
Must never: take a lock, change anything, fail because something vanishes while it counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyrootless.config import Directories
from pyrootless.core import _containers
from pyrootless.core._layers import tree_bytes
from pyrootless.images.store.blobs import Blobs
from pyrootless.images.store.files import entries_of
from pyrootless.images.store.images import StoredImage
from pyrootless.images.store.layers import Layers, layer_disk_bytes
from pyrootless.images.store.temporary import Temporaries
from pyrootless.images.store.users import LayerUser


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One kind of thing.

    Attributes:
        total: How many there are.
        active: How many are in use.
        size_bytes: What all take.
        reclaimable_bytes: What a removal of those not in use would give back.
    """

    total: int
    active: int
    size_bytes: int
    reclaimable_bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The whole store.

    Attributes:
        images: Named images: their layers and blobs, what they share counted once.
        unnamed: Layers and blobs that no name needs.
        containers: What kept containers wrote; active are those that run.
        leftovers: Partial downloads, work in progress, the trash.
        cache: What can be made again at once: compiled filters, templates.
    """

    images: UsageRow
    unnamed: UsageRow
    containers: UsageRow
    leftovers: UsageRow
    cache: UsageRow


@dataclass(frozen=True, slots=True)
class ImageUsage:
    """One named image.

    Attributes:
        image: It.
        size_bytes: Its layers and blobs.
        shared_bytes: Of these, what another named image has too.
        containers: How many stand on it.
    """

    image: StoredImage
    size_bytes: int
    shared_bytes: int
    containers: int


def measure_images(
    directories: Directories, images: list[StoredImage], users: list[LayerUser]
) -> list[ImageUsage]:
    """The same for each image; arguments as of `measure_usage`."""
    return _Counter(directories, images, users).each_image()


def measure_usage(
    directories: Directories, images: list[StoredImage], users: list[LayerUser]
) -> Usage:
    """Count everything once.

    Args:
        directories: The store.
        images: Every named image.
        users: Every container that stands on layers.
    """
    counter = _Counter(directories, images, users)
    return Usage(
        images=counter.images(),
        unnamed=counter.unnamed(),
        containers=counter.containers(),
        leftovers=_plain_row(directories.temporary, directories.trash),
        cache=_plain_row(directories.cache),
    )


class _Counter:
    """Sizes of blobs and layers, read once."""

    def __init__(
        self, directories: Directories, images: list[StoredImage], users: list[LayerUser]
    ) -> None:
        temporaries = Temporaries(directories)
        layers = Layers(directories, temporaries)
        self._directories = directories
        self._images = images
        self._used = {diff_id for user in users for diff_id in user.diff_ids}
        self._users = users
        self._blobs = {
            item.digest or item.path.name: item.size_bytes
            for item in Blobs(directories, temporaries).list_all()
        }
        self._layers = {item: layer_disk_bytes(layers.path(item)) for item in layers.list_all()}

    def images(self) -> UsageRow:
        active = [image for image in self._images if self._is_active(image)]
        size, needed = self._size(self._images), self._size(active)
        return UsageRow(len(self._images), len(active), size, size - needed)

    def each_image(self) -> list[ImageUsage]:
        return [self._image(image) for image in self._images]

    def _image(self, image: StoredImage) -> ImageUsage:
        others = [other for other in self._images if other.id != image.id]
        size, rest = self._size([image]), self._size(others)
        shared = size + rest - self._size([image, *others])
        count = sum(user.stands_on(image.config.diff_ids) for user in self._users)
        return ImageUsage(image, size, shared, count)

    def unnamed(self) -> UsageRow:
        layers, blobs = self._parts(self._images)
        loose = set(self._layers) - layers
        size = sum(self._layers[item] for item in loose)
        size += sum(self._blobs[item] for item in set(self._blobs) - blobs)
        kept = loose & self._used
        kept_bytes = sum(self._layers[item] for item in kept)
        return UsageRow(
            len(loose) + len(set(self._blobs) - blobs), len(kept), size, size - kept_bytes
        )

    def containers(self) -> UsageRow:
        places = str(self._directories.data), str(self._directories.runtime)
        taken = [
            (tree_bytes(path), running)
            for _, _, directory, _, _, _, running, *_ in _containers.list_states(*places, True)
            if (path := Path(directory)).is_relative_to(self._directories.data)
        ]
        size = sum(own for own, _ in taken)
        busy = [own for own, running in taken if running]
        return UsageRow(len(taken), len(busy), size, size - sum(busy))

    def _is_active(self, image: StoredImage) -> bool:
        own = image.config.diff_ids
        return any(user.stands_on(own) for user in self._users)

    def _size(self, images: list[StoredImage]) -> int:
        layers, blobs = self._parts(images)
        size = sum(self._layers.get(item, 0) for item in layers)
        return size + sum(self._blobs.get(item, 0) for item in blobs)

    def _parts(self, images: list[StoredImage]) -> tuple[set[str], set[str]]:
        layers: set[str] = set()
        blobs: set[str] = set()
        for image in images:
            layers.update(image.config.diff_ids)
            blobs.update((image.manifest.digest, image.id))
            blobs.update(layer.digest for layer in image.manifest.layers)
        return layers, blobs


def _plain_row(*directories: Path) -> UsageRow:
    entries = [path for directory in directories for path in entries_of(directory)]
    size = sum(tree_bytes(path) for path in entries)
    return UsageRow(len(entries), 0, size, size)
