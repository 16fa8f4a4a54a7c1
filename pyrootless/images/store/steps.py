"""Steps of builds that are stored: what a step's key made, so that it is not done again.

What comes in: a key (64 hexadecimal digits) and the layer it made.
What goes out: `StoredStep`s; DATA/steps/KEY.
Must never: keep a step whose layer is gone for one that is there; hold a secret.

A file that is torn or of another form is no step. The layers and blobs of steps are needed as
those of names are; `remove` lets them go.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyrootless.config import Directories
from pyrootless.images import Descriptor
from pyrootless.images.store.files import entries_of, make_store, write_all, writing
from pyrootless.images.store.temporary import Temporaries

_KEY = re.compile(r"[a-f0-9]{64}")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")
_VERSION = 1
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class StoredStep:
    """One step.

    Attributes:
        key: Digest of all it depends on.
        diff_id: Of its layer; "": it is a note alone, as the time of a whole image.
        descriptor: Of its layer's blob; None as of diff_id.
        created: RFC 3339.
        made_by: The instruction, shortened, for a person.
        used_unix_ns: When it was used last.
    """

    key: str
    diff_id: str
    descriptor: Descriptor | None
    created: str
    made_by: str
    used_unix_ns: int = 0


class Steps:
    """The steps of one store.  Reading takes no lock."""

    def __init__(self, directories: Directories, temporaries: Temporaries) -> None:
        self._directories = directories
        self._temporaries = temporaries

    def find(self, key: str) -> StoredStep | None:
        """The step of a key, which counts as used now; None: there is none."""
        path = self._path(key)
        found = _read(path)
        if found is not None:
            with suppress(OSError):
                os.utime(path)
        return found

    def put(self, step: StoredStep) -> None:
        """Store a step.  Raises StoreError."""
        made = {"version": _VERSION, "created": step.created, "made_by": step.made_by[:400]}
        if step.descriptor is not None:
            made |= {
                "diff_id": step.diff_id,
                "digest": step.descriptor.digest,
                "size": step.descriptor.size,
                "media_type": step.descriptor.media_type,
            }
        make_store(self._directories)
        target = self._path(step.key)
        with writing(target):
            target.parent.mkdir(mode=0o700, exist_ok=True)
            path, descriptor = self._temporaries.make_file("step-")
            try:
                write_all(descriptor, json.dumps(made).encode())
                path.rename(target)
            finally:
                path.unlink(missing_ok=True)
                os.close(descriptor)

    def list_all(self) -> list[StoredStep]:
        """Every step, the one used last first."""
        paths = entries_of(self._directories.steps)
        paths = [path for path in paths if _KEY.fullmatch(path.name)]
        found = [step for step in map(_read, paths) if step is not None]
        return sorted(found, key=lambda step: (-step.used_unix_ns, step.key))

    def remove(self, key: str) -> None:
        """Forget a step; its layer goes with the next collection.  Raises StoreError."""
        path = self._path(key)
        with writing(path):
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        assert _KEY.fullmatch(key), key
        return self._directories.steps / key


def _read(path: Path) -> StoredStep | None:
    try:
        with path.open("rb") as stream:
            made = json.loads(stream.read(_MAX_BYTES))
            used = os.fstat(stream.fileno()).st_mtime_ns
        if made["version"] != _VERSION:
            return None
        texts = [str(made.get(name, "")) for name in ("created", "made_by", "diff_id")]
        if not texts[2]:
            return StoredStep(path.name, "", None, texts[0], texts[1], used)
        digest, size = str(made["digest"]), made["size"]
        if not (_DIGEST.fullmatch(texts[2]) and _DIGEST.fullmatch(digest)):
            return None
        descriptor = Descriptor(str(made["media_type"]), digest, int(size))
        return StoredStep(path.name, texts[2], descriptor, texts[0], texts[1], used)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
