"""An archive of `docker save`'s form as one tree: path → what it is.

In: the archive.  Out: rows that two images can be compared by, and the configuration.
Never: a time; an order of layers that does not matter in the end.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from pathlib import Path
from typing import Any

_KINDS = {
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "link",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
}
Row = tuple[str, int, int, int, str]


def read_archive(path: Path) -> tuple[dict[str, Row], dict[str, Any]]:
    """(path → (kind, mode, uid, gid, target or digest), configuration)."""
    with tarfile.open(path) as archive:
        manifest = json.loads(_member(archive, "manifest.json"))[0]
        config = json.loads(_member(archive, manifest["Config"]))
        tree: dict[str, Row] = {}
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(_member(archive, name))) as layer:
                _apply(layer, tree)
    return tree, config


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    assert stream is not None
    return stream.read()


def _apply(layer: tarfile.TarFile, tree: dict[str, Row]) -> None:
    for info in layer:
        path = posixpath.normpath(info.name).lstrip("/")
        if path == ".":
            continue
        folder, name = posixpath.split(path)
        if name == ".wh..wh..opq":
            _remove(tree, folder, itself=False)
        elif name.startswith(".wh."):
            _remove(tree, posixpath.join(folder, name[4:]), itself=True)
        else:
            if not info.isdir():
                _remove(tree, path, itself=True)
            tree[path] = _row(layer, info, tree)


def _remove(tree: dict[str, Row], path: str, *, itself: bool) -> None:
    for other in [one for one in tree if one.startswith(f"{path}/")]:
        del tree[other]
    if itself:
        tree.pop(path, None)


def _row(layer: tarfile.TarFile, info: tarfile.TarInfo, tree: dict[str, Row]) -> Row:
    if info.islnk():
        return tree[posixpath.normpath(info.linkname).lstrip("/")]
    kind = _KINDS.get(info.type, "file")
    said = info.linkname if info.issym() else ""
    if kind == "file":
        stream = layer.extractfile(info)
        assert stream is not None
        said = hashlib.sha256(stream.read()).hexdigest()[:16]
    mode = 0o777 if info.issym() else info.mode & 0o7777
    return kind, mode, info.uid, info.gid, said
