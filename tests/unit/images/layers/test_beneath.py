"""Paths below a directory: found name by name, refused through links."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrootless.images.layers.beneath import Beneath


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree/a/b").mkdir(parents=True)
    (tmp_path / "tree/a/b/file").write_text("x")
    (tmp_path / "tree/top").write_text("y")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("z")
    (tmp_path / "tree/out").symlink_to(tmp_path / "outside")
    (tmp_path / "tree/in").symlink_to("a")
    return tmp_path / "tree"


def test_what_is_there(tree: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with Beneath(tree) as beneath:
        for path in (b"a/b/file", b"top", b"a/b", b"a/b/file", b".", b"out", b"top"):
            assert beneath.exists(path), path
        for path in (b"a/c", b"b/file", b"top/x", b"nothing", b"a/b/file/x"):
            assert not beneath.exists(path), path
        assert beneath.exists(b"a/b/file")
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("path", [b"out/file", b"in/b/file", b"../outside/file", b"a/.."])
def test_ways_through_links(path: bytes, tree: Path) -> None:
    with Beneath(tree) as beneath:
        assert not beneath.exists(path)
        with pytest.raises(OSError):
            beneath.parent(path)
        assert beneath.exists(b"a/b/file")


def test_a_parents_descriptor(tree: Path) -> None:
    with Beneath(tree) as beneath:
        parent_fd, name = beneath.parent(b"a/b/file")
        assert name == b"file"
        assert os.stat(name, dir_fd=parent_fd).st_ino == (tree / "a/b/file").stat().st_ino
        assert beneath.parent(b".") == (beneath.root_fd, b".")
