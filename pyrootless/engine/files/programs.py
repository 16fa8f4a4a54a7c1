"""Programs on layers that are no image yet: the steps of a build.

What comes in: lower directories, an upper of the caller's own, the program.
What goes out: a `Child`.
Must never: make an image; decide what the program is.

The launch template of an image without layers is described once for each user and network; a
step changes what differs in that config.json. So a step costs a launch, and nothing before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyrootless.core import _containers
from pyrootless.engine import DEVNULL, Child, Stream, open_container
from pyrootless.engine.files.layering import Layering
from pyrootless.errors import HostUnsupportedError
from pyrootless.images import (
    ImageConfig,
    encode_image_config,
    host_platform,
    make_manifest,
    subordinate_ids,
)
from pyrootless.images.layers import add_mount_points, make_owners, range_lowers, unfit_owners
from pyrootless.images.store import Store, StoredImage
from pyrootless.images.template import write_template

_NOTE = "io.pyrootless."


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the caller's, shown to the program; `options` as of mount(8)."""

    source: str
    target: str
    options: tuple[str, ...] = ("rbind", "rprivate", "nosuid", "nodev", "rw")


@dataclass(frozen=True, slots=True)
class Program:
    """What runs, and how.

    Attributes:
        args: Program and arguments.
        env: "NAME=VALUE" each.
        cwd: Absolute.
        user: (uid, gid).
        groups: Further groups.
        network: As of `--network`.
        privileged: As of `--privileged`.
        mounts: Beside those that every container has.
    """

    args: Sequence[str]
    env: Sequence[str]
    cwd: str = "/"
    user: tuple[int, int] = (0, 0)
    groups: Sequence[int] = ()
    network: str = "none"
    privileged: bool = False
    mounts: Sequence[Bind | Mapping[str, Any]] = field(default_factory=tuple)


class LayeredLauncher:
    """Launches of one build.

    Attributes:
        kind: "single" or "range": the map of ids that its containers have.
    """

    def __init__(
        self, store: Store, root: str | None, userns: str, more: Sequence[str]
    ) -> None:
        """Find out which map of ids there is.

        Args:
            store: It is pinned as long as this is used.
            root: Value of --root.
            userns: "auto", "single" or "range".
            more: Words of `run` that hold for every step, as limits.

        Raises:
            UsageError, HostUnsupportedError: The words have no meaning here.
        """
        self._store = store
        self._root = root
        self._words = [f"--userns={userns}", "--ephemeral", "--entrypoint=", *more]
        config = ImageConfig(raw=b"", platform=host_platform())
        manifest = make_manifest(encode_image_config(config), [])
        self._image = StoredImage(manifest, config, (), 0)
        self._name = f"sha256:{write_template(store, self._image).name}"
        self._described: dict[tuple[object, ...], dict[str, Any]] = {}
        notes = self._describe(Program([], []))["annotations"]
        self.kind = "single" if notes.get(f"{_NOTE}userns", "single") == "single" else "range"

    def lowers(self, diff_ids: Sequence[str], *, points: bool = False) -> list[str]:
        """Directories of layers with the owners that this map of ids shows, top-most first.

        Args:
            diff_ids: The lowest first.
            points: With the places that every start mounts on.

        Raises:
            HostUnsupportedError: The map lacks owners that the layers have.
            StoreError: The store cannot be written.
        """
        layers = self._store.layers
        trees = [layers.tree(digest) for digest in dict.fromkeys(reversed(diff_ids))]
        if not trees:
            return [str(self._store.image_directory(self._image.manifest.digest) / "empty")]
        above = [add_mount_points(self._store, trees)] if points else []
        found = list(trees)
        if self.kind == "range":
            owners = make_owners(self._store.directories.data, trees)
            reason = owners.unfit
            if owners.ids is not None:
                reason = unfit_owners(trees, subordinate_ids())
                found = list(range_lowers(trees, owners.ids))
            if reason:
                raise HostUnsupportedError(
                    f"files of this image would not belong to whom they should: {reason}",
                    check="subordinate-ids",
                    remedy="let a fake root remember owners: --userns=single",
                )
        return [str(path) for path in [*above, *found] if path is not None]

    def launch(self, layering: Layering, side: str, program: Program, output: Stream) -> Child:
        """Start a program; everything it prints goes to one place.

        Args:
            layering: The root; its upper takes what the program writes.
            side: File for the claims of a fake root.
            program: What runs.
            output: A descriptor.

        Raises:
            LaunchError, UsageError: As of `launch`.
        """
        config = self._configure(layering, side, program)
        container = _containers.Container(["--spec=-"], self._root, _launcher())
        text = json.dumps(config, ensure_ascii=False)
        _containers.take_config(container, text.encode("utf-8", "surrogateescape"))
        return Child(container, DEVNULL, output, output)

    def _configure(self, layering: Layering, side: str, program: Program) -> dict[str, Any]:
        described = self._describe(program)
        process = dict(described["process"])
        user = dict(process["user"], additionalGids=list(program.groups))
        process |= {"args": list(program.args), "env": list(program.env)}
        process |= {"cwd": program.cwd, "user": user}
        lowers = list(layering.lowers)
        notes = dict(described["annotations"])
        notes |= {
            f"{_NOTE}rootfs.lower": "\n".join(lowers),
            f"{_NOTE}rootfs.upper": "disk",
            f"{_NOTE}rootfs.upper.path": layering.upper,
            f"{_NOTE}rootfs.upper.work": layering.work,
            f"{_NOTE}rootfs.upper.volatile": "1",
            f"{_NOTE}image": "build",
        }
        if notes.get(f"{_NOTE}fake-root") == "remember":
            notes[f"{_NOTE}fake-root.owners"] = side
        mounts = [*described["mounts"], *map(_mount, program.mounts)]
        root = {"path": lowers[0], "readonly": False}
        changed = {"process": process, "annotations": notes, "mounts": mounts, "root": root}
        return described | changed

    def _describe(self, program: Program) -> dict[str, Any]:
        key = (program.user, program.network, program.privileged)
        if key not in self._described:
            uid, gid = program.user
            words = [*self._words, f"--user={uid}:{gid}", f"--network={program.network}"]
            words += ["--privileged"] if program.privileged else []
            container = open_container([*words, "--", self._name, "/"], self._root)
            if not container.load_template(self._name):
                write_template(self._store, self._image)
                container.load_template(self._name)
            self._described[key] = json.loads(container.describe())
            container.close()
        return self._described[key]


def _mount(mount: Bind | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(mount, Bind):
        return mount
    return {
        "destination": mount.target,
        "type": "bind",
        "source": mount.source,
        "options": list(mount.options),
    }


def _launcher() -> str | None:
    from pyrootless.config import find_launcher

    try:
        return str(find_launcher())
    except HostUnsupportedError:
        return None
