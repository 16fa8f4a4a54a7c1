"""A small image with a shell, made of the machine's static busybox.

In: busybox.  Out: the tar archive of a root file system with files of two owners.
Never: a file of the machine but that one program.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

APPLETS = (
    "sh cat cp ln rm mkdir sleep stat chown chmod touch mkfifo mv echo ls find dd true head wc "
    "sed"
).split()
FILES = {
    "etc/passwd": b"root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/:/bin/sh\n",
    "etc/group": b"root:x:0:\nbob:x:1000:\n",
    "etc/shadow": b"secret\n",
    "d/one": b"one\n",
    "d/sub/two": b"two\n",
}
MTIME = 1_600_000_000


def write_root(path: Path) -> None:
    """The archive; d/one belongs to 1000:1000, all else to root."""
    with tarfile.open(path, "w") as made:
        for name in (".", "bin", "etc", "tmp", "root", "d", "d/sub"):
            _add(made, name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755)
        busybox = shutil.which("busybox") or "busybox"
        _add(made, "bin/busybox", tarfile.REGTYPE, 0o755, Path(busybox).read_bytes())
        for name in APPLETS:
            _add(made, f"bin/{name}", tarfile.SYMTYPE, 0o777, target="busybox")
        for name, data in FILES.items():
            _add(made, name, tarfile.REGTYPE, 0o644, data, owner=1000 * (name == "d/one"))


def _add(
    made: tarfile.TarFile,
    name: str,
    kind: bytes,
    mode: int,
    data: bytes = b"",
    target: str = "",
    owner: int = 0,
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, mode, MTIME
    info.size, info.linkname = len(data), target
    info.uid = info.gid = owner
    made.addfile(info, io.BytesIO(data) if kind == tarfile.REGTYPE else None)
