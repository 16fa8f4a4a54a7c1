"""A tiny initial RAM disk: busybox, a few kernel modules, a script that mounts the disk.

In: the root file system as a tar file.  Out: a cpio archive (format newc).
Never: an unpacked tree on the host, a module that was not asked for or needed by one that was.
"""

from __future__ import annotations

import io
import lzma
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from base import Failure

MODULES = ["crc32c_generic", "virtio_blk", "ext4"]
DIRECTORIES = ("dev", "proc", "mnt", "bin", "m")


def newc(entries: Sequence[tuple[str, int, bytes]]) -> bytes:
    """A cpio archive from (name, mode, data).  Source: cpio(5), "New ASCII Format"."""
    out = io.BytesIO()
    for inode, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        raw = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + raw)
        out.write(b"\0" * (-out.tell() % 4) + data)
        out.write(b"\0" * (-out.tell() % 4))
    return out.getvalue()


def module_name(path: str) -> str:
    """a/b-c.ko.xz → b_c"""
    return re.sub(r"\.ko.*", "", PurePosixPath(path).name).replace("-", "_")


def load_order(modules_dep: str, wanted: Sequence[str]) -> list[str]:
    """Paths of modules and of what they need, in the order they must be loaded."""
    needs = {}
    for line in modules_dep.splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    paths = {module_name(path): path for path in needs}
    order: list[str] = []

    def visit(path: str) -> None:
        for needed in reversed(needs[path]):
            visit(needed)
        if path not in order:
            order.append(path)

    for name in wanted:
        if name in paths:  # absent: built into the kernel
            visit(paths[name])
    return order


def unpacked(path: str, data: bytes) -> bytes:
    """The module itself.  Raises Failure for a compression this program does not know."""
    if path.endswith(".xz"):
        return lzma.decompress(data)
    if not path.endswith(".ko"):
        raise Failure(f"kernel module with an unknown compression: {path}")
    return data


def init_script(modules: Sequence[str]) -> str:
    """The program the kernel starts: load, wait for the disk, hand over to systemd."""
    lines = ["#!/bin/busybox sh", "/bin/busybox mount -t devtmpfs dev /dev"]
    lines += [f"/bin/busybox insmod /{name}" for name in modules]
    lines += [
        "while ! [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done",
        "/bin/busybox mount -t ext4 -o rw,noatime /dev/vda /mnt",
        "/bin/busybox mount -o move /dev /mnt/dev",
        "exec /bin/busybox switch_root /mnt /sbin/init",
        "",
    ]
    return "\n".join(lines)


def make_initrd(rootfs: Path, target: Path) -> None:
    """Write the initial RAM disk for a root file system's kernel."""
    with tarfile.open(rootfs) as tar:
        members = {one.name.removeprefix("./"): one for one in tar.getmembers()}

        def read(name: str) -> bytes:
            file = tar.extractfile(members[name])
            assert file is not None, name
            return file.read()

        listing = next(name for name in members if name.endswith("/modules.dep"))
        entries = [(name, 0o40755, b"") for name in DIRECTORIES]
        entries.append(("bin/busybox", 0o100755, read("usr/bin/busybox")))
        loaded = []
        for path in load_order(read(listing).decode(), MODULES):
            data = unpacked(path, read(f"{PurePosixPath(listing).parent}/{path}"))
            loaded.append(f"m/{module_name(path)}.ko")
            entries.append((loaded[-1], 0o100644, data))
    entries.append(("init", 0o100755, init_script(loaded).encode()))
    target.write_bytes(newc(entries))
