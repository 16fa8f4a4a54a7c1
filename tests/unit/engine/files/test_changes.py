"""pyrootless.engine.files.changes: an upper directory against what is below."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from pyrootless.engine.files.changes import list_changes, pack_layer
from pyrootless.engine.files.owners import Owners
from pyrootless.engine.files.pack import Packer
from pyrootless.engine.files.rooted import Root

SECOND = 1_600_000_000


def fill(folder: Path, names: dict[str, str]) -> None:
    """A name that ends in "/" is a directory; all have one time."""
    for name, text in names.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_text(text)
            os.utime(path, (SECOND, SECOND))


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    lower.mkdir()
    upper.mkdir()
    fill(lower, {"etc/passwd": "a", "etc/shadow": "b", "d/one": "1", "d/sub/two": "2",
                 "keep/x": "x", "kind": "file", "tree/in": "t"})  # fmt: skip
    return lower, upper


def changes(lower: Path, upper: Path) -> list[str]:
    with_root = Root(os.open(lower, os.O_PATH | os.O_DIRECTORY))
    at = os.open(upper, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return [
            f"{kind} {path.decode()}" for kind, path in list_changes(at, with_root, Owners())
        ]
    finally:
        os.close(at)
        with_root.close()


def layer(lower: Path, upper: Path, out: Path) -> list[tarfile.TarInfo]:
    root = Root(os.open(lower, os.O_PATH | os.O_DIRECTORY))
    at = os.open(upper, os.O_RDONLY | os.O_DIRECTORY)
    with out.open("wb") as stream:
        packer = Packer(stream.fileno(), Owners(), attributes=True)
        pack_layer(at, root, packer)
        packer.end()
    os.close(at)
    root.close()
    with tarfile.open(out) as made:
        return made.getmembers()


def test_nothing_changed(sides: tuple[Path, Path]) -> None:
    lower, upper = sides
    fill(upper, {"etc/passwd": "a", "keep/": ""})  # copied up, and as it was
    assert changes(lower, upper) == []


def test_added_changed_deleted_and_their_parents(sides: tuple[Path, Path]) -> None:
    lower, upper = sides
    fill(upper, {"etc/passwd": "changed", "new/in": "n", "keep/": ""})
    (upper / "etc" / ".wh.shadow").touch()
    (upper / "keep" / ".wh.never-was").touch()
    assert changes(lower, upper) == [
        "C etc", "C etc/passwd", "D etc/shadow", "A new", "A new/in",
    ]  # fmt: skip


def test_the_kernels_own_whiteout(sides: tuple[Path, Path]) -> None:
    lower, upper = sides
    try:
        os.mknod(upper / "kind", stat.S_IFCHR | 0o600, os.makedev(0, 0))
    except PermissionError:
        pytest.skip("this kernel makes whiteouts for root alone (before 5.8)")
    assert changes(lower, upper) == ["D kind"]


def test_a_mode_alone(sides: tuple[Path, Path]) -> None:
    lower, upper = sides
    fill(upper, {"keep/": ""})
    (upper / "keep").chmod(0o700)
    assert changes(lower, upper) == ["C keep"]


def opaque(folder: Path) -> None:
    os.setxattr(folder, "user.overlay.opaque", b"y")


def test_a_directory_made_anew_hides_all_that_was_in_it(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    lower, upper = sides
    fill(upper, {"d/sub/fresh": "f"})
    opaque(upper / "d")
    assert changes(lower, upper) == [
        "C d", "D d/one", "C d/sub", "A d/sub/fresh", "D d/sub/two",
    ]  # fmt: skip
    names = [member.name for member in layer(lower, upper, tmp_path / "l.tar")]
    assert names == ["d", "d/.wh..wh..opq", "d/sub", "d/sub/fresh"]


def test_one_kind_in_anothers_place(sides: tuple[Path, Path], tmp_path: Path) -> None:
    lower, upper = sides
    fill(upper, {"kind/in": "now a directory", "tree": "now a file"})
    assert changes(lower, upper) == ["C kind", "A kind/in", "C tree"]
    names = [member.name for member in layer(lower, upper, tmp_path / "l.tar")]
    assert names == ["kind", "kind/in", "tree"]


def test_a_layer_holds_changed_files_alone(sides: tuple[Path, Path], tmp_path: Path) -> None:
    lower, upper = sides
    fill(upper, {"etc/passwd": "a", "etc/new\nline": "n", "keep/": ""})
    (upper / "etc" / ".wh.shadow").touch()
    os.setxattr(upper / "etc/new\nline", "user.mine", b"\x00\xff")
    os.setxattr(upper / "etc/new\nline", "user.rootlesscontainers", b"\x08\x01")
    members = layer(lower, upper, tmp_path / "l.tar")
    assert [member.name for member in members] == ["etc", "etc/new\nline", "etc/.wh.shadow"]
    kept = [key for key in members[1].pax_headers if key.startswith("SCHILY")]
    assert kept == ["SCHILY.xattr.user.mine"]


def test_links_below_lead_nowhere(sides: tuple[Path, Path]) -> None:
    """A directory of the upper where a link lies below is no change of what the link names."""
    lower, upper = sides
    (lower / "link").symlink_to("d")
    fill(upper, {"link/one": "1"})
    assert changes(lower, upper) == ["C link", "A link/one"]


def test_an_empty_upper_is_an_empty_archive(sides: tuple[Path, Path], tmp_path: Path) -> None:
    lower, upper = sides
    assert layer(lower, upper, tmp_path / "l.tar") == []
    assert (tmp_path / "l.tar").read_bytes() == io.BytesIO(bytes(1024)).getvalue()
