"""The lists beside a layer's tree: owners, devices, capabilities, access lists.

What comes in: the files as csrc/unpack/list.c writes them, one line about one path.
What goes out: their lines as values; the same files without lines that do not hold any more.
Must never: a path believed that is not in the tree, or a whole list in memory to read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from pyrootless.images.layers.beneath import Beneath

OWNERS = "owners"
DEVICES = "devices"
CAPABILITIES = "capabilities"
ACLS = "acls"
NOTHING = {OWNERS: b"0 0", CAPABILITIES: b"-"}
"""What a line says that undoes an earlier one of the same path."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owned an entry in the archive, other than 0:0.

    Attributes:
        path: Below the tree's root, as the file system has it; b"." is the root.
    """

    uid: int
    gid: int
    path: bytes


def read_owners(layer: Path) -> Iterator[Owner]:
    """Lines of `owners` in their order; none when there is no such file.

    Raises:
        OSError: The file cannot be read.
        ValueError: A line is malformed.
    """
    for head, path in read_list(layer / OWNERS):
        uid, gid = head.split()
        yield Owner(int(uid), int(gid), path)


def read_capabilities(layer: Path) -> Iterator[tuple[bytes, bytes]]:
    """(value of security.capability, path) for each line of `capabilities`."""
    for head, path in read_list(layer / CAPABILITIES):
        yield bytes.fromhex(head.decode()), path


def read_acls(layer: Path) -> Iterator[tuple[str, str, bytes, bytes]]:
    """(kind: "a" its own, "d" handed on; form: "b" the kernel's, "t" text; value, path)."""
    for head, path in read_list(layer / ACLS):
        form, digits = head.decode().split()
        if form != "-":
            yield form[0], form[1], bytes.fromhex(digits), path


def read_list(file: Path) -> Iterator[tuple[bytes, bytes]]:
    """(what stands before the path, path) for each line; none when there is no such file."""
    if not file.exists():
        return
    with file.open("rb") as stream:
        for line in stream:
            # An encoded path has no newline, and may have spaces: the fields are counted.
            fields = {OWNERS: 2, DEVICES: 6, CAPABILITIES: 1, ACLS: 2}[file.name]
            words = line.rstrip(b"\n").split(b" ", fields)
            if len(words) <= fields:
                raise ValueError(f"a line of `{file.name}` lacks fields: {line!r}")
            yield b" ".join(words[:fields]), unquote_to_bytes(words[fields])


def settle_lists(layer: Path) -> dict[str, int]:
    """Drop what later members of the archive overruled; returns the number of lines by list.

    The last line of a path counts.  An owner or a capability needs its entry in the tree, a
    device needs that nothing is there.

    Raises:
        OSError: A list cannot be read or written.
    """
    _settle_acls(layer)
    return {name: _settle(layer, name) for name in (OWNERS, DEVICES, CAPABILITIES)}


def _settle(layer: Path, name: str) -> int:
    file = layer / name
    kept = {path: head for head, path in read_list(file)}
    with Beneath(layer / "tree") as tree:
        lines = [
            b"%s %s\n" % (head, _encode(path))
            for path, head in kept.items()
            if head != NOTHING.get(name) and tree.exists(path) == (name != DEVICES)
        ]
    if lines:
        file.write_bytes(b"".join(lines))
    else:
        file.unlink(missing_ok=True)
    return len(lines)


def _settle_acls(layer: Path) -> None:
    """A path has one line of each kind; the last undoes those before it."""
    file = layer / ACLS
    if not file.exists():
        return
    kept: dict[tuple[bytes, bytes], bytes] = {}
    for head, path in read_list(file):
        if head.startswith(b"-"):
            for kind in (b"a", b"d"):
                kept.pop((kind, path), None)
        else:
            kept[head[:1], path] = head
    with Beneath(layer / "tree") as tree:
        lines = [
            b"%s %s\n" % (head, _encode(path))
            for (_, path), head in kept.items()
            if tree.exists(path)
        ]
    if lines:
        file.write_bytes(b"".join(lines))
    else:
        file.unlink()


def _encode(path: bytes) -> bytes:
    """As csrc/unpack/path.c does: "%" and control bytes as %XX."""
    return b"".join(
        b"%%%02X" % byte if byte < 0x20 or byte in b"%\x7f" else bytes((byte,)) for byte in path
    )
