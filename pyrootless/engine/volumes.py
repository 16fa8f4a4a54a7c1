"""Volumes: directories of the store that outlive containers.

What comes in: the engine's directories, names, labels, filters.
What goes out: `Volume` values; volumes made and removed.
Must never: open a file of a volume's or of its record: they are the C core's
(csrc/container/state/volumes/store.h); remove what a container has, or what is no volume.

Source: docker-volume(1), Docker Engine API 1.45, "Volume".
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyrootless import units
from pyrootless.config import Directories
from pyrootless.core import _containers
from pyrootless.errors import ContainerStateError, StoreError, UsageError

if TYPE_CHECKING:
    from pyrootless.images.store import UsageRow

ANONYMOUS = "com.docker.volume.anonymous"
"""Docker's label of a volume that nobody named."""
DRIVER = "local"
_TRUE = frozenset({"true", "1", "t"})
_FALSE = frozenset({"false", "0", "f"})

Test = Callable[["Volume"], bool]
Filters = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume.

    Attributes:
        name: Of 64 hexadecimal digits when nobody named it.
        mountpoint: The directory with its files; of a bind it is empty.
        created_unix_ns: When it was made.
        labels, options: As they were given.
        users: Ids of the containers that have it, running or stopped, sorted.
    """

    name: str
    mountpoint: Path
    created_unix_ns: int
    labels: Mapping[str, str]
    options: Mapping[str, str]
    users: tuple[str, ...]

    @property
    def anonymous(self) -> bool:
        """Whether nobody named it."""
        return ANONYMOUS in self.labels

    @property
    def size_bytes(self) -> int:
        """What its files take of the disk, without the directory itself."""
        from pyrootless.core._layers import tree_bytes  # most lists show no size

        try:
            own = self.mountpoint.stat().st_blocks * 512
        except OSError:
            return 0
        return max(0, tree_bytes(self.mountpoint) - own)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a removal of unused volumes removed.

    Attributes:
        names: Sorted.
        bytes: What their files took.
    """

    names: tuple[str, ...]
    bytes: int


def list_volumes(
    directories: Directories, damaged: Callable[[StoreError], None] | None = None
) -> list[Volume]:
    """All volumes, by name.

    Args:
        directories: The engine's directories.
        damaged: Called for each entry that is no volume, or whose record is damaged; it is left
            alone. None: these are passed over.

    Raises:
        StoreError: The directory cannot be read.
    """
    found = []
    rows = _containers.list_volumes(str(directories.data), str(directories.runtime))
    for name, record, users in sorted(rows, key=lambda row: row[0]):
        try:
            found.append(_volume(directories, name, record, users))
        except StoreError as error:
            if damaged is not None:
                damaged(error)
    return found


def find_volume(directories: Directories, name: str) -> Volume:
    """The volume of this name.

    Raises:
        ContainerStateError: There is none.
        StoreError: What has the name is no volume, or its record is damaged.
    """
    places = str(directories.data), str(directories.runtime)
    try:
        row = _containers.look_up_volume(*places, name)
    except ContainerStateError as error:
        text = f"get {name}: no such volume"
        raise ContainerStateError(text, remedy=error.remedy) from None
    return _volume(directories, *row)


def create_volume(
    directories: Directories,
    name: str = "",
    *,
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Volume:
    """Make a volume, or find that there is one of this name already.

    Args:
        directories: The engine's directories.
        name: "" for an anonymous one.
        labels: Of a new one.
        options: Likewise: type=none, o=bind, device=DIR for a directory of the host.

    Raises:
        UsageError: It is no name, or an option has no meaning or needs root.
        StoreError: It cannot be made.
    """
    own = dict(labels or {})
    if not name:
        name, own[ANONYMOUS] = secrets.token_hex(32), ""
    pairs = [[f"{key}={value}" for key, value in some.items()] for some in (own, options or {})]
    _containers.make_volume(str(directories.data), name, *pairs)
    return find_volume(directories, name)


def remove_volume(directories: Directories, name: str, *, force: bool = False) -> None:
    """Remove a volume and its files.

    Args:
        directories: The engine's directories.
        name: The volume's.
        force: One that is not there is no error.

    Raises:
        ContainerStateError: There is none, or a container has it.
        StoreError: It cannot be removed, or is no volume.
    """
    places = str(directories.data), str(directories.runtime)
    try:
        users = find_volume(directories, name).users
    except ContainerStateError:
        if force:
            return
        raise
    try:
        _containers.remove_volume(*places, name)
    except ContainerStateError as error:
        shown = ", ".join(users)
        if "in use" not in str(error):
            raise
        text = f"remove {name}: volume is in use" + (f" - [{shown}]" if shown else "")
        raise ContainerStateError(text, remedy=error.remedy) from None


def prune_volumes(directories: Directories, filters: Filters, *, every: bool) -> Pruned:
    """Remove volumes that no container has.

    Args:
        directories: The engine's directories.
        filters: Those of `label` and `label!`; `all` as a third word for `every`.
        every: Those that somebody named, too.

    Raises:
        UsageError: A filter is unknown.
        StoreError: The volumes cannot be read.
    """
    rest = {key: values for key, values in filters.items() if key != "all"}
    every = every or any(value in _TRUE for value in filters.get("all", ()))
    if wrong := set(rest) - {"label", "label!"}:
        raise UsageError(f"invalid filter '{min(wrong)}'")
    names, size_bytes = [], 0
    for volume in select_volumes(list_volumes(directories), rest):
        if volume.users or not (every or volume.anonymous):
            continue
        own = volume.size_bytes
        try:
            remove_volume(directories, volume.name)
        except ContainerStateError:
            continue  # taken or removed meanwhile
        names.append(volume.name)
        size_bytes += own
    return Pruned(tuple(names), size_bytes)


def select_volumes(volumes: Sequence[Volume], filters: Filters) -> list[Volume]:
    """Those that fit, in their order. Values of one key are alternatives; labels must all fit.

    Raises:
        UsageError: A key is unknown, or a value has no meaning for it.
    """
    tests = [_test(key, values) for key, values in filters.items()]
    return [item for item in volumes if all(test(item) for test in tests)]


def measure_volumes(volumes: Sequence[Volume]) -> UsageRow:
    """Their row of what the store takes of the disk; active are those that a container has."""
    from pyrootless.images.store import UsageRow

    sizes = [(volume.size_bytes, bool(volume.users)) for volume in volumes]
    free = sum(size for size, used in sizes if not used)
    used_count = sum(used for _, used in sizes)
    return UsageRow(len(sizes), used_count, sum(size for size, _ in sizes), free)


def inspect_volume(volume: Volume) -> dict[str, Any]:
    """The object that `docker volume inspect` prints."""
    return {
        "CreatedAt": units.format_moment(volume.created_unix_ns),
        "Driver": DRIVER,
        "Labels": dict(volume.labels) or None,
        "Mountpoint": str(volume.mountpoint),
        "Name": volume.name,
        "Options": dict(volume.options) or None,
        "Scope": "local",
    }


def _volume(
    directories: Directories, name: str, record: bytes | None, users: Sequence[str]
) -> Volume:
    place = directories.data / "volumes" / name
    try:
        found = json.loads(record or b"")
        own = {key: dict(found[key]) for key in ("labels", "options")}
        created_ns = int(found["created_unix_ns"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StoreError(
            f"{place} is no volume of pyrootless, or its record is damaged",
            remedy="it is left alone; look, and remove it yourself: ls -la DATA/volumes/NAME",
        ) from None
    return Volume(
        name, place / "_data", created_ns, own["labels"], own["options"], tuple(users)
    )


def _test(key: str, values: Sequence[str]) -> Test:
    if key == "dangling":
        wanted = {_boolean(value) for value in values}
        return lambda item: (not item.users) in wanted
    if key == "driver":
        return lambda item: DRIVER in values
    if key == "label":
        return lambda item: all(has_label(item.labels, value) for value in values)
    if key == "label!":
        return lambda item: not any(has_label(item.labels, value) for value in values)
    if key == "name":
        return lambda item: any(_matches(item.name, value) for value in values)
    raise UsageError(f"invalid filter '{key}'", remedy="see them: pyrootless volume ls --help")


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """Whether labels have "KEY", or "KEY=VALUE"."""
    name, equals, text = wanted.partition("=")
    return name in labels and (not equals or labels[name] == text)


def _boolean(value: str) -> bool:
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise UsageError(f"invalid filter 'dangling={value}'")


def _matches(name: str, wanted: str) -> bool:
    try:
        return re.search(wanted, name) is not None
    except re.error:
        return wanted in name
