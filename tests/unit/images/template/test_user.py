"""pyrootless.images.template.user, layer_view: names looked up in layers, as overlays do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrootless.errors import IntegrityError
from pyrootless.images.layers.view import read_merged
from pyrootless.images.template.user import MAX_FILE_BYTES, User, resolve_user

PASSWD = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/var/www:/bin/sh\nbad:x:y:z\n"
GROUP = "root:x:0:\nwww:x:33:\nssl:x:101:a,www\ntape:x:26:www,www\n"


@pytest.fixture
def trees(tmp_path: Path) -> list[Path]:
    """Two layers, the lower one with passwd and group."""
    trees = [tmp_path / "top", tmp_path / "low"]
    for tree in trees:
        (tree / "etc").mkdir(parents=True)
    (trees[1] / "etc/passwd").write_text(PASSWD)
    (trees[1] / "etc/group").write_text(GROUP)
    return trees


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("", User(0, 0, (), "/root")),
        ("root", User(0, 0, (), "/root")),
        ("www", User(33, 33, (26, 101), "/var/www")),
        ("33", User(33, 33, (26, 101), "/var/www")),
        ("33:5", User(33, 5, (), "/var/www")),
        ("www:ssl", User(33, 101, (), "/var/www")),
        ("1234", User(1234, 0, (), "/")),
        ("1234:ssl", User(1234, 101, (), "/")),
    ],
)
def test_users(trees: list[Path], text: str, user: User) -> None:
    assert resolve_user(text, trees) == user


@pytest.mark.parametrize("text", ["nobody", "bad", "www:nobody", "4294967295", "-1", ":"])
def test_users_the_image_lacks(trees: list[Path], text: str) -> None:
    if text == ":":
        assert resolve_user(text, trees).uid == 0
        return
    with pytest.raises(IntegrityError, match="does not have"):
        resolve_user(text, trees)


def test_the_top_most_file_counts(trees: list[Path]) -> None:
    (trees[0] / "etc/passwd").write_text("www:x:44:44::/:\n")
    assert resolve_user("www", trees).uid == 44


def mark(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, f"user.overlay.{name}", value)
    except OSError as error:
        pytest.skip(f"needs user xattrs: {error}")


def test_a_whiteout_hides_what_is_below(trees: list[Path]) -> None:
    (trees[0] / "etc/passwd").touch()
    mark(trees[0] / "etc/passwd", "whiteout", b"y")
    with pytest.raises(IntegrityError, match="does not have"):
        resolve_user("www", trees)
    assert resolve_user("33", trees) == User(33, 0, (), "/")


def test_an_opaque_directory_hides_what_is_below(trees: list[Path]) -> None:
    mark(trees[0] / "etc", "opaque", b"y")
    assert read_merged(trees, "/etc/group", 100) is None
    mark(trees[0] / "etc", "opaque", b"x")  # only says that whiteouts by xattr lie in it
    assert read_merged(trees, "/etc/group", 100) == GROUP.encode()


def test_a_file_hides_a_directory(trees: list[Path]) -> None:
    (trees[0] / "etc").rmdir()
    (trees[0] / "etc").touch()
    assert read_merged(trees, "etc/group", 100) is None


@pytest.mark.parametrize(
    "target", ["/data/users", "../data/users", "../../../data/users", "link"]
)
def test_links_stay_inside(trees: list[Path], target: str, tmp_path: Path) -> None:
    (trees[1] / "data").mkdir()
    (trees[1] / "data/users").write_text("www:x:55:55::/:\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/users").write_text("www:x:66:66::/:\n")
    (trees[0] / "etc/link").symlink_to("/../data/users")
    (trees[0] / "etc/passwd").symlink_to(target)
    assert resolve_user("www", trees).uid == 55


def test_linked_directories(trees: list[Path]) -> None:
    (trees[0] / "usr/etc").mkdir(parents=True)
    (trees[0] / "usr/etc/passwd").write_text("www:x:77:77::/:\n")
    for tree in trees:
        (tree / "etc").rename(tree / "old")
    (trees[1] / "etc").symlink_to("usr/etc")
    assert resolve_user("www", trees).uid == 77


def test_hostile_files(trees: list[Path]) -> None:
    passwd = trees[0] / "etc/passwd"
    os.mkfifo(passwd)
    with pytest.raises(IntegrityError, match="is not a plain file"):
        resolve_user("www", trees)
    assert resolve_user("33", trees) == User(33, 0, (), "/")
    passwd.unlink()
    passwd.symlink_to("passwd")
    with pytest.raises(IntegrityError, match="levels of symbolic links"):
        resolve_user("www", trees)
    passwd.unlink()
    passwd.mkdir()
    with pytest.raises(IntegrityError, match="is not a plain file"):
        resolve_user("www", trees)
    passwd.rmdir()
    passwd.touch()
    os.truncate(passwd, MAX_FILE_BYTES + 1)
    with pytest.raises(IntegrityError, match="is larger than"):
        resolve_user("www", trees)
