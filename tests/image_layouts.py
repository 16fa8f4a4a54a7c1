"""Images made by hand: OCI image layouts whose every byte a test decides.

In: layers as lists of entries, a configuration.  Out: a directory that skopeo, podman and
pyrootless read as oci:DIRECTORY:TAG.
Never: a file of the machine in it, unless a test puts its bytes there.

Source: OCI image specification 1.1, "Image Layout"; PAX headers: pax(1), SCHILY.xattr of star.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

KINDS = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "link": tarfile.SYMTYPE,
    "hard": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "char": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
}
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
DEFAULT_MTIME = 1_600_000_000.0


@dataclass(frozen=True)
class Entry:
    """One member of a layer: kind as in KINDS; target of a link; device numbers."""

    path: str
    kind: str = "file"
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)
    data: bytes = b""
    target: str = ""
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    mtime: float = DEFAULT_MTIME
    device: tuple[int, int] = (0, 0)


def file(path: str, data: bytes = b"", mode: int = 0o644, **rest: object) -> Entry:
    """A regular file."""
    return Entry(path, "file", mode, data=data, **rest)  # type: ignore[arg-type]


def directory(path: str, mode: int = 0o755, **rest: object) -> Entry:
    """A directory."""
    return Entry(path, "dir", mode, **rest)  # type: ignore[arg-type]


def link(path: str, target: str, **rest: object) -> Entry:
    """A symbolic link."""
    return Entry(path, "link", 0o777, target=target, **rest)  # type: ignore[arg-type]


def hard(path: str, target: str) -> Entry:
    """A hard link to a member of the same layer."""
    return Entry(path, "hard", target=target)


def whiteout(path: str) -> Entry:
    """What hides `path` of the layers below."""
    parent, _, name = path.rpartition("/")
    return Entry(f"{parent}/.wh.{name}" if parent else f".wh.{name}")


def opaque(path: str) -> Entry:
    """What hides everything in the directory `path` of the layers below."""
    return Entry(f"{path}/.wh..wh..opq")


def with_parents(entries: Iterable[Entry]) -> list[Entry]:
    """The entries, and before each the directories above it that none of them makes.

    An engine makes what is missing, with the time and mode it likes.
    """
    rows = list(entries)
    known = {row.path for row in rows if row.kind == "dir"}
    complete: list[Entry] = []
    for row in rows:
        parts = [part for part in row.path.split("/")[:-1] if part not in ("", ".")]
        for end in range(1, len(parts) + 1):
            above = "/".join(parts[:end])
            if above not in known:
                known.add(above)
                complete.append(directory(above))
        complete.append(row)
    return complete


def layer_tar(entries: Iterable[Entry]) -> bytes:
    """The plain tar archive of a layer, in PAX form."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            archive.addfile(_member(entry), io.BytesIO(entry.data))
    return stream.getvalue()


def _member(entry: Entry) -> tarfile.TarInfo:
    member = tarfile.TarInfo(entry.path)
    member.type = KINDS[entry.kind]
    member.mode = entry.mode
    member.uid, member.gid = entry.owner
    member.size = len(entry.data)
    member.mtime = entry.mtime
    member.linkname = entry.target
    member.devmajor, member.devminor = entry.device
    for name, value in entry.xattrs.items():
        # tarfile writes PAX values as UTF-8; surrogates carry other bytes through unchanged.
        member.pax_headers[f"SCHILY.xattr.{name}"] = value.decode("utf-8", "surrogateescape")
    return member


def compress(data: bytes, kind: str) -> tuple[bytes, str]:
    """Bytes and media type of a layer: kind is "", "gzip" or "zstd"."""
    if kind == "gzip":
        return gzip.compress(data, 1, mtime=0), f"{LAYER}+gzip"
    if kind == "zstd":
        from backports import zstd

        return zstd.compress(data, level=1), f"{LAYER}+zstd"
    return data, LAYER


def write_layout(
    place: Path,
    tag: str,
    layers: Sequence[bytes],
    config: Mapping[str, object] | None = None,
    compression: str = "gzip",
) -> str:
    """Write one image of plain tar layers; more tags of one place share its blobs.

    Returns:
        The digest of the manifest.
    """
    (place / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (place / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    rows = [_put(place, *compress(layer, compression)) for layer in layers]
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": f"layer {number}"} for number in range(len(layers))],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _put(place, json.dumps(document).encode(), CONFIG),
        "layers": rows,
    }
    row = _put(place, json.dumps(manifest).encode(), MANIFEST)
    _add_to_index(place, tag, row)
    return str(row["digest"])


def _put(place: Path, data: bytes, media_type: str) -> dict[str, object]:
    digest = hashlib.sha256(data).hexdigest()
    (place / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _add_to_index(place: Path, tag: str, row: Mapping[str, object]) -> None:
    path = place / "index.json"
    index = (
        json.loads(path.read_text())
        if path.exists()
        else {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    )
    named = {**row, "annotations": {"org.opencontainers.image.ref.name": tag}}
    index["manifests"].append(named)
    path.write_text(json.dumps(index))
