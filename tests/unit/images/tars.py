"""Tar archives for tests, member by member, hostile ones too.

In: names, contents and what is to be wrong.  Out: bytes.  Never: a check of its own.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping


def make_tar(*members: tuple[str, bytes | tarfile.TarInfo], end: bool = True) -> bytes:
    """A ustar/pax archive: (name, content) or (name, a header without content)."""
    out = io.BytesIO()
    for name, what in members:
        header = what if isinstance(what, tarfile.TarInfo) else tarfile.TarInfo(name)
        content = what if isinstance(what, bytes) else b""
        header.size = len(content)
        out.write(header.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512))
    if end:
        out.write(bytes(1024))
    return out.getvalue()


def entry(
    name: str, kind: bytes, link: str = "", mode: int = 0o644
) -> tuple[str, tarfile.TarInfo]:
    """A member that is no file: `make_tar(entry("a", tarfile.SYMTYPE, "b"))`."""
    header = tarfile.TarInfo(name)
    header.type, header.linkname, header.mode = kind, link, mode
    return name, header


def directory(name: str) -> tuple[str, tarfile.TarInfo]:
    """A directory."""
    return entry(name, tarfile.DIRTYPE, mode=0o755)


def symlink(name: str, target: str) -> tuple[str, tarfile.TarInfo]:
    """A symbolic link."""
    return entry(name, tarfile.SYMTYPE, target, 0o777)


def files(contents: Mapping[str, bytes]) -> bytes:
    """An archive of plain files."""
    return make_tar(*contents.items())
