"""Devices by name, of the Container Device Interface: --device vendor.com/class=name, --gpus.

What comes in: names, the specifications of /etc/cdi and /run/cdi.
What goes out: words of `run` that give the container what the specifications say.
Must never: run a hook of a specification, read one that is not asked for.

Source: github.com/cncf-tags/container-device-interface, SPEC.md 0.8.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrootless.errors import UsageError

DIRECTORIES = (Path("/etc/cdi"), Path("/run/cdi"))
"""A device of the later one hides that of the earlier."""
_NAME = re.compile(r"(?P<kind>[A-Za-z][\w.-]*/[A-Za-z][\w-]*)=(?P<device>[A-Za-z0-9][\w.:-]*)")
_GPU = "nvidia.com/gpu"
_REMEDY = (
    "whoever brings the driver writes one, for NVIDIA: nvidia-ctk cdi generate --format=json "
    "--output=/etc/cdi/nvidia.json; or name the node itself: --device /dev/NAME"
)


@dataclass(frozen=True, slots=True)
class Edits:
    """What a device asks for.

    Attributes:
        words: Options of `run`.
        hooks: Programs that an engine of root's would run, and that are not run here.
    """

    words: tuple[str, ...]
    hooks: tuple[str, ...]


def is_name(text: str) -> bool:
    """Whether a value of --device is such a name, and no path."""
    return _NAME.fullmatch(text) is not None


def names_of_gpus(text: str) -> list[str]:
    """The names that a value of --gpus means: "all", "2", "device=0,1".

    Raises:
        UsageError: It is none of these forms.
    """
    wanted, listing = "", False
    for word in text.strip('"').split(","):
        key, _, value = word.partition("=")
        if listing and not value and key != "all":
            wanted += f",{key}"
            continue
        listing = key == "device"
        if key in ("device", "count"):
            wanted = value
        elif not value:
            wanted = key
        elif key not in ("driver", "capabilities"):
            raise UsageError(f"--gpus {text}: {key}= is not understood; write all or device=0")
    if wanted.isdecimal() and "device=" not in text:
        return [f"{_GPU}={number}" for number in range(int(wanted))]
    names = [f"{_GPU}={name}" for name in wanted.split(",")]
    if not all(is_name(name) for name in names):
        raise UsageError(f"--gpus {text}: write all, a number of them, or device=0,1")
    return names


def edits_of(names: Sequence[str], directories: Sequence[Path] | None = None) -> Edits:
    """What the devices of these names ask for, each kind's own part once.

    Args:
        names: "vendor.com/class=name" each.
        directories: Of specifications; None: `DIRECTORIES`.

    Raises:
        UsageError: No specification has such a device, or it asks for what is not served.
    """
    words: list[str] = []
    hooks: list[str] = []
    seen: set[str] = set()
    for name in names:
        kind, _, device = name.partition("=")
        found = _find(kind, device, DIRECTORIES if directories is None else directories)
        parts = [found[1]] if kind in seen else [found[0].get("containerEdits"), found[1]]
        seen.add(kind)
        for part in parts:
            words += _words(part or {}, name)
            hooks += [str(hook.get("path", "")) for hook in (part or {}).get("hooks") or ()]
    return Edits(tuple(words), tuple(dict.fromkeys(hooks)))


def _find(
    kind: str, device: str, directories: Sequence[Path]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(its specification, its own containerEdits)."""
    files = [path for folder in reversed(directories) for path in sorted(folder.glob("*.json"))]
    for path in files:
        document = _read(path)
        if document.get("kind") != kind:
            continue
        for row in document.get("devices") or ():
            if row.get("name") == device:
                return document, row.get("containerEdits") or {}
    raise UsageError(f"no device {kind}={device}: {_places(directories)}", remedy=_REMEDY)


def _places(directories: Sequence[Path]) -> str:
    folders = " and ".join(map(str, directories))
    yaml = [path for folder in directories for path in sorted(folder.glob("*.y*ml"))]
    if yaml:
        return f"{yaml[0]} is YAML, and specifications are read as JSON"
    return f"no specification of the Container Device Interface in {folders} has it"


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no specification of devices: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("devices"), list):
        raise UsageError(f"{path} is no specification of devices")
    return document


def _words(edits: dict[str, Any], name: str) -> Iterator[str]:
    """Options of `run` for one containerEdits."""
    unknown = edits.keys() - {"env", "deviceNodes", "mounts", "hooks", "additionalGids"}
    if unknown:
        raise UsageError(f"{name} asks for {', '.join(sorted(unknown))}, which is not served")
    for line in edits.get("env") or ():
        yield f"--env={line}"
    for node in edits.get("deviceNodes") or ():
        yield f"--device={node.get('hostPath') or node['path']}:{node['path']}"
    for mount in edits.get("mounts") or ():
        yield f"--mount={_mount(mount)}"
    for group in edits.get("additionalGids") or ():
        yield f"--group-add={group}"


def _mount(mount: dict[str, Any]) -> str:
    """A line of CSV."""
    words = ["type=bind", f"src={mount['hostPath']}", f"dst={mount['containerPath']}"]
    words += ["ro"] if "ro" in (mount.get("options") or ()) else []
    return ",".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    doubled = word.replace('"', '""')
    return f'"{doubled}"' if set(word) & set(',"') else word
