"""pyrootless.sandbox.collect: hostile trees, read beneath a descriptor."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrootless.sandbox.collect import Collected, collect_files


@pytest.fixture
def upper(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    (tmp_path / "upper" / "box").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    fd = os.open(tmp_path / "upper", os.O_PATH | os.O_DIRECTORY)
    yield tmp_path / "upper" / "box", fd
    os.close(fd)


def take(fd: int, *patterns: str, most: int = 1000) -> Collected:
    return collect_files(fd, "/box", patterns, most)


def test_names_patterns_and_modes(upper: tuple[Path, int]) -> None:
    box, fd = upper
    (box / "d").mkdir()
    for name in ("a.txt", "b.txt", "c.log", "d/e.txt"):
        (box / name).write_text(name)
    (box / "c.log").chmod(0o751)
    found = take(fd, "*.txt", "d/e.txt", "c.log", "none?", "no*?")
    assert found.files == {
        name: name.encode() for name in ("a.txt", "b.txt", "d/e.txt", "c.log")
    }
    assert found.modes["c.log"] == 0o751 and found.bad == {}
    assert set(take(fd, "**").files) == {"a.txt", "b.txt", "c.log", "d/e.txt"}
    assert take(fd, "x*", "y").bad == {"x*": "missing", "y": "missing"}


def test_links_lead_nowhere(upper: tuple[Path, int]) -> None:
    box, fd = upper
    (box / "link").symlink_to("../../secret")
    (box / "folder").symlink_to("../..")
    (box / "..hidden").write_text("1")
    found = take(fd, "link", "folder/secret", "../../secret", "/etc/passwd", "*", "**?")
    assert found.files == {"..hidden": b"1"}
    assert found.bad == {
        "link": "a symbolic link",
        "folder/secret": "missing",
        "../../secret": "missing",
        "/etc/passwd": "missing",
    }


def test_what_is_no_file_is_not_opened(upper: tuple[Path, int]) -> None:
    box, fd = upper
    os.mkfifo(box / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(box)  # the name of a socket is short
        server.bind("socket")
        found = take(fd, "fifo", "socket", ".", "box")
    assert found.bad == {
        "fifo": "not a regular file",
        "socket": "not a regular file",
        ".": "not a regular file",
        "box": "missing",
    }


def test_all_together_are_capped(upper: tuple[Path, int]) -> None:
    box, fd = upper
    (box / "a").write_bytes(bytes(600))
    (box / "b").write_bytes(bytes(600))
    with (box / "sparse").open("wb") as stream:
        stream.truncate(1 << 40)
    found = take(fd, "a", "b", "sparse")
    assert list(found.files) == ["a"]
    assert found.bad["b"] == found.bad["sparse"] == "larger than what may be collected"


def test_deep_trees_end(upper: tuple[Path, int]) -> None:
    box, fd = upper
    at = os.open(box, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=at)
        deeper = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = deeper
    os.close(at)
    assert take(fd, "**?").files == {}


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_an_unreadable_file(upper: tuple[Path, int]) -> None:
    box, fd = upper
    (box / "shut").write_text("1")
    (box / "shut").chmod(0)
    assert take(fd, "shut").bad == {"shut": "permission denied"}


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("mode", [0, 0o400, 0o100, 0o200])
@pytest.mark.parametrize("shut", ["..", ".", "d"])
def test_what_lies_in_a_directory_that_was_shut(
    upper: tuple[Path, int], shut: str, mode: int
) -> None:
    box, fd = upper
    (box / "d").mkdir()
    (box / "d" / "out").write_text("1")
    place = (box / shut).resolve()
    place.chmod(mode)
    try:
        assert take(fd, "d/out", "d/*", "**").files == {"d/out": b"1"}
    finally:
        place.chmod(0o700)
