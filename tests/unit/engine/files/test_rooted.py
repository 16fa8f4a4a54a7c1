"""pyrootless.engine.files.rooted: paths that never leave their root."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrootless.engine.files.rooted import Root


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Root]:
    """A root with links that lead out, beside a file that must not be found."""
    (tmp_path / "secret").write_text("host")
    base = tmp_path / "root"
    (base / "a/b").mkdir(parents=True)
    (base / "a/b/file").write_text("inside")
    (base / "secret").write_text("own")
    for name, text in {
        "absolute": str(tmp_path / "secret"),
        "up": "../../../../../../../../secret",
        "a/rooted": "/a/b/file",
        "a/directory": "b",
        "chain": "a/directory/../rooted",
        "loop": "loop",
        "nowhere": "missing/x",
        "process": "/proc/self/root",
    }.items():
        (base / name).symlink_to(text)
    root = Root(os.open(base, os.O_PATH | os.O_DIRECTORY))
    yield root
    root.close()


def read(root: Root, path: bytes) -> str:
    found = root.open(path)
    try:
        return Path(f"/proc/self/fd/{found}").read_text()
    finally:
        os.close(found)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"/a/b/file", "inside"),
        (b"a//b/./file", "inside"),
        (b"/up", "own"),
        (b"/../../secret", "own"),
        (b"/a/../../../secret", "own"),
        (b"/a/rooted", "inside"),
        (b"/a/directory/file", "inside"),
        (b"/chain", "inside"),
    ],
)
def test_a_path_is_what_a_program_inside_would_open(tree: Root, path: bytes, text: str) -> None:
    assert read(tree, path) == text


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (b"/absolute", errno.ENOENT),
        (b"/process", errno.ENOENT),
        (b"/nowhere", errno.ENOENT),
        (b"/loop", errno.ELOOP),
        (b"/a/b/file/", errno.ENOTDIR),
        (b"/a/b/file/..", errno.ENOTDIR),
        (b"/a/b/file/x", errno.ENOTDIR),
        (b"/missing/", errno.ENOENT),
        (b"", errno.ENOENT),
    ],
)
def test_what_is_not_there(tree: Root, path: bytes, number: int) -> None:
    with pytest.raises(OSError) as caught:
        tree.open(path)
    assert caught.value.errno == number


def test_the_last_link_itself(tree: Root) -> None:
    found = tree.open(b"/absolute", follow=False)
    assert os.readlink(b"", dir_fd=found).endswith(b"/secret")
    os.close(found)
    found = tree.open(b"/a/directory/", follow=False)
    assert os.listdir(f"/proc/self/fd/{found}") == ["file"]
    os.close(found)


def test_a_parent_need_not_hold_the_name(tree: Root) -> None:
    for path, follow, wanted in (
        (b"/a/new", False, b"new"),
        (b"/nowhere", False, b"nowhere"),
        (b"/chain", True, b"file"),
        (b"/", False, b"."),
        (b"/a/..", False, b"."),
    ):
        at, name = tree.parent(path, follow=follow)
        os.close(at)
        assert name == wanted, path
    with pytest.raises(FileNotFoundError):
        tree.parent(b"/missing/new")


def test_no_descriptor_is_left(tree: Root) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in (b"/a/b/file", b"/loop", b"/absolute", b"/a/b/file/x", b"/a/../a/b/"):
        for follow in (True, False):
            try:
                os.close(tree.open(path, follow=follow))
            except OSError:
                pass
    assert len(os.listdir("/proc/self/fd")) == before
