"""Small images made in memory, and a scripted registry that serves them.

In: layers as files and their contents.  Out: manifests, blobs, an answer for ScriptedServer.
Never: a file on disk.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterable, Mapping

from scripted_server import Request, reply

OCI = "application/vnd.oci.image"
MANIFEST_TYPE = f"{OCI}.manifest.v1+json"
INDEX_TYPE = f"{OCI}.index.v1+json"

Said = bytes | Iterable[bytes]


def digest_of(data: bytes) -> str:
    """ "sha256:HEX"."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A plain layer with these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(data), 0o644, 1
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


class ScriptedImages:
    """Images by name; its call is the answer of a ScriptedServer.

    Attributes:
        blobs: Digest → bytes, for a test to spoil.
        manifests: Tag or digest → (bytes, type).
        before: Called with each blob request; what it returns is said instead, unless None.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.before: Callable[[Request], Said | None] = lambda _: None
        self.lock = threading.Lock()

    def __call__(self, request: Request) -> Said:
        kind, _, name = request.target.removeprefix("/v2/a/b/").partition("/")
        if kind == "manifests" and name in self.manifests:
            raw, media_type = self.manifests[name]
            return reply(200, raw, content_type=media_type)
        if kind == "blobs" and name in self.blobs:
            said = self.before(request)
            return self._part(request, self.blobs[name]) if said is None else said
        if kind == "tags":
            tags = [tag for tag in self.manifests if ":" not in tag]
            return reply(200, json.dumps({"name": "a/b", "tags": tags}).encode())
        return reply(200 if request.target == "/v2/" else 404)

    def add_blob(self, data: bytes) -> str:
        """Store a blob; its digest."""
        digest = digest_of(data)
        self.blobs[digest] = data
        return digest

    def add_image(
        self,
        tag: str,
        layers: list[Mapping[str, bytes]],
        architecture: str = "amd64",
        diff_ids: list[str] | None = None,
    ) -> dict[str, object]:
        """An image of gzipped layers; its descriptor, as an index needs it."""
        plain = [tar_of(files) for files in layers]
        described = [
            self._describe(f"{OCI}.layer.v1.tar+gzip", gzip.compress(data, mtime=0))
            for data in plain
        ]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/bin/sh"]},
            "rootfs": {
                "type": "layers",
                "diff_ids": [digest_of(data) for data in plain]
                if diff_ids is None
                else diff_ids,
            },
        }
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self._describe(f"{OCI}.config.v1+json", json.dumps(config).encode()),
            "layers": described,
        }
        return self._add_manifest(tag, document, MANIFEST_TYPE) | {
            "platform": {"os": "linux", "architecture": architecture}
        }

    def add_index(self, tag: str, entries: list[dict[str, object]]) -> dict[str, object]:
        """An index of images; its descriptor."""
        document = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
        return self._add_manifest(tag, document, INDEX_TYPE)

    def _add_manifest(self, tag: str, document: object, kind: str) -> dict[str, object]:
        raw = json.dumps(document).encode()
        self.manifests[tag] = self.manifests[digest_of(raw)] = (raw, kind)
        return {"mediaType": kind, "digest": digest_of(raw), "size": len(raw)}

    def _describe(self, media_type: str, data: bytes) -> dict[str, object]:
        return {"mediaType": media_type, "digest": self.add_blob(data), "size": len(data)}

    def _part(self, request: Request, data: bytes) -> bytes:
        wanted = request.headers.get("range", "")
        if not wanted:
            return reply(200, data)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        told = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return reply(206, data[start:], content_range=told)
