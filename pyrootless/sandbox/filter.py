"""The filter of system calls that a box has, compiled once for a store.

What comes in: the profiles beside this package, the store. What goes out: annotations.
Must never: load libseccomp, or compile, when the store has what these very profiles give.

DATA/cache/seccomp/KIND-KEY (strict; network, for boxes with a network; zygote, for what enters
boxes; part-LOW-HIGH, to find the call that killed) is a note of one installation's: the digest,
and below it what the filter was made from, by stat, as a launch template has its sources.
"""

from __future__ import annotations

import errno
import os
import re
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

from pyrootless.config import find_directories

Notes = tuple[tuple[str, str], ...]

_PACKAGE = Path(__file__).parents[1]
_SOURCES = (
    *("seccomp/default.json", "seccomp/strict.json", "seccomp/network.json"),
    *("seccomp/bpf.py", "seccomp/profiles.py", "seccomp/changes.py", "seccomp/check.py"),
    "seccomp/shared.py",
    "sandbox/filter.py",
)
_KILL = "SCMP_ACT_KILL_PROCESS"
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


def part_filter(root: str | None, low: int, high: int) -> Notes:
    """The annotations of a filter that kills for `killed_calls()[low:high]` alone.

    It refuses the others of them.

    Raises:
        StoreError: The cache cannot be written.
    """
    return strict_filter(root, f"part-{low}-{high}")


@cache
def killed_calls() -> tuple[str, ...]:
    """Calls for which the sandbox's filter kills, whatever their arguments."""
    from pyrootless.seccomp import profiles

    rules = profiles.strict_profile()["syscalls"]
    return tuple(
        sorted({name for rule in rules if rule["action"] == _KILL for name in rule["names"]})
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
    from pyrootless.seccomp import (
        profiles,  # loads libseccomp; only here
        replace_rules,
    )

    profile = profiles.strict_profile(kind == "network")
    if kind.startswith("part-"):
        low, high = map(int, kind.removeprefix("part-").split("-"))
        profile = _refusing(profile, frozenset(killed_calls()[low:high]))
    if kind == "zygote":
        profile = replace_rules(profile, [{"names": ["setns"], "action": "SCMP_ACT_ALLOW"}])
    section = profiles.resolve_profile(
        profile, capabilities=frozenset(), arch=os.uname().machine
    )
    path, digest = profiles.compile_to_cache(section, note.parent.parent)
    text = f"{digest}\n{sources}"
    profiles.write_whole(note, text.encode(errors="surrogateescape"))
    return path, digest


def _refusing(profile: dict[str, Any], killed: frozenset[str]) -> dict[str, Any]:
    """The profile in which other calls than these are refused where they killed."""
    rules: list[dict[str, Any]] = []
    for rule in profile["syscalls"]:
        kill = [name for name in rule["names"] if name in killed or rule["action"] != _KILL]
        refuse = [name for name in rule["names"] if name not in kill]
        rules += [rule | {"names": kill}] if kill else []
        refusal = {"names": refuse, "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM}
        rules += [rule | refusal] if refuse else []
    return profile | {"syscalls": rules}
