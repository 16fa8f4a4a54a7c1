"""Who uses layers: containers that run or are kept, and images whose lock a launch holds.

What comes in: config.json of containers, locks on DATA/images/HEX (csrc/config/template.c).
What goes out: `LayerUser` values; locked image directories.
Must never: start or end a container, wait for a lock, guess that a layer is free.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrootless.config import Directories
from pyrootless.core import _containers
from pyrootless.errors import StoreError
from pyrootless.images.store.files import entries_of, open_directory, try_lock

LOWERS = ("io.pyrootless.rootfs.lower", "io.pyrootless.rootfs.lower.range")
_HEX = re.compile(r"[a-f0-9]{64}")


@dataclass(frozen=True, slots=True)
class LayerUser:
    """A container that stands on layers of this store.

    Attributes:
        id: 64 hexadecimal digits.
        name: "" when it has none.
        diff_ids: Its layers, the lowest first.
        directory: Where it lies.
    """

    id: str
    name: str
    diff_ids: tuple[str, ...]
    directory: Path

    @property
    def shown(self) -> str:
        """Its name, else the begin of its id."""
        return self.name or self.id[:12]

    def stands_on(self, diff_ids: Sequence[str]) -> bool:
        """Whether these are its layers; a layer that an image has twice is mounted once."""
        return set(self.diff_ids) == set(diff_ids)


def list_users(directories: Directories) -> list[LayerUser]:
    """Every container of this store, sorted by id.

    One whose config.json is missing or damaged cannot be started and uses nothing; while it is
    being created, its launch holds the lock of its image.

    Raises:
        StoreError: A configuration cannot be read, so that its layers are not known.
    """
    found = {}
    places = str(directories.data), str(directories.runtime)
    for key, name, directory, *_ in _containers.list_states(*places, True):
        path = Path(directory)
        config = _read_container(path)
        diff_ids = used_layers(directories, config)
        if diff_ids:
            found[key] = LayerUser(key, name, diff_ids, path)
    return [found[key] for key in sorted(found)]


def used_layers(directories: Directories, config: dict[str, Any]) -> tuple[str, ...]:
    """Diff IDs of a configuration's lower directories, the lowest first."""
    found: dict[str, None] = {}
    for key in LOWERS:
        lines = str(notes_of(config).get(key, "")).split("\n")
        for line in reversed(lines):
            try:
                parts = Path(line).relative_to(directories.layers).parts
            except ValueError:
                continue  # a directory of --rootfs, the skeleton of host, another store
            if parts and _HEX.fullmatch(parts[0]):
                found[f"sha256:{parts[0]}"] = None
    return tuple(found)


def notes_of(config: dict[str, Any]) -> dict[str, Any]:
    """The annotations of a configuration; none when they are malformed."""
    notes = config.get("annotations")
    return notes if isinstance(notes, dict) else {}


def read_template(image: Path) -> dict[str, Any]:
    """The launch template in an image's directory; {} when it is missing or malformed.

    Raises:
        StoreError: It is there and cannot be read.
    """
    return _parse(image, (image / "config.json").read_bytes)


def _read_container(directory: Path) -> dict[str, Any]:
    return _parse(directory, lambda: _containers.read_state(str(directory), False))


def _parse(directory: Path, read: Callable[[], bytes]) -> dict[str, Any]:
    try:
        found = json.loads(read())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise StoreError(
            f"cannot tell which layers are used: {directory}/config.json: {error.strerror}",
            remedy=f"make it readable, or remove it: pyrootless rm {directory.name[:12]}",
        ) from error
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def list_image_directories(directories: Directories) -> list[Path]:
    """DATA/images/HEX of images; not those of the built-in one."""
    return _directories_of(directories.images)


def lock_image(path: Path) -> int | None:
    """The descriptor of an image's directory with its exclusive lock; None: a launch has it."""
    try:
        descriptor = open_directory(path)
    except OSError:
        return None
    if try_lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def is_in_use(path: Path) -> bool:
    """Whether a launch holds the lock of an image's directory."""
    if not path.is_dir():
        return False
    descriptor = lock_image(path)
    if descriptor is None:
        return path.is_dir()
    os.close(descriptor)
    return False


def _directories_of(parent: Path) -> list[Path]:
    return [path for path in entries_of(parent) if _HEX.fullmatch(path.name)]
