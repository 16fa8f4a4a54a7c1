"""The filter of system calls that a box has, compiled once for a store.

What comes in: the profiles beside this package, the store. What goes out: annotations.
Must never: load libseccomp, or compile, when the store has what these very profiles give.

DATA/cache/seccomp/KIND-KEY (strict; network, for boxes with a network; zygote, for what enters
boxes) is a note of one installation's: the digest, and below it what the filter was made from,
by stat, as a launch template has its sources.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from zlib import crc32

from pyrootless.config import find_directories

Notes = tuple[tuple[str, str], ...]

_PACKAGE = Path(__file__).parents[1]
_SOURCES = (
    *("seccomp/default.json", "seccomp/strict.json", "seccomp/network.json"),
    *("_bpf.py", "_seccomp.py", "_seccomp_changes.py", "_seccomp_check.py"),
    "_seccomp_shared.py",
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def strict_filter(root: str | None, kind: str = "strict") -> Notes:
    """The annotations of the sandbox's filter, compiled when the cache has none.

    Args:
        root: The store's directory; None: the user's own.
        kind: "network": it lets sockets of the internet's protocols through; "zygote": that of
            an interpreter which waits for runs and enters their boxes.

    Raises:
        StoreError: The cache cannot be written.
    """
    directory = find_directories(root).make().cache
    path, digest = _found_filter(directory, kind)
    if not path.is_file():  # the cache was emptied since
        _found_filter.cache_clear()
        path, digest = _found_filter(directory, kind)
    return (
        ("io.pyrootless.seccomp.program", str(path)),
        ("io.pyrootless.seccomp.digest", digest),
    )


@cache
def _found_filter(cache_directory: Path, kind: str) -> tuple[Path, str]:
    key = crc32(os.fsencode(_PACKAGE))
    note = cache_directory / "seccomp" / f"{kind}-{key:08x}"
    sources = _sources()
    try:
        digest, _, noted = note.read_text(errors="surrogateescape").partition("\n")
    except FileNotFoundError:
        digest = noted = ""
    path = note.with_name(digest.removeprefix("sha256:") + ".bpf")
    if noted == sources and _DIGEST.fullmatch(digest) and path.is_file():
        return path, digest
    return _compiled_filter(kind, note, sources)


def _sources() -> str:
    """The machine, its kernel, and "MTIME_NS INODE PATH" of each file, one a line."""
    lines = [f"{os.uname().machine} {os.uname().release}"]
    for path in (_PACKAGE / name for name in _SOURCES):
        facts = path.stat()
        lines.append(f"{facts.st_mtime_ns} {facts.st_ino} {path}")
    return "\n".join(lines)


def _compiled_filter(kind: str, note: Path, sources: str) -> tuple[Path, str]:
    from pyrootless import _seccomp  # loads libseccomp; only here
    from pyrootless._seccomp_changes import replace_rules

    profile = _seccomp.strict_profile(kind == "network")
    if kind == "zygote":
        profile = replace_rules(profile, [{"names": ["setns"], "action": "SCMP_ACT_ALLOW"}])
    section = _seccomp.resolve_profile(
        profile, capabilities=frozenset(), arch=os.uname().machine
    )
    path, digest = _seccomp.compile_to_cache(section, note.parent.parent)
    text = f"{digest}\n{sources}"
    _seccomp.write_whole(note, text.encode(errors="surrogateescape"))
    return path, digest
