"""What somebody mounted in a container: volumes, the host's own, tmpfs.

What comes in: a container's config.json.  What goes out: `Mount` values, and docker's objects.
Must never: name what every container has (/proc, /dev); change anything.

Source: Docker Engine API 1.45, "MountPoint".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

_NOTE = "io.pyrootless."
_PROPAGATIONS = frozenset({"private", "rprivate", "slave", "rslave", "shared", "rshared"})
_OURS = frozenset({"/dev", "/dev/shm"})
"""tmpfs of every container's."""
_READ_ONLY = frozenset({"/tmp", "/run", "/var/tmp"})
"""Those that --read-only brings along."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount.

    Attributes:
        kind: Of docker's words.
        name: A volume's; "" of the others.
        source: A path of the host; "" of a tmpfs.
        destination: In the container.
        writable: Whether the container may write to it.
        propagation: Of a bind; "" of the others.
        anonymous: A volume that goes with the container.
    """

    kind: Literal["volume", "bind", "tmpfs"]
    name: str
    source: str
    destination: str
    writable: bool
    propagation: str
    anonymous: bool = False


def read_mounts(config: Mapping[str, Any]) -> list[Mount]:
    """Those of a configuration, in its order; what is damaged is left out."""
    notes = config.get("annotations")
    notes = notes if isinstance(notes, dict) else {}
    volumes = _volumes(str(notes.get(f"{_NOTE}volumes", "")))
    lent = frozenset(str(notes.get(f"{_NOTE}lent", "")).splitlines())
    mounts = config.get("mounts")
    rows = [row for row in mounts if isinstance(row, dict)] if isinstance(mounts, list) else []
    root = config.get("root")
    sealed = isinstance(root, dict) and root.get("readonly") is True
    rows = [row for row in rows if not _is_usual(row, sealed=sealed)]
    found = (_mount(row, volumes, lent) for row in rows)
    return [mount for mount in found if mount is not None]


def inspect_mount(mount: Mount) -> dict[str, Any]:
    """The object of docker's `Mounts`."""
    volume = mount.kind == "volume"
    return {
        "Type": mount.kind,
        **({"Name": mount.name} if volume else {}),
        "Source": mount.source,
        "Destination": mount.destination,
        **({"Driver": "local"} if volume else {}),
        "Mode": "ro" if not mount.writable else "z" if volume and not mount.anonymous else "",
        "RW": mount.writable,
        "Propagation": mount.propagation,
    }


def _is_usual(row: Mapping[str, Any], *, sealed: bool) -> bool:
    """A tmpfs that nobody asked for."""
    usual = _OURS | _READ_ONLY if sealed else _OURS
    return row.get("type") == "tmpfs" and row.get("destination") in usual


def _volumes(text: str) -> dict[str, tuple[str, bool]]:
    """Destination → name, and whether nobody named it (docs/reference/annotations.md)."""
    rows = (line.split(" ", 3) for line in text.splitlines())
    return {row[3]: (row[2], row[0] == "anonymous") for row in rows if len(row) == 4}


def _mount(
    row: Mapping[str, Any], volumes: Mapping[str, tuple[str, bool]], lent: frozenset[str]
) -> Mount | None:
    place, source = str(row.get("destination", "")), str(row.get("source", ""))
    given = row.get("options")
    options = [str(word) for word in given] if isinstance(given, list) else []
    writable = not {"ro", "rro"} & set(options)
    if place in volumes:
        name, anonymous = volumes[place]
        return Mount("volume", name, source, place, writable, "", anonymous)
    if place in lent:
        spread = next((word for word in options if word in _PROPAGATIONS), "rprivate")
        return Mount("bind", "", source, place, writable, spread)
    if row.get("type") == "tmpfs":
        return Mount("tmpfs", "", "", place, writable, "")
    return None
