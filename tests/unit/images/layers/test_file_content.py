"""pyrootless.images.layers.file_content: equal bytes, and holes that stay holes.

In: files with holes at the begin, between and at the end.  Out: their copies.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrootless.images.layers.file_content import copy_content

KIB = 1 << 10
MIB = 1 << 20


def make(path: Path, size: int, parts: dict[int, bytes]) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(descriptor, size)
    for at, data in parts.items():
        os.pwrite(descriptor, data, at)
    return descriptor


def refuse(number: int) -> Callable[..., int]:
    def call(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return call


@pytest.fixture(params=["as it is", "no clone", "no copy in the kernel", "no holes known"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the file system offers, less and less."""
    kind = str(request.param)
    if kind != "as it is":
        monkeypatch.setattr(fcntl, "ioctl", refuse(errno.EOPNOTSUPP))
    if kind in ("no copy in the kernel", "no holes known"):
        monkeypatch.setattr(os, "copy_file_range", refuse(errno.EXDEV))
    if kind == "no holes known":
        monkeypatch.setattr(os, "lseek", refuse(errno.EINVAL))
    return kind


@pytest.mark.parametrize(
    ("size", "parts"),
    [
        (0, {}),
        (5, {0: b"hello"}),
        (8 * MIB, {}),
        (8 * MIB, {0: b"head"}),
        (8 * MIB, {8 * MIB - 4: b"tail"}),
        (8 * MIB, {MIB: b"one" * KIB, 5 * MIB: b"two" * KIB}),
        (3 * MIB + 7, {0: os.urandom(3 * MIB + 7)}),
    ],
    ids=["empty", "small", "all hole", "head", "tail", "two parts", "no hole"],
)
def test_equal_bytes_and_no_more_blocks(
    tmp_path: Path, system: str, size: int, parts: dict[int, bytes]
) -> None:
    source = make(tmp_path / "source", size, parts)
    target = make(tmp_path / "target", 0, {})
    copy_content(source, target)
    assert (tmp_path / "target").read_bytes() == (tmp_path / "source").read_bytes()
    if system != "no holes known":
        # A file system may give out blocks in pieces of its own, of far less than a hole here.
        assert os.fstat(target).st_blocks <= os.fstat(source).st_blocks + 128
    os.close(source)
    os.close(target)
