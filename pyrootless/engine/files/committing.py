"""A container and what it changed → changes as a list, or an image.

What comes in: a container, running or stopped.
What goes out: `Change` values; an image of the container's image and one layer more.
Must never: put a file into the layer that is as the image has it; change the container.

Source: docker-diff(1), docker-commit(1).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

from pyrootless.engine import Container, read_config
from pyrootless.engine.control import paused
from pyrootless.engine.files.trees import ContainerTree, open_changes
from pyrootless.errors import ContainerStateError
from pyrootless.images import Commit, ImageConfig, Reference, add_layer, apply_changes
from pyrootless.images.store import Store, StoredImage

_NOTE = "io.pyrootless."
_LABEL = f"{_NOTE}label."
_LAYER = re.compile(r"/layers/([a-f0-9]{64})/tree")
_CHUNK_BYTES = 1 << 18
_OF_A_START = ("HOME", "HOSTNAME", "TERM", "container")
"""Variables that every start sets anew."""


@dataclass(frozen=True, slots=True)
class Change:
    """One path that is not as the image has it.

    Attributes:
        kind: "A" added, "C" changed, "D" deleted.
        path: From the container's root.
    """

    kind: Literal["A", "C", "D"]
    path: str


def list_changes(container: Container) -> list[Change]:
    """What a container changed in its root, sorted by path.

    Raises:
        ContainerStateError: Its changes are not on disk.
        TreeError: They cannot be read.
    """
    with open_changes(container) as tree:
        tree.send({"verb": "changes"})
        data = tree.output.read()
        tree.answer()
    found = []
    for row in data.split(b"\0")[:-1]:
        kind: Any = chr(row[0])
        found.append(Change(kind, row[1:].decode("utf-8", "surrogateescape")))
    return found


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """What docker-commit(1) takes.

    Attributes:
        author, message: For the image and its history.
        changes: Dockerfile instructions for its configuration.
        pause: The container's processes stand still while its files are read.
    """

    author: str = ""
    message: str = ""
    changes: Sequence[str] = ()
    pause: bool = True


def commit_container(
    store: Store,
    container: Container,
    reference: Reference | None = None,
    options: CommitOptions = CommitOptions(),
) -> StoredImage:
    """Make an image of a container.

    Args:
        store: The container's.
        container: From `find_container`.
        reference: The image's name; None: none.
        options: The rest.

    Raises:
        UsageError: A change is malformed.
        ContainerStateError: Its image is gone, or its changes are not on disk.
        StoreError: The store cannot be written.
    """
    base = find_base(store, container)
    config = apply_changes(container_config(container, base.config), options.changes)
    made_by = shlex.join(container.command)
    commit = Commit(config, made_by, options.author, options.message)
    still = paused(container) if options.pause else nullcontext()
    with store.pin(), still, open_changes(container) as tree:
        tree.send({"verb": "layer"})
        return add_layer(store, base, _chunks(tree), commit, reference)


def find_base(store: Store, container: Container) -> StoredImage:
    """The image a container stands on.

    Raises:
        ContainerStateError: It is not in the store any more, or never was.
    """
    notes = read_config(container.directory).get("annotations", {})
    layers = set(_LAYER.findall(str(notes.get(f"{_NOTE}rootfs.lower", ""))))
    fits = [
        image
        for image in store.images(damaged=lambda _: None)
        if {digest.removeprefix("sha256:") for digest in image.config.diff_ids} == layers
    ]
    named = [
        image
        for image in fits
        if container.image in [name.familiar for name in image.references]
        or image.id.removeprefix("sha256:").startswith(container.image or "-")
    ]
    if layers and fits:
        return (named or fits)[0]
    shown = container.name or container.id[:12]
    if container.image == "host" or not layers:
        raise ContainerStateError(
            f"container {shown} has no image of the store: there is nothing to add a layer to",
            remedy=f"keep its files: pyrootless cp {shown}:PATH DIR",
        )
    raise ContainerStateError(
        f"the image of container {shown}, {container.image}, is not in the store any more",
        remedy=f"keep all of it: pyrootless export {shown} | pyrootless import - NAME",
    )


def container_config(container: Container, image: ImageConfig) -> ImageConfig:
    """The image's configuration with what the container was started with."""
    config = read_config(container.directory)
    process, notes = config.get("process", {}), config.get("annotations", {})
    labels = {
        key.removeprefix(_LABEL): str(text)
        for key, text in notes.items()
        if key.startswith(_LABEL)
    }
    entrypoint, cmd = image.entrypoint, tuple(map(str, process.get("args", [])))
    if entrypoint and cmd[: len(entrypoint)] == entrypoint:
        cmd = cmd[len(entrypoint) :]
    else:
        entrypoint = ()
    cwd = str(process.get("cwd", ""))
    return replace(
        image,
        entrypoint=entrypoint,
        cmd=cmd,
        env=_environment(process.get("env", []), image.env),
        labels={**image.labels, **labels},
        working_dir=image.working_dir if cwd in ("", "/") else cwd,
        user=_user(process.get("user", {}), image.user),
    )


def _environment(given: Sequence[str], of_image: Sequence[str]) -> tuple[str, ...]:
    """In the image's order first; what every start sets is not the container's."""
    values = dict(str(row).partition("=")[::2] for row in given)
    own = dict(row.partition("=")[::2] for row in of_image)
    names = [*own, *(name for name in values if name not in own and name not in _OF_A_START)]
    if "PATH" in names and "PATH" not in own:
        names.remove("PATH")
    return tuple(f"{name}={values.get(name, own.get(name, ''))}" for name in names)


def _user(user: dict[str, Any], of_image: str) -> str:
    """The image's own words, unless another user was asked for."""
    uid, gid = int(user.get("uid", 0)), int(user.get("gid", 0))
    name = of_image.partition(":")[0]
    if not name.isdigit() and name not in ("", "root"):
        return of_image
    return of_image if uid == int(name if name.isdigit() else 0) else f"{uid}:{gid}"


def _chunks(tree: ContainerTree) -> Iterator[bytes]:
    """The layer's archive; it raises when that is not whole."""
    while chunk := tree.output.read(_CHUNK_BYTES):
        yield chunk
    tree.answer()
