"""Owners layers: real owners in a namespace with ranges, and what is found there again.

In: layers unpacked here; `unshare --map-auto` as the namespace.  Out: their range-KEY.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from tar_builder import END, directory, hardlink, member, pax, symlink

from pyrootless.errors import StoreError
from pyrootless.images.layers import acl, owners
from pyrootless.images.layers.missing import Missing, read_missing, tell_missing
from pyrootless.images.layers.owners import (
    has_owners_layer,
    missing_file,
    needs_owners_layer,
    owners_command,
    owners_layers_command,
    range_key,
    unflushed_mark,
)
from pyrootless.images.layers.ranges import unfit_owners
from pyrootless.images.layers.unpacking import unpack_layer
from pyrootless.images.store.layers import layer_disk_bytes
from pyrootless.images.subordinate import SubordinateIds

KEY = "0123456789ab"
INSIDE = ["unshare", "--map-root-user", "--map-auto", "--"]
LOOK = """
import json, os, sys
root, found = os.fsencode(sys.argv[1]), {}
for parent, folders, files in os.walk(root):
    for name in [b"", *folders, *files] if parent == root else [*folders, *files]:
        path = os.path.join(parent, name)
        s = os.lstat(path)
        names = [] if os.path.islink(path) else sorted(os.listxattr(path))
        key = os.fsdecode(os.path.relpath(path, root))
        found[key] = [oct(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns, s.st_nlink, names]
print(json.dumps(found))
"""

pytestmark = pytest.mark.needs("subordinate-ids", "newuidmap", "unshare")


class Writer:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def commit(self, diff_id: str) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "layers").mkdir()
    return tmp_path


def make_layer(store: Path, data: bytes, name: str = "a1") -> Path:
    layer = store / "layers" / name
    layer.mkdir()
    unpack_layer([data], Writer(layer), "", expected_diff_id=None)
    return layer


def inside(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*INSIDE, *words], capture_output=True, text=True, timeout=60, check=False
    )


def build(store: Path, layer: Path) -> dict[str, list[object]]:
    """Make the owners layer inside, and what lies in it as seen there."""
    done = inside(owners_command(store, layer, KEY))
    assert done.returncode == 0, done.stderr
    seen = inside([sys.executable, "-c", LOOK, str(layer / f"range-{KEY}")])
    found: dict[str, list[object]] = json.loads(seen.stdout)
    return found


@pytest.fixture
def remove_inside(store: Path) -> object:
    """What others own is removed by root of the namespace."""
    yield None
    inside(["rm", "-rf", str(store / "layers"), str(store / "tmp")])


@pytest.mark.usefixtures("remove_inside")
def test_only_what_somebody_else_owns(store: Path) -> None:
    data = directory("./", 0o751, mtime=11) + directory("etc", 0o755, mtime=12)
    data += member("etc/shadow", b"secret", gid=42, mode=0o640, mtime=13)
    data += member("etc/passwd", b"all") + directory("var/mail", 0o2775, gid=8, mtime=14)
    data += member("var/mail/root", b"m") + symlink("var/link", "mail", uid=33, mtime=15)
    data += member("pipe", kind=b"6", uid=5, mode=0o622, mtime=16)
    data += member("bin/su", b"#!", uid=1, gid=2, mode=0o6755, mtime=17)
    layer = make_layer(store, data + END)
    second = 10**9
    found = build(store, layer)
    implicit = {"var": found.pop("var"), "bin": found.pop("bin")}
    assert found == {
        ".": ["0o40751", 0, 0, 11 * second, 4 + 1, []],
        "etc": ["0o40755", 0, 0, 12 * second, 2, []],
        "etc/shadow": ["0o100640", 0, 42, 13 * second, 1, []],
        "var/mail": ["0o42775", 0, 8, 14 * second, 2, []],
        "var/link": ["0o120777", 33, 0, 15 * second, 1, []],
        "pipe": ["0o10622", 5, 0, 16 * second, 1, []],
        "bin/su": ["0o106755", 1, 2, 17 * second, 1, []],
    }
    assert [facts[0] for facts in implicit.values()] == ["0o40755", "0o40755"]
    made = layer / f"range-{KEY}"
    assert inside(["cat", f"{made}/etc/shadow"]).stdout == "secret"
    assert os.readlink(made / "var/link") == "mail"
    assert list((store / "tmp").iterdir()) == []


@pytest.mark.usefixtures("remove_inside")
def test_file_capabilities(store: Path) -> None:
    """From version 2, and from a version 3 of somebody else's root."""
    v2 = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    v3 = struct.pack("<IIIIII", 0x03000001, 1 << 10, 0, 0, 0, 4711)
    data = b"".join(
        pax({"SCHILY.xattr.security.capability": value}) + member(name, b"x", mode=0o755)
        for name, value in (("two", v2), ("three", v3))
    )
    layer = make_layer(store, data + END)
    assert needs_owners_layer(layer)
    found = build(store, layer)
    for name in ("two", "three"):
        assert found[name][:3] == ["0o100755", 0, 0]
        assert found[name][5] == ["security.capability"]
        # On disk it belongs to the user who is root inside.
        raw = os.getxattr(layer / f"range-{KEY}" / name, "security.capability")
        *rest, root_id = struct.unpack("<IIIIII", raw)
        assert rest == [0x03000001, 1 << 10, 0, 0, 0]
        assert root_id == os.getuid()


@pytest.mark.usefixtures("remove_inside")
def test_hard_links_and_attributes(store: Path) -> None:
    data = pax({"SCHILY.xattr.user.mime": "text"}) + member("a", b"same", uid=7)
    data += hardlink("b", "a", uid=7) + member("d/.wh..wh..opq") + member("d/x", uid=7)
    layer = make_layer(store, data + END)
    found = build(store, layer)
    assert found["a"][1:3] == found["b"][1:3] == [7, 0]
    assert found["a"][4] == 2
    assert found["a"][5] == ["user.mime"]
    # The layer's own tree below it is opaque already.
    assert found["d"][5] == []


@pytest.mark.usefixtures("remove_inside")
def test_made_once(store: Path) -> None:
    layer = make_layer(store, member("a", uid=7) + END)
    build(store, layer)
    before = (layer / f"range-{KEY}").stat()
    build(store, layer)
    after = (layer / f"range-{KEY}").stat()
    assert (before.st_ino, before.st_ctime_ns) == (after.st_ino, after.st_ctime_ns)


@pytest.mark.usefixtures("remove_inside")
def test_an_id_beyond_the_ranges_is_nobodys(store: Path) -> None:
    """Never root's; and it is told of, so that no container starts on it unasked."""
    data = member("a", uid=7) + member("far", uid=2_000_000, gid=8) + directory("d", gid=70_000)
    layer = make_layer(store, data + symlink("l", "x", uid=3_000_000, gid=66_000) + END)
    found = build(store, layer)
    owners_of = {name: facts[1:3] for name, facts in found.items()}
    assert owners_of == {
        ".": [0, 0], "a": [7, 0], "far": [65534, 8], "d": [0, 65534], "l": [65534, 65534],
    }  # fmt: skip
    missing = read_missing([missing_file(layer, KEY), missing_file(layer, "none")])
    assert missing is not None
    assert (missing.uid, missing.gid, missing.path) == (3_000_000, 70_000, "d")
    assert list((store / "tmp").iterdir()) == []


@pytest.mark.parametrize("text", ["{", '{"uid": "x", "gid": 0, "path": ""}', "[]", "{}"])
def test_a_damaged_list_of_what_is_missing(text: str, store: Path) -> None:
    layer = make_layer(store, member("a", uid=7) + END)
    ids = SubordinateIds(((100000, 65536),), ((100000, 65536),))
    file = missing_file(layer, range_key(ids.uids, ids.gids))
    file.write_text(text)
    with pytest.raises(StoreError, match=f"cannot be read: {file} is damaged\n") as caught:
        unfit_owners([layer / "tree"], ids)
    assert caught.value.remedy == "get it again: pyrootless rmi IMAGE; pyrootless pull IMAGE"


def test_ids_that_are_all_there_are_not_told_of(store: Path) -> None:
    layer = make_layer(store, member("a", uid=7) + END)
    build(store, layer)
    assert read_missing([missing_file(layer, KEY)]) is None
    inside(["rm", "-rf", str(layer)])


@pytest.mark.parametrize(
    ("uid", "gid", "path", "expected"),
    [
        (70_000, 0, "a", "of 70000: (/a), beyond your 65536 subordinate ids; "
         "usermod --add-subuids 300000-304463 me"),
        (0, 70_000, "a", "of :70000 (/a), beyond your 65536 subordinate ids; "
         "usermod --add-subgids 300000-304463 me"),
        (70_000, 66_000, "d" * 60, f"of 70000:66000 (/…{'d' * 39}), beyond your 65536 "
         "subordinate ids; usermod --add-subuids 300000-304463 --add-subgids 300000-300463 me"),
        (2**32 - 2, 0, "a", "of 4294967294: (/a), beyond your 65536 subordinate ids"),
    ],
)  # fmt: skip
def test_the_line_that_widens_the_map(
    uid: int, gid: int, path: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "subuid").write_text("me:100000:65536\nyou:234464:65536\nbad:x:1\n")
    files = [tmp_path / "subuid", tmp_path / "gone"]
    text = tell_missing(Missing(uid, gid, path), (65536, 65536), "me", files)
    assert text == f"the image has files {expected}"
    assert len(text) < 224


@pytest.mark.usefixtures("remove_inside")
def test_a_hard_link_to_a_link(store: Path) -> None:
    """It stays one, whatever the link leads to; a link to nowhere too."""
    data = member("file", b"x", uid=7) + symlink("l", "file", uid=8) + hardlink("m", "l")
    data += symlink("gone", "nowhere", uid=9) + hardlink("again", "gone")
    layer = make_layer(store, data + END)
    # A line for each name, as an archive that says an owner with its hard links has it.
    (layer / "owners").write_text("7 0 file\n8 0 l\n8 0 m\n9 0 gone\n9 0 again\n")
    found = build(store, layer)
    made = layer / f"range-{KEY}"
    assert [os.readlink(made / name) for name in ("l", "m", "gone", "again")] == [
        "file", "file", "nowhere", "nowhere",
    ]  # fmt: skip
    assert [found[name][4] for name in ("file", "l", "m", "gone")] == [1, 2, 2, 2]


READ_ACL = """
import os, sys
for name in sys.argv[2:]:
    for kind in ("access", "default"):
        try:
            value = os.getxattr(sys.argv[1] + "/" + name, f"system.posix_acl_{kind}")
            print(name, kind, value.hex())
        except OSError:
            pass
"""


def binary_acl(*entries: acl.Entry) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.mark.usefixtures("remove_inside")
def test_access_lists(store: Path) -> None:
    """Both forms of an archive; ids are the container's, whoever they are on disk."""
    none = acl.UNDEFINED
    wanted = [(1, 6, none), (2, 4, 33), (4, 4, none), (8, 6, 50), (16, 6, none), (32, 0, none)]
    text = "user::rw-\nuser:www:r--\nuser:gone:rwx\ngroup::r--\ngroup:50:rw-\n"
    text += "mask::rw-\nother::---"
    inherited = "user::rwx,user:www:rwx:33,group::r-x,mask::rwx,other::r-x"
    data = member("etc/passwd", b"root:x:0:0::/:\nwww:x:33:33::/:\n")
    data += pax({"SCHILY.acl.access": text}) + member("t", b"x", mode=0o660)
    data += pax({"SCHILY.xattr.system.posix_acl_access": binary_acl(*wanted)})
    data += member("b", b"x", mode=0o660, uid=7)
    data += pax({"SCHILY.acl.default": inherited, "SCHILY.acl.access": "user::rwx"})
    data += directory("d", 0o755)
    data += pax({"SCHILY.acl.access": "user::rw-,group::r--,other::r--"}) + member("plain")
    layer = make_layer(store, data + END)
    assert json.loads((layer / "layer.json").read_text())["xattrsSkipped"] == 0
    found = build(store, layer)
    made = layer / f"range-{KEY}"
    seen = inside([sys.executable, "-c", READ_ACL, str(made), "t", "b", "d"]).stdout
    handed_on = [(1, 7, none), (2, 7, 33), (4, 5, none), (16, 7, none), (32, 5, none)]
    assert seen.splitlines() == [
        f"t access {binary_acl(*wanted).hex()}",
        f"b access {binary_acl(*wanted).hex()}",
        f"d default {binary_acl(*handed_on).hex()}",
    ]
    assert found["b"][:2] == ["0o100660", 7]
    assert "plain" not in found


@pytest.mark.usefixtures("remove_inside")
def test_the_last_access_list_of_a_path_counts(store: Path) -> None:
    listed = pax({"SCHILY.acl.access": "user::rw-,user:5:rw-,group::r--,mask::rw-,other::---"})
    data = listed + member("a", b"1") + listed + member("b", b"1") + member("a", b"2")
    layer = make_layer(store, data + END)
    lines = [line.split()[2] for line in (layer / "acls").read_text().splitlines()]
    assert lines == ["b"]


def test_an_access_list_of_an_id_beyond_the_map(store: Path) -> None:
    listed = pax({"SCHILY.acl.access": "user::rw-,user:70000:rw-,group::-,mask::rw-,other::-"})
    layer = make_layer(store, listed + member("a", b"1") + END)
    build(store, layer)
    missing = read_missing([missing_file(layer, KEY)])
    assert missing is not None and (missing.uid, missing.path) == (70000, "a")
    inside(["rm", "-rf", str(layer)])


@pytest.mark.parametrize("text", [b"user", b"people:5:rwx", b"user:x", b"\xff"])
def test_malformed_access_lists(text: bytes) -> None:
    with pytest.raises(ValueError, match="malformed|decode"):
        acl.parse_text(text, {}, {})
    with pytest.raises(ValueError, match="malformed"):
        acl.parse_binary(b"\2\0\0\0" + text)


@pytest.mark.usefixtures("remove_inside")
def test_owners_below_a_root_that_keeps_us_out(store: Path) -> None:
    """Lists are compared with the tree when there is a device, and d is shut by its mode."""
    data = directory("./", 0o600) + directory("d", 0) + member("d/a", uid=7)
    data += member("b", gid=8) + member("null", kind=b"3", device=(1, 3))
    layer = make_layer(store, data + END)
    assert (layer / "owners").read_text() == "7 0 d/a\n0 8 b\n"
    modes = [oct((layer / "tree" / name).stat().st_mode) for name in ("", "d")]
    assert modes == ["0o40700", "0o40000"]
    found = build(store, layer)
    assert (found["d/a"][1:3], found["b"][1:3]) == ([7, 0], [0, 8])


@pytest.mark.usefixtures("remove_inside")
def test_links_of_the_tree_are_not_followed(store: Path, tmp_path: Path) -> None:
    """A list that leads through a link, as no unpacker writes it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("host's own")
    layer = make_layer(store, symlink("out", str(outside)) + member("a", uid=1) + END)
    with (layer / "owners").open("a") as stream:
        stream.write("5 5 out/file\n")
    done = inside(owners_command(store, layer, KEY))
    assert done.returncode == 125
    assert "Not a directory" in done.stderr
    assert (outside / "file").stat().st_uid == os.getuid()
    assert list((store / "tmp").iterdir()) == []


@pytest.mark.parametrize("line", ["x 5 a", "5 a", "", "5 5 ../a"])
def test_damaged_lists(line: str, store: Path) -> None:
    layer = make_layer(store, member("a", uid=1) + END)
    (layer / "owners").write_text(f"{line}\n")
    with pytest.raises(StoreError):
        owners.build_owners_layer(store, layer, KEY)
    assert list((store / "tmp").iterdir()) == []


@pytest.mark.usefixtures("remove_inside")
def test_holes_stay_holes(store: Path) -> None:
    layer = make_layer(store, member("disk", b"x", uid=7) + END)
    with (layer / "tree/disk").open("r+b") as stream:
        stream.truncate(1 << 30)
    build(store, layer)
    made = (layer / f"range-{KEY}/disk").stat()
    assert made.st_size == 1 << 30
    assert made.st_blocks * 512 < 1 << 20


@pytest.mark.usefixtures("remove_inside")
def test_several_layers_by_one_process(store: Path) -> None:
    layers = [make_layer(store, member("a", uid=7) + END, f"a{n}") for n in range(9)]
    done = inside(owners_layers_command(store, layers, KEY))
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.split()) == [layer.name for layer in layers]
    seen = inside(["stat", "-c", "%u", *(f"{layer}/range-{KEY}/a" for layer in layers)])
    assert seen.stdout.split() == ["7"] * 9


@pytest.mark.usefixtures("remove_inside")
def test_each_layer_tells_of_the_ids_that_it_lacks(store: Path) -> None:
    """Made by one process too; and what was told of an earlier one of the key is not left."""
    layers = [
        make_layer(store, member("a", uid=uid) + END, name)
        for name, uid in (("a1", 7), ("a2", 2_000_000), ("a3", 3_000_000))
    ]
    files = [missing_file(layer, KEY) for layer in layers]
    Missing(9_000_000, 0, "of before").write(files[0])
    done = inside(owners_layers_command(store, layers, KEY))
    assert (done.returncode, done.stderr) == (0, "")
    told = [read_missing([file]) for file in files]
    assert [one and (one.uid, one.gid, one.path) for one in told] == [
        None, (2_000_000, 0, "a"), (3_000_000, 0, "a"),
    ]  # fmt: skip
    for layer in layers[1:]:
        missing_file(layer, KEY).unlink()
        unflushed_mark(layer, KEY).write_text("another boot")
    inside(owners_layers_command(store, layers, KEY))
    assert [file.exists() for file in files] == [False, True, True]


@pytest.mark.usefixtures("remove_inside")
def test_what_a_power_cut_left_is_made_again(store: Path) -> None:
    layer = make_layer(store, member("a", b"text", uid=7) + END)
    build(store, layer)
    made, mark = layer / f"range-{KEY}", unflushed_mark(layer, KEY)
    assert has_owners_layer(layer, KEY)
    inside(["truncate", "--size=0", f"{made}/a"])
    for boot in ("another boot", ""):
        mark.write_text(boot)
        assert not has_owners_layer(layer, KEY)
    build(store, layer)
    assert inside(["cat", f"{made}/a"]).stdout == "text"
    assert list((store / "tmp").iterdir()) == []
    # Lasting: the mark is gone, and nobody asks for the boot any more.
    mark.unlink()
    assert has_owners_layer(layer, KEY)


@pytest.mark.usefixtures("remove_inside")
def test_what_it_takes_of_the_disk_is_written_beside_it(store: Path) -> None:
    """A directory of another owner and mode 0700: the caller cannot look into it."""
    data = directory("secret", 0o700, uid=7) + member("secret/a", b"x" * 100_000, uid=7)
    layer = make_layer(store, data + END)
    build(store, layer)
    words = ["du", "--block-size=1", "--summarize", str(layer / f"range-{KEY}")]
    assert int((layer / f"range-{KEY}.bytes").read_text()) == int(
        inside(words).stdout.split()[0]
    )
    assert layer_disk_bytes(layer) > 200_000


def test_layers_without_other_owners(store: Path) -> None:
    layer = make_layer(store, member("a") + END)
    assert not needs_owners_layer(layer)


def test_a_key_is_its_ranges() -> None:
    one = range_key([(100000, 65536)], [(100000, 65536)])
    assert one == range_key([(100000, 65536)], [(100000, 65536)])
    assert len(one) == 12
    assert int(one, 16) >= 0
    others = [
        range_key([(100000, 65536)], [(100000, 65535)]),
        range_key([(100000, 65536), (100000, 65536)], []),
        range_key([(10000, 65536)], [(100000, 65536)]),
    ]
    assert len({one, *others}) == 4
