"""pyrootless.engine.files.pack and tar_unpack: a tree through a pipe, and hostile archives."""

from __future__ import annotations

import io
import os
import socket
import stat
import tarfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from pyrootless.engine.files import open_below
from pyrootless.engine.files.pack import Packer
from pyrootless.engine.files.stream import PlainStream
from pyrootless.engine.files.unpack import ArchiveError, Extractor

_READABLE = os.O_RDONLY | os.O_DIRECTORY


def pack(folder: Path, member: bytes = b".") -> bytes:
    """The archive of a directory, read while it is written."""
    reading, writing = os.pipe()
    taken: list[bytes] = []

    def take() -> None:
        with os.fdopen(reading, "rb") as stream:
            taken.append(stream.read())

    thread = threading.Thread(target=take)
    thread.start()
    at = os.open(folder, _READABLE)
    try:
        packer = Packer(writing)
        packer.add(at, b".", member)
        packer.end()
    finally:
        os.close(writing)
        os.close(at)
        thread.join()
    return taken[0]


def unpack(data: bytes, folder: Path, *, plain: bool = False) -> Extractor:
    """Below a directory, as on the host; plain: by the reader of our own streams."""
    base = os.open(folder, _READABLE)
    try:
        extractor = Extractor(lambda name: open_below(base, name, 0o700))
        if plain:
            _run_plain(extractor, data)
        else:
            extractor.run(io.BytesIO(data))
    finally:
        os.close(base)
    return extractor


def _run_plain(extractor: Extractor, data: bytes) -> None:
    reading, writing = os.pipe()

    def give() -> None:
        with suppress(BrokenPipeError), os.fdopen(writing, "wb") as stream:
            stream.write(data)

    thread = threading.Thread(target=give)
    thread.start()
    try:
        extractor.run_plain(PlainStream(reading))
    finally:
        os.close(reading)
        thread.join()


WAYS = pytest.mark.parametrize("plain", [False, True], ids=["any archive", "our own stream"])


def archive(*members: tuple[str, bytes, str]) -> bytes:
    """(name, type, target or content)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o755
            if kind == tarfile.REGTYPE:
                info.size = len(text)
                made.addfile(info, io.BytesIO(text.encode()))
            else:
                info.linkname = text
                made.addfile(info)
    return stream.getvalue()


@WAYS
def test_every_kind_and_name_comes_back(tmp_path: Path, plain: bool) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    names = [b"plain", b"new\nline", b"\xff\xfe", "ümläut".encode(), b"x" * 255, b" ", b"-rf"]
    for number, name in enumerate(names):
        path = os.path.join(os.fsencode(source), name)
        with open(path, "wb") as stream:
            stream.write(b"%d" % number * number * 100_000)
        os.chmod(path, 0o640)
        os.utime(path, ns=(1_500_000_000_123_456_789, 1_500_000_000_123_456_789))
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep").chmod(0o2711)
    (source / "link").symlink_to("../../plain")
    os.link(source / "plain", source / "deep" / "hard")
    os.mkfifo(source / "fifo", 0o600)
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(source)
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
    extractor = unpack(pack(source), target, plain=plain)
    assert extractor.left_out == []
    wanted = {name for name in os.listdir(os.fsencode(source)) if name != b"socket"}
    assert set(os.listdir(os.fsencode(target))) == wanted
    for number, name in enumerate(names):
        path = os.path.join(os.fsencode(target), name)
        with open(path, "rb") as stream:
            assert stream.read() == b"%d" % number * number * 100_000
        status = os.stat(path)
        assert (status.st_mtime_ns, stat.S_IMODE(status.st_mode)) == (
            1_500_000_000_123_456_789,
            0o640,
        )
    assert os.readlink(target / "link") == "../../plain"
    assert (target / "deep" / "hard").stat().st_ino == (target / "plain").stat().st_ino
    assert stat.S_ISFIFO((target / "fifo").stat().st_mode)
    assert stat.S_IMODE((target / "deep").stat().st_mode) == 0o711  # no set-id bit on the host


def test_deeper_than_any_stack(tmp_path: Path) -> None:
    at = os.open(tmp_path, _READABLE)
    for _ in range(700):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", _READABLE, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    assert pack(tmp_path).count(b"ustar") >= 701


@WAYS
def test_sparse_and_empty_content(tmp_path: Path, plain: bool) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    with (tmp_path / "source/hole").open("wb") as stream:
        stream.truncate(3_000_000)
    (tmp_path / "source/empty").touch()
    made = unpack(pack(tmp_path / "source"), tmp_path / "target", plain=plain)
    assert made.size_bytes == 3_000_000
    assert (tmp_path / "target/hole").read_bytes() == bytes(3_000_000)


@WAYS
@pytest.mark.parametrize(
    "members",
    [
        [("../out", tarfile.REGTYPE, "x")],
        [("a/../../out", tarfile.REGTYPE, "x")],
        [("l", tarfile.SYMTYPE, ".."), ("l/out", tarfile.REGTYPE, "x")],
        [("l", tarfile.SYMTYPE, "{}"), ("l/out", tarfile.REGTYPE, "x")],
        [
            ("l", tarfile.SYMTYPE, ".."),
            ("l", tarfile.DIRTYPE, ""),
            ("l/out", tarfile.REGTYPE, "x"),
        ],
        [("h", tarfile.LNKTYPE, "../secret")],
        [("l", tarfile.SYMTYPE, ".."), ("h", tarfile.LNKTYPE, "l/secret")],
    ],
)
def test_nothing_outside_is_touched(
    tmp_path: Path, members: list[tuple[str, bytes, str]], plain: bool
) -> None:
    (tmp_path / "secret").write_text("host")
    target = tmp_path / "target"
    target.mkdir()
    filled = [(name, kind, text.format(tmp_path)) for name, kind, text in members]
    with pytest.raises((ArchiveError, OSError)):
        unpack(archive(*filled), target, plain=plain)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret", "target"]
    assert (tmp_path / "secret").stat().st_nlink == 1


def test_a_link_in_the_way_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("host")
    (tmp_path / "target").mkdir()
    (tmp_path / "target/f").symlink_to("../secret")
    unpack(archive(("f", tarfile.REGTYPE, "new")), tmp_path / "target")
    assert (tmp_path / "secret").read_text() == "host"
    assert (tmp_path / "target/f").read_text() == "new"


def test_kinds_do_not_take_each_others_place(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").touch()
    with pytest.raises(ArchiveError, match='cannot overwrite directory "d" with non-directory'):
        unpack(archive(("d", tarfile.REGTYPE, "x")), tmp_path)
    with pytest.raises(ArchiveError, match='cannot overwrite non-directory "f" with directory'):
        unpack(archive(("f", tarfile.DIRTYPE, "")), tmp_path)


def test_devices_are_left_out_and_named(tmp_path: Path) -> None:
    made = unpack(archive(("null", tarfile.CHRTYPE, ""), ("f", tarfile.REGTYPE, "x")), tmp_path)
    assert made.left_out == ["null"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f"]


@WAYS
@pytest.mark.parametrize(
    "data", [b"", b"no archive at all", b"\x1f\x8b broken", b"x" * 512, b"x" * 5000]
)
def test_what_is_no_archive(tmp_path: Path, data: bytes, plain: bool) -> None:
    with pytest.raises(ArchiveError):
        unpack(data, tmp_path, plain=plain)


@WAYS
def test_an_archive_that_is_cut_off(tmp_path: Path, plain: bool) -> None:
    whole = archive(("f", tarfile.REGTYPE, "x" * 5000))
    with pytest.raises(ArchiveError):
        unpack(whole[:3000], tmp_path, plain=plain)
