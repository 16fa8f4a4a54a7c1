"""The unpacker: every form an archive has, and what no archive may do.

In: archives from tar_builder and Python's tarfile.  Out: trees below temporary directories.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tar_builder import (
    BLOCK,
    END,
    GNU,
    V7,
    binary,
    directory,
    hardlink,
    header,
    longname,
    member,
    octal,
    padded,
    pax,
    record,
    symlink,
)

from pyrootless.core._layers import Summary, Unpacker
from pyrootless.errors import IntegrityError, StoreError

MAX_ENTRIES, MAX_BYTES = 10_000, 1 << 32


class Layer:
    """One layer's directory, and archives unpacked into it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = path / "tree"

    def unpack(
        self,
        data: bytes,
        *,
        step: int = 1 << 16,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
    ) -> Summary:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            limits = {"max_entries": max_entries, "max_bytes": max_bytes}
            unpacker = Unpacker(descriptor, **limits)
            for at in range(0, len(data), step):
                unpacker.feed(data[at : at + step])
            return unpacker.finish()
        finally:
            os.close(descriptor)

    def names(self) -> list[str]:
        """Everything in the tree, sorted."""
        return sorted(str(path.relative_to(self.tree)) for path in self.tree.rglob("*"))

    def lines(self, name: str) -> list[str]:
        file = self.path / name
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def layer(tmp_path: Path) -> Iterator[Layer]:
    base = tmp_path / "outer" / "layer"
    base.mkdir(parents=True)
    canary = tmp_path / "canary"
    canary.write_text("untouched")
    yield Layer(base)
    assert canary.read_text() == "untouched"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["canary", "outer"]
    assert [path.name for path in (tmp_path / "outer").iterdir()] == ["layer"]
    allowed = {"tree", "owners", "devices", "capabilities", "acls"}
    assert {path.name for path in base.iterdir()} <= allowed


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def is_whiteout(path: Path) -> bool:
    facts = path.lstat()
    return stat.S_ISCHR(facts.st_mode) and facts.st_rdev == 0


# What the forms have


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("step", [1, 511, 512, 513, 65536])
def test_forms_of_tarfile(form: int, step: int, layer: Layer) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, body in (("a/b.txt", b"hello"), ("empty", b""), ("block", bytes(512) + b"x")):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(body), 0o4751, 1_600_000_000
            archive.addfile(info, io.BytesIO(body))
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "a/b.txt"
        archive.addfile(info)
    summary = layer.unpack(buffer.getvalue(), step=step)
    assert summary == Summary(4, 518, 0, 0, 0, 0, 0)
    assert layer.names() == ["a", "a/b.txt", "block", "empty", "link"]
    assert (layer.tree / "link").read_text() == "hello"
    assert (layer.tree / "block").read_bytes() == bytes(512) + b"x"
    assert mode(layer.tree / "a/b.txt") == 0o4751
    assert (layer.tree / "a/b.txt").stat().st_mtime_ns == 1_600_000_000 * 10**9


def test_v7_directory_by_its_slash(layer: Layer) -> None:
    layer.unpack(member("old/", kind=b"\0", magic=V7, mode=0o750) + END)
    assert (layer.tree / "old").is_dir()
    assert mode(layer.tree / "old") == 0o750


def test_ustar_prefix_and_gnu_without_one(layer: Layer) -> None:
    ustar = member("name", b"1", prefix=b"deep/er")
    gnu = member("plain", b"2", magic=GNU, prefix=b"00000000000")
    layer.unpack(ustar + gnu + END)
    assert layer.names() == ["deep", "deep/er", "deep/er/name", "plain"]


def test_gnu_long_names(layer: Layer) -> None:
    name, target = b"d" * 200 + b"/" + b"n" * 200, b"t" * 300
    data = longname(name) + member("short", b"x", magic=GNU)
    data += longname(target, b"K") + symlink("link", "short", magic=GNU)
    layer.unpack(data + END)
    assert (layer.tree / name.decode()).read_bytes() == b"x"
    assert os.readlink(layer.tree / "link") == target.decode()


def test_numbers_in_base_256(layer: Layer) -> None:
    big = 3_000_000_000
    data = member("a", b"x", uid=binary(big, 8), gid=binary(7, 8), mtime=binary(-5, 12))
    layer.unpack(data + member("b", b"yz", size=binary(2, 12)) + END)
    assert layer.lines("owners") == [f"{big} 7 a"]
    assert (layer.tree / "a").stat().st_mtime_ns == -5 * 10**9
    assert (layer.tree / "b").read_bytes() == b"yz"


def test_signed_checksum(layer: Layer) -> None:
    layer.unpack(member("caf\u00e9", b"x", signed=True) + END)
    assert layer.names() == ["caf\u00e9"]


def test_pax_overrides_the_header(layer: Layer) -> None:
    long_path = "p/" * 150 + "file"
    extended = {
        "path": long_path,
        "size": "3",
        "uid": "100000",
        "gid": "200000",
        "mtime": "1234567890.123456789",
        "comment": "nothing",
        "hdrcharset": "BINARY",
    }
    layer.unpack(pax(extended) + header(b"short", size=99) + padded(b"abc") + END)
    path = layer.tree / long_path
    assert path.read_bytes() == b"abc"
    assert path.stat().st_mtime_ns == 1234567890_123456789
    assert layer.lines("owners") == [f"100000 200000 {long_path}"]


def test_pax_negative_time(layer: Layer) -> None:
    layer.unpack(pax({"mtime": "-1.25"}) + member("a") + END)
    assert (layer.tree / "a").stat().st_mtime_ns == -1_250_000_000


def test_pax_link(layer: Layer) -> None:
    target = "t" * 400
    layer.unpack(pax({"linkpath": target}) + symlink("a", "short") + END)
    assert os.readlink(layer.tree / "a") == target


def test_pax_is_for_one_member(layer: Layer) -> None:
    layer.unpack(pax({"path": "first", "uid": "5"}) + member("x") + member("second") + END)
    assert layer.names() == ["first", "second"]
    assert layer.lines("owners") == ["5 0 first"]


def test_global_header_is_for_all_that_follow(layer: Layer) -> None:
    data = member("before") + pax({"uid": "7", "comment": "git"}, b"g") + member("a")
    data += pax({"uid": "8"}) + member("b") + pax({"uid": ""}) + member("c") + END
    layer.unpack(data)
    assert layer.lines("owners") == ["7 0 a", "8 0 b"]


def test_solaris_letter_of_an_extended_header(layer: Layer) -> None:
    layer.unpack(pax({"path": "real"}, b"X") + member("x") + END)
    assert layer.names() == ["real"]


def test_members_that_are_read_over(layer: Layer) -> None:
    data = member("label", kind=b"V") + member("acl", b"x" * 600, kind=b"A") + member("a", b"1")
    layer.unpack(data + END)
    assert layer.names() == ["a"]


def test_dumpdir_is_a_directory(layer: Layer) -> None:
    layer.unpack(member("d", b"Yfile\0\0", kind=b"D", mode=0o700) + member("d/f") + END)
    assert layer.names() == ["d", "d/f"]


def test_links_have_no_body_whatever_their_size(layer: Layer) -> None:
    data = member("a", b"1") + header(b"b", b"1", link=b"a", size=512) + member("c", b"2")
    layer.unpack(data + END)
    assert (layer.tree / "b").stat().st_nlink == 2
    assert layer.names() == ["a", "b", "c"]


@pytest.mark.parametrize("tail", [b"", bytes(BLOCK), END, END + b"garbage", bytes(9000)])
def test_ends_that_are_tolerated(tail: bytes, layer: Layer) -> None:
    layer.unpack(member("a", b"1") + tail)
    assert layer.names() == ["a"]


@pytest.mark.parametrize("missing", [1, 500, 502])
def test_the_last_padding_may_be_missing(missing: int, layer: Layer) -> None:
    """As `umoci insert` writes and Go reads: no closing blocks, and no padding either."""
    data = member("first", b"1") + member("a", b"0123456789", mode=0o640)
    summary = layer.unpack(data[: len(data) - missing])
    assert (summary.entries, layer.names()) == (2, ["a", "first"])
    assert (layer.tree / "a").read_bytes() == b"0123456789"
    assert mode(layer.tree / "a") == 0o640


def test_a_global_header_may_come_last(layer: Layer) -> None:
    layer.unpack(member("a", b"1") + pax({"comment": "end"}, b"g")[:-100])
    assert layer.names() == ["a"]


def test_nothing_at_all(layer: Layer) -> None:
    assert layer.unpack(b"").entries == 0
    assert layer.names() == []
    assert mode(layer.tree) == 0o755


# Files with holes

DATA = b"A" * 512
REAL = 1 << 20


def check_sparse(layer: Layer, name: str = "s") -> None:
    path = layer.tree / name
    content = path.read_bytes()
    assert len(content) == REAL
    assert content[4096:4608] == DATA
    assert content[8192:8704] == b"B" * 512
    assert content.count(0) == REAL - 1024
    assert path.stat().st_blocks * 512 < 65536


def test_sparse_old_gnu(layer: Layer) -> None:
    first = octal(4096, 12) + octal(512, 12)
    second = octal(8192, 12) + octal(512, 12)
    end = octal(REAL, 12) + octal(0, 12)
    patches = {386: first, 482: b"\1", 483: octal(REAL, 12)}
    block = bytearray(BLOCK)
    block[0:48] = second + end
    data = header(b"s", b"S", size=1024, magic=GNU, patches=patches) + bytes(block)
    summary = layer.unpack(data + DATA + b"B" * 512 + member("after") + END)
    check_sparse(layer)
    assert summary.size_bytes == REAL
    assert layer.names() == ["after", "s"]


@pytest.mark.parametrize("listed", [True, False])
def test_sparse_pax_0(listed: bool, layer: Layer) -> None:
    records = record("GNU.sparse.size", str(REAL)) + record("GNU.sparse.numblocks", "2")
    if listed:
        records += record("GNU.sparse.map", "4096,512,8192,512")
        records += record("GNU.sparse.name", "s")
    else:
        for at in (4096, 8192):
            records += record("GNU.sparse.offset", str(at))
            records += record("GNU.sparse.numbytes", "512")
    data = member("x", records, b"x") + member("s", DATA + b"B" * 512) + member("after")
    layer.unpack(data + END)
    check_sparse(layer)


def test_sparse_pax_1(layer: Layer) -> None:
    extended = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "s",
        "GNU.sparse.realsize": str(REAL),
    }
    table = padded(f"3\n4096\n512\n8192\n512\n{REAL}\n0\n".encode())
    body = table + DATA + b"B" * 512
    for step in (1, 700, 1 << 16):
        base = layer.path / f"tree{step}"
        layer.unpack(pax(extended) + member("GNUSparse/s", body) + member("z") + END, step=step)
        check_sparse(layer)
        layer.tree.rename(base)
        layer.tree.mkdir()
    for step in (1, 700, 1 << 16):
        for path in (layer.path / f"tree{step}").iterdir():
            path.unlink()
        (layer.path / f"tree{step}").rmdir()


@pytest.mark.parametrize(
    "table",
    ["4096,512,100,512", "0,99999999", "1,2,3", "a,b", "0,512,512,512", "-1,3"],
)
def test_sparse_maps_that_lie(table: str, layer: Layer) -> None:
    extended = {"GNU.sparse.size": "8192", "GNU.sparse.map": table}
    with pytest.raises(IntegrityError, match="hole"):
        layer.unpack(pax(extended) + member("s", DATA) + END)


# What an archive says about its members


def test_modes_and_times_come_last(layer: Layer) -> None:
    data = directory("ro", 0o555, mtime=1000) + member("ro/file", b"x", mode=0o6755, mtime=5)
    data += directory("none", 0, mtime=2000) + directory("none/inner", 0o1777, mtime=3000)
    data += member("none/inner/f", mode=0o000)
    layer.unpack(data + END)
    assert mode(layer.tree / "ro") == 0o555
    assert mode(layer.tree / "ro/file") == 0o6755
    assert (layer.tree / "ro").stat().st_mtime == 1000
    assert mode(layer.tree / "none") == 0
    (layer.tree / "none").chmod(0o700)
    assert mode(layer.tree / "none/inner") == 0o1777
    assert (layer.tree / "none/inner").stat().st_mtime == 3000
    assert mode(layer.tree / "none/inner/f") == 0
    (layer.tree / "ro").chmod(0o755)


def test_a_directory_told_twice(layer: Layer) -> None:
    data = directory("d", 0o000, uid=5) + member("d/f", b"x") + directory("d", 0o751) + END
    layer.unpack(data)
    assert mode(layer.tree / "d") == 0o751
    assert (layer.tree / "d/f").read_bytes() == b"x"
    assert "user.rootlesscontainers" not in os.listxattr(layer.tree / "d")


def test_the_root_itself(layer: Layer) -> None:
    layer.unpack(directory("./", 0o750, mtime=77, uid=1) + member("./a") + END)
    assert mode(layer.tree) == 0o750
    assert layer.tree.stat().st_mtime == 77
    assert layer.lines("owners") == ["1 0 ."]


def test_directories_that_are_not_named(layer: Layer) -> None:
    layer.unpack(member("a/b/c", mode=0o600) + END)
    assert mode(layer.tree / "a") == mode(layer.tree / "a/b") == 0o755


def test_links_have_times(layer: Layer) -> None:
    layer.unpack(symlink("l", "nowhere", mtime=4321) + member("p", kind=b"6", mtime=9) + END)
    assert (layer.tree / "l").lstat().st_mtime == 4321
    assert stat.S_ISFIFO((layer.tree / "p").lstat().st_mode)
    assert mode(layer.tree / "p") == 0o644
    assert (layer.tree / "p").lstat().st_mtime == 9


def test_owners_are_remembered(layer: Layer) -> None:
    data = member("a b", b"x", uid=1000, gid=300) + directory("d", uid=0, gid=1)
    data += symlink("l", "a", uid=33) + member("new\nline%", uid=2) + member("root")
    layer.unpack(data + END)
    # {1: 1000, 2: 300}, {2: 1} as protobuf messages.
    name = "user.rootlesscontainers"
    assert os.getxattr(layer.tree / "a b", name) == b"\x08\xe8\x07\x10\xac\x02"
    assert os.getxattr(layer.tree / "d", name) == b"\x10\x01"
    assert os.listxattr(layer.tree / "root") == []
    expected = ["1000 300 a b", "0 1 d", "33 0 l", "2 0 new%0Aline%25"]
    assert layer.lines("owners") == expected


def test_devices_are_written_down(layer: Layer) -> None:
    data = member("dev/null", kind=b"3", device=(1, 3), mode=0o666, gid=4)
    data += member("dev/sda", kind=b"4", device=(8, 0), mode=0o660)
    summary = layer.unpack(data + END)
    assert layer.lines("devices") == ["c 1 3 666 0 4 dev/null", "b 8 0 660 0 0 dev/sda"]
    assert layer.names() == ["dev"]
    assert summary.devices == 2


def test_attributes(layer: Layer) -> None:
    value = b"\x01\x00\x00\x02" + bytes(16)
    extended: dict[str, str | bytes] = {
        "SCHILY.xattr.user.mime": b"text\0plain",
        "LIBARCHIVE.xattr.user.b%20c": "AAEC",
        "SCHILY.xattr.security.capability": value,
        "SCHILY.xattr.trusted.x": "1",
        "SCHILY.xattr.security.selinux": "label",
        "SCHILY.xattr.user.overlay.opaque": "y",
        "SCHILY.xattr.user.overlay.redirect": "/etc",
        "SCHILY.xattr.user.rootlesscontainers": b"\x08\x05",
        "SCHILY.xattr.user.fuseoverlayfs.override_stat": "0:0:104755",
        "LIBARCHIVE.xattr.user.fuseoverlayfs.opaque": "eQ==",
        "SCHILY.xattr.user.containers.override_stat": "0:0:104755",
    }
    summary = layer.unpack(pax(extended) + member("f", b"x", mode=0o444) + END)
    path = layer.tree / "f"
    assert sorted(os.listxattr(path)) == ["user.b c", "user.mime"]
    assert os.getxattr(path, "user.mime") == b"text\0plain"
    assert os.getxattr(path, "user.b c") == b"\0\1\2"
    assert layer.lines("capabilities") == [f"{value.hex()} f"]
    assert (summary.capabilities, summary.xattrs_skipped) == (1, 8)


def test_attributes_of_directories(layer: Layer) -> None:
    layer.unpack(pax({"SCHILY.xattr.user.a": "1"}) + directory("d", 0o555) + END)
    assert os.getxattr(layer.tree / "d", "user.a") == b"1"


# Hard links


def test_hard_links(layer: Layer) -> None:
    data = directory("usr/bin") + symlink("bin", "usr/bin") + member("usr/bin/a", b"x")
    data += hardlink("b", "./bin/a") + hardlink("c", "/usr/bin/a") + symlink("s", "gone")
    data += hardlink("t", "s")
    layer.unpack(data + END)
    assert (layer.tree / "b").stat().st_nlink == 3
    assert (layer.tree / "c").samefile(layer.tree / "b")
    assert os.readlink(layer.tree / "t") == "gone"


def test_a_hard_link_told_twice(layer: Layer) -> None:
    data = member("a", b"x") + hardlink("b", "a") + hardlink("b", "a") + hardlink("a", "a")
    assert layer.unpack(data + END).replaced == 0
    assert (layer.tree / "a").stat().st_nlink == 2


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("lower", "which this layer does not hold"),
        ("no/where", "which this layer does not hold"),
        ("gone", "which this layer does not hold"),
        ("d", "cannot be linked to"),
        ("", "which this layer does not hold"),
        ("../../canary", "leads out of the layer"),
    ],
)
def test_hard_links_that_are_refused(target: str, why: str, layer: Layer) -> None:
    data = directory("d") + member(".wh.gone") + hardlink("x", target) + END
    with pytest.raises(IntegrityError, match=why):
        layer.unpack(data)


# Members over earlier ones

THINGS = {
    "file": lambda name: member(name, b"new"),
    "directory": directory,
    "symlink": lambda name: symlink(name, "elsewhere"),
    "fifo": lambda name: member(name, kind=b"6"),
    "hard link": lambda name: member("other", b"o") + hardlink(name, "other"),
}
KINDS = {
    "file": stat.S_ISREG,
    "directory": stat.S_ISDIR,
    "symlink": stat.S_ISLNK,
    "fifo": stat.S_ISFIFO,
    "hard link": stat.S_ISREG,
}


@pytest.mark.parametrize("new", THINGS)
@pytest.mark.parametrize("old", THINGS)
def test_the_later_member_counts(old: str, new: str, layer: Layer) -> None:
    before = THINGS[old]("x") + (member("x/inner", b"i") if old == "directory" else b"")
    summary = layer.unpack(before + THINGS[new]("x") + END)
    facts = (layer.tree / "x").lstat()
    assert KINDS[new](facts.st_mode)
    kept = old == new == "directory"
    assert (layer.tree / "x/inner").exists() == kept
    both = old == new == "hard link"  # the linked file is told twice as well
    assert summary.replaced == (0 if kept else 2 if both else 1)
    assert new != "file" or (layer.tree / "x").read_bytes() == b"new"


def test_a_file_is_never_written_through_a_link(layer: Layer) -> None:
    data = member("target", b"old") + hardlink("same", "target") + symlink("soft", "target")
    data += member("same", b"new") + member("soft", b"newer")
    layer.unpack(data + END)
    assert (layer.tree / "target").read_bytes() == b"old"
    assert (layer.tree / "same").read_bytes() == b"new"
    assert (layer.tree / "soft").read_bytes() == b"newer"


def test_hard_links_to_devices(layer: Layer) -> None:
    """A device is in the list alone, and so is each more name of it."""
    data = member("dev/null", kind=b"3", device=(1, 3), mode=0o666, gid=4)
    data += symlink("d", "dev") + hardlink("zero/null", "d/null") + hardlink("n", "zero/null")
    data += member("f", b"x") + hardlink("f", "n") + hardlink("n", "n")
    summary = layer.unpack(data + END)
    head = "c 1 3 666 0 4"
    names = ("dev/null", "zero/null", "n", "f")
    assert layer.lines("devices") == [f"{head} {name}" for name in names]
    assert layer.names() == ["d", "dev", "zero"]
    assert (summary.devices, summary.replaced) == (4, 1)


def test_the_last_device_of_a_path_is_linked_to(layer: Layer) -> None:
    data = member("x", kind=b"3", device=(1, 3)) + member("x", kind=b"4", device=(8, 0))
    data += hardlink("y", "x") + member("x", b"file") + hardlink("z", "x")
    layer.unpack(data + END)
    assert layer.lines("devices")[-1] == "b 8 0 644 0 0 y"
    assert (layer.tree / "z").read_bytes() == b"file"


def test_a_device_takes_a_files_place(layer: Layer) -> None:
    layer.unpack(member("x", b"1") + member("x", kind=b"3", device=(1, 3)) + END)
    assert layer.names() == []


def test_owners_after_something_was_replaced(layer: Layer) -> None:
    """Every owner is told from then on: the last line of a path counts."""
    layer.unpack(member("x", uid=5) + member("x") + member("y") + END)
    assert layer.lines("owners") == ["5 0 x", "0 0 x", "0 0 y"]


# Whiteouts


def test_whiteouts(layer: Layer) -> None:
    layer.unpack(directory("d") + member("d/.wh.gone") + member(".wh.top") + END)
    assert layer.names() == ["d", "d/gone", "top"]
    assert is_whiteout(layer.tree / "d/gone")
    assert is_whiteout(layer.tree / "top")


def test_opaque_directories(layer: Layer) -> None:
    layer.unpack(member("d/.wh..wh..opq") + member("d/new", b"x") + END)
    assert os.getxattr(layer.tree / "d", "user.overlay.opaque") == b"y"
    assert layer.names() == ["d", "d/new"]


@pytest.mark.parametrize("first", ["whiteout", "member"])
def test_a_whiteout_spares_its_own_layer(first: str, layer: Layer) -> None:
    parts = {
        "whiteout": member(".wh.f") + member(".wh.d") + member(".wh.e"),
        "member": member("f", b"x") + directory("d") + member("d/in", b"y") + member("e/in"),
    }
    order = [first, *(name for name in parts if name != first)]
    layer.unpack(b"".join(parts[name] for name in order) + END)
    assert layer.names() == ["d", "d/in", "e", "e/in", "f"]
    assert (layer.tree / "f").read_bytes() == b"x"
    # A directory that takes a removed one's place shows nothing of it.
    assert os.getxattr(layer.tree / "d", "user.overlay.opaque") == b"y"
    assert os.getxattr(layer.tree / "e", "user.overlay.opaque") == b"y"


def test_names_that_aufs_kept(layer: Layer) -> None:
    data = member(".wh..wh.aufs") + directory(".wh..wh.plnk") + member(".wh..wh.plnk/1.2")
    layer.unpack(data + member("a") + END)
    assert layer.names() == ["a"]


@pytest.mark.parametrize("name", [".wh.", "d/.wh.", ".wh..", ".wh..."])
def test_whiteouts_of_no_name(name: str, layer: Layer) -> None:
    with pytest.raises(IntegrityError, match="whiteout of no name"):
        layer.unpack(member(name) + END)


# Names that lead elsewhere


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("/etc/passwd", "etc/passwd"),
        ("//etc//passwd", "etc/passwd"),
        ("./././a", "a"),
        ("a/../b", "b"),
        ("a/b/../../c", "c"),
    ],
)
def test_names_are_cleaned(name: str, where: str, layer: Layer) -> None:
    layer.unpack(member(name, b"x") + END)
    assert (layer.tree / where).read_bytes() == b"x"


@pytest.mark.parametrize("name", ["..", "../canary", "a/../../canary", "/../x", "./../x"])
def test_names_that_lead_out(name: str, layer: Layer) -> None:
    with pytest.raises(IntegrityError, match="leads out of the layer"):
        layer.unpack(member(name, b"x") + END)


@pytest.mark.parametrize(
    "target", ["/", "/etc", "../../..", "../../../canary/..", "/proc/self/root"]
)
def test_links_as_parents_stay_inside(target: str, layer: Layer) -> None:
    layer.unpack(symlink("out", target) + member("out/pyrootless-test", b"x") + END)
    assert list(layer.tree.rglob("pyrootless-test"))
    assert not Path("/pyrootless-test").exists()
    assert not Path("/etc/pyrootless-test").exists()


def test_work_has_an_end(layer: Layer) -> None:
    """Every member walks over forty links of 1600 names each, which no member pays for."""
    links = b"".join(
        longname(b"d/../" * 800 + b"l%d" % (n + 1), b"K") + symlink(f"l{n}", "x", magic=GNU)
        for n in range(39)
    )
    data = directory("d") + links + symlink("l39", "d") + member("z")
    walk = member("l0/x") + member("z")  # a name that comes again: what was known is forgotten
    layer.unpack(data + walk * 3 + END)
    assert (layer.tree / "d/x").exists()
    with pytest.raises(IntegrityError, match="more work than an archive of its size may"):
        layer.unpack(data + walk * 12 + END)


def test_links_as_parents_are_followed_inside(layer: Layer) -> None:
    data = directory("usr/lib") + symlink("lib", "usr/lib") + symlink("abs", "/usr/lib")
    data += member("lib/a", b"1", uid=3) + member("abs/b", b"2") + symlink("up", "../../usr")
    data += member("up/lib/c", b"3") + symlink("late", "made/later") + member("late/d", b"4")
    layer.unpack(data + END)
    assert [(layer.tree / f"usr/lib/{name}").read_bytes() for name in "abc"] == [
        b"1",
        b"2",
        b"3",
    ]
    assert (layer.tree / "made/later/d").read_bytes() == b"4"
    # The list names the file, not the way to it.
    assert layer.lines("owners") == ["3 0 usr/lib/a"]


def test_a_link_put_in_a_directorys_place(layer: Layer) -> None:
    """The classic: a directory that was used before becomes a link outwards."""
    data = directory("d") + member("d/a", b"1") + symlink("d", "/tmp")
    data += member("d/pyrootless-canary", b"2")
    layer.unpack(data + END)
    assert not Path("/tmp/pyrootless-canary").exists()
    assert (layer.tree / "tmp/pyrootless-canary").read_bytes() == b"2"


def test_links_in_circles(layer: Layer) -> None:
    with pytest.raises(IntegrityError, match="circles"):
        layer.unpack(symlink("a", "b") + symlink("b", "a") + member("a/x") + END)


def test_a_file_as_parent(layer: Layer) -> None:
    with pytest.raises(IntegrityError, match="no directory"):
        layer.unpack(member("a", b"x") + member("a/b") + END)


def test_a_directory_over_a_link(layer: Layer) -> None:
    layer.unpack(symlink("d", "/etc") + directory("d") + member("d/passwd", b"x") + END)
    assert (layer.tree / "d").is_dir()
    assert not (layer.tree / "d").is_symlink()


# Archives that are refused

MORE_MAP = {386: octal(0, 12) + octal(1, 12), 482: b"\1", 483: octal(1, 12)}
BAD = {
    "no archive": (b"this is no archive".ljust(512, b"."), "checksum"),
    "wrong checksum": (b"\1" + member("a")[1:], "checksum"),
    "half a header": (member("a")[:300], "ends in the middle"),
    "no body": (header(b"a", size=10), "ends in the middle"),
    "half a body": (header(b"a", size=1024) + bytes(512), "ends in the middle"),
    "a byte too few": (header(b"a", size=11) + b"0123456789", "ends in the middle"),
    "half a map": (header(b"a", b"S", size=1, magic=GNU, patches=MORE_MAP), "in the middle"),
    "a long name alone": (longname(b"n" * 200), "ends in the middle"),
    "half a long name": (longname(b"n" * 200)[: BLOCK + 100], "ends in the middle"),
    "a long link alone": (longname(b"n" * 200, b"K"), "ends in the middle"),
    "an extended header alone": (pax({"path": "a"})[:-1], "ends in the middle"),
    "no name": (member("") + END, "no name"),
    "unknown type": (member("a", kind=b"Q") + END, "not known: 0x51"),
    "multi-volume": (member("a", kind=b"M") + END, "not known: 0x4d"),
    "letters as size": (header(b"a", size=b"zzz"), "size"),
    "negative size": (header(b"a", size=binary(-1, 12)), "size"),
    "huge size": (header(b"a", size=b"\x80" + b"\xff" * 11), "size"),
    "letters as mode": (header(b"a", mode=b"rwx"), "mode"),
    "huge owner": (header(b"a", uid=binary(1 << 40, 8)), "owner"),
    "owner that is none": (header(b"a", uid=binary(2**32 - 1, 8)), "cannot exist"),
    "letters as time": (header(b"a", mtime=b"now"), "time"),
    "root as a file": (member("/", b"x") + END, "directory with content"),
    "root as a link": (symlink(".", "x") + END, "something else"),
    "directory with content": (member("d/", b"x") + END, "directory with content"),
    "empty link": (symlink("a", "") + END, "link to nothing"),
    "long component": (pax({"path": "n" * 256}) + member("a"), "too long"),
    "long path": (pax({"path": "d/" * 2048 + "x"}) + member("a"), "too long"),
    "long link": (pax({"linkpath": "t" * 4096}) + symlink("a", "b"), "too long"),
    "record without equals": (member("x", b"9 hello\n\n", b"x"), "LENGTH KEY=VALUE"),
    "record of length 0": (member("x", b"0 a=b\n", b"x"), "LENGTH KEY=VALUE"),
    "record too long": (member("x", b"99 a=b\n", b"x"), "LENGTH KEY=VALUE"),
    "record without newline": (member("x", b"6 a=bc", b"x"), "LENGTH KEY=VALUE"),
    "NUL in a name": (pax({"path": b"a\0b"}) + member("a"), "NUL"),
    "NUL in a link": (pax({"linkpath": b"a\0b"}) + symlink("a", "b"), "NUL"),
    "size that is no number": (pax({"size": "1x"}) + member("a"), "size"),
    "time that is none": (pax({"mtime": "1.2.3"}) + member("a"), "time"),
    "charset": (pax({"hdrcharset": "EBCDIC"}) + member("a"), "character set"),
    "global path": (pax({"path": "all"}, b"g") + member("a"), "one name"),
    "global size": (pax({"size": "0"}, b"g") + member("a"), "one name or size"),
    "empty extended header": (member("x", b"", b"x"), "extended header"),
    "huge extended header": (header(b"x", b"x", size=1 << 30), "extended header"),
    "huge long name": (header(b"x", b"L", size=1 << 30, magic=GNU), "extended header"),
    "capabilities": (
        pax({"SCHILY.xattr.security.capability": "x" * 65}) + member("a"),
        "capabilities",
    ),
    "unknown holes": (pax({"GNU.sparse.major": "2"}) + member("a"), "holes"),
    "endless map": (
        pax({"GNU.sparse.major": "1", "GNU.sparse.realsize": "9"}) + member("a", b"9\n" * 256),
        "hole",
    ),
}


@pytest.mark.parametrize("step", [1, 65536])
@pytest.mark.parametrize("name", BAD)
def test_refused(name: str, step: int, layer: Layer) -> None:
    data, why = BAD[name]
    with pytest.raises(IntegrityError, match=why) as caught:
        layer.unpack(data, step=step)
    assert "remedy: the layer is damaged or hostile" in str(caught.value)


def test_control_bytes_do_not_reach_the_terminal(layer: Layer) -> None:
    with pytest.raises(IntegrityError) as caught:
        layer.unpack(member(b"../\x1b[2J\x07evil") + END)
    assert "../?[2J?evil leads out" in str(caught.value)


def test_after_a_refusal_nothing_is_taken(layer: Layer) -> None:
    descriptor = os.open(layer.path, os.O_RDONLY | os.O_DIRECTORY)
    unpacker = Unpacker(descriptor, max_entries=10, max_bytes=10)
    for _ in range(2):
        with pytest.raises(IntegrityError):
            unpacker.feed(bytes([1]) * BLOCK)
    with pytest.raises(IntegrityError, match="refused before"):
        unpacker.finish()
    os.close(descriptor)


# Limits


def test_too_many_members(layer: Layer) -> None:
    data = b"".join(member(f"f{i}") for i in range(4)) + END
    assert layer.unpack(data, max_entries=4).entries == 4
    with pytest.raises(IntegrityError, match="more members than the limit"):
        layer.unpack(data, max_entries=3)


def test_too_many_bytes(layer: Layer) -> None:
    data = member("a", b"x" * 600) + member("b", b"x" * 400) + END
    assert layer.unpack(data, max_bytes=1000).size_bytes == 1000
    with pytest.raises(IntegrityError, match="larger together than the limit"):
        layer.unpack(data, max_bytes=999)


def test_holes_count_as_bytes(layer: Layer) -> None:
    extended = {"GNU.sparse.size": str(1 << 50), "GNU.sparse.map": "0,0"}
    with pytest.raises(IntegrityError, match="larger together"):
        layer.unpack(pax(extended) + member("a") + END)


def test_deep_directories(layer: Layer) -> None:
    """As deep as a path can say; each level closed again with a mode nobody can pass."""
    path = ""
    data = b""
    for _ in range(2000):
        path = f"{path}/d" if path else "d"
        data += pax({"path": path}) + directory("x", 0o700, mtime=5)
    assert layer.unpack(data + END).entries == 2000
    descriptor = os.open(layer.tree, os.O_RDONLY)
    for _ in range(2000):
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        assert os.fstat(below).st_mtime == 5
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)


def test_descriptors_are_closed(layer: Layer) -> None:
    data = b"".join(member(f"d{i}/f", b"x", uid=1) for i in range(100))
    layer.unpack(data + member("z", kind=b"3") + END)
    with pytest.raises(IntegrityError):
        layer.unpack(data + b"\1" * 512)
    gc.collect()  # what an exception's frames held
    fds = Path("/proc/self/fd")
    assert [fd for fd in fds.iterdir() if str(layer.path) in str(fd.resolve())] == []


def test_the_list_of_another_layer_is_not_written_over(layer: Layer) -> None:
    (layer.path / "owners").write_text("kept\n")
    with pytest.raises(StoreError, match="owners") as caught:
        layer.unpack(member("a", uid=1) + END)
    assert os.strerror(errno.EEXIST) in str(caught.value)
    assert layer.lines("owners") == ["kept"]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_bytes_end_in_a_tree_or_a_named_error(data: st.DataObject, layer: Layer) -> None:
    """A good archive with some bytes changed; checksums are made right again at times."""
    good = bytearray(pax({"path": "a/b", "mtime": "1.5"}) + member("x", b"hello") + END)
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        layer.unpack(bytes(good), step=data.draw(st.sampled_from([1, 100, 4096])))
    except (IntegrityError, StoreError) as error:
        assert str(error)
