"""pyrootless.images.archive.source, archive_compression: archives and directories to read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from images.tars import files, make_tar, symlink

from pyrootless.errors import IntegrityError, StoreError
from pyrootless.images.archive import compression
from pyrootless.images.archive.compression import compression_of, plain_chunks
from pyrootless.images.archive.source import (
    DirectorySource,
    blob_path,
    open_archive,
    read_blob,
    read_chunks,
    read_document,
)
from pyrootless.images.layers import zstd as zstd_module

CONTENTS = {"one": b"1" * 3000, "d/two": b"2"}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "zstd": lambda data: zstd.compress(
        data, options={zstd.CompressionParameter.checksum_flag: 1}
    ),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


class Pipe:
    """Data through a pipe, written by a thread in two parts, the first of one byte."""

    def __init__(self, data: bytes) -> None:
        self.reader, self._writer = os.pipe()
        self._data = data
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        with os.fdopen(self._writer, "wb", buffering=0) as stream:
            stream.write(self._data[:1])
            stream.write(self._data[1:])

    def __enter__(self) -> io.BufferedReader:
        self._thread.start()
        self.stream = os.fdopen(self.reader, "rb")
        return self.stream

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self._thread.join()


@pytest.mark.parametrize("kind", COMPRESS)
def test_files_and_pipes_of_every_compression(kind: str, tmp_path: Path) -> None:
    data = COMPRESS[kind](files(CONTENTS))
    assert compression_of(data[:6]) == kind
    path = tmp_path / "archive"
    path.write_bytes(data)
    with path.open("rb") as stream, open_archive(stream, tmp_path) as source:
        assert {name: b"".join(read_chunks(source, name)) for name in CONTENTS} == CONTENTS
    with Pipe(data) as stream, open_archive(stream, tmp_path) as source:
        assert read_document(source, "d/two") == b"2"
        assert not source.has("three")
        with pytest.raises(IntegrityError, match="has no three"):
            source.open("three")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_a_file_is_read_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(b"head" + files(CONTENTS))
    with path.open("rb") as stream:
        stream.read(4)
        with open_archive(stream, tmp_path) as source:
            assert read_document(source, "one") == CONTENTS["one"]


def test_links_of_an_archive_are_followed(tmp_path: Path) -> None:
    data = make_tar(("a/layer.tar", b"L"), symlink("b/layer.tar", "../a/layer.tar"))
    with open_archive(io.BytesIO(data), tmp_path) as source:
        assert read_document(source, "b/layer.tar") == b"L"


@pytest.mark.parametrize("kind", [kind for kind in COMPRESS if kind])
def test_compressed_data_that_is_cut_off_or_damaged(kind: str, tmp_path: Path) -> None:
    data = COMPRESS[kind](files({"a": os.urandom(200_000)}))
    for broken in (data[: len(data) // 2], data[:-1], data[:6] + b"\xff" * 64 + data[70:]):
        with pytest.raises(IntegrityError, match=f"the {kind} data is damaged"):
            open_archive(io.BytesIO(broken), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "FREE_BYTES", 1 << 20)
    zeros = bytes(64 << 20)
    for kind, bomb in (("zstd", zstd.compress(zeros, 19)), ("gzip", gzip.compress(zeros))):
        with pytest.raises(IntegrityError, match="grows beyond measure"):
            for _ in plain_chunks(io.BytesIO(bomb), kind):  # type: ignore[arg-type]
                pass
        own = plain_chunks(io.BytesIO(bomb), kind, trusted=True)  # type: ignore[arg-type]
        assert sum(map(len, own)) == len(zeros)


def test_frames_as_short_as_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies behind a frame's end is handed to the decoder again: it must be little."""
    handed = []

    class Counting:
        """The library's decoder, and how many bytes it was given."""

        def __init__(self) -> None:
            self._own = decoder()

        def decompress(self, packed: bytes, size_bytes: int) -> bytes:
            handed.append(len(packed))
            plain: bytes = self._own.decompress(packed, size_bytes)
            return plain

        def __getattr__(self, name: str) -> Any:
            return getattr(self._own, name)

    decoder = zstd_module._decoder
    monkeypatch.setattr(zstd_module, "_decoder", Counting)
    frame = zstd.compress(b"")
    data = (frame * 999 + zstd.compress(b"x")) * 20 + zstd.compress(bytes(1 << 20))
    assert b"".join(plain_chunks(io.BytesIO(data), "zstd")) == b"x" * 20 + bytes(1 << 20)
    assert sum(handed) < 20_000 * zstd_module.FIRST_BYTES + len(data)
    handed.clear()
    large = zstd.compress(os.urandom(4 << 20))
    assert len(b"".join(plain_chunks(io.BytesIO(large), "zstd"))) == 4 << 20
    assert max(handed) == zstd_module.PACKED_BYTES


def test_no_room_for_what_must_be_spooled(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write below"):
        open_archive(io.BytesIO(files(CONTENTS)), tmp_path / "missing")


def test_documents_have_a_bound(tmp_path: Path) -> None:
    data = files({"big": bytes((4 << 20) + 1)})
    with open_archive(io.BytesIO(data), tmp_path) as source:
        with pytest.raises(IntegrityError, match="larger than 4 MiB"):
            read_document(source, "big")


def test_a_directory(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name, data in CONTENTS.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "link").symlink_to("one")
    (tmp_path / "linked").symlink_to("d")
    os.mkfifo(tmp_path / "fifo")
    with DirectorySource(tmp_path) as source:
        assert read_document(source, "d/two") == b"2"
        for name in ("link", "linked/two", "d", "missing", "fifo", "../x"):
            assert not source.has(name), name
    with pytest.raises(StoreError, match="cannot open the directory"):
        DirectorySource(tmp_path / "missing")


def test_blobs_are_what_their_digest_says(tmp_path: Path) -> None:
    digest = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # foo
    data = files({blob_path(digest): b"foo"})
    with open_archive(io.BytesIO(data), tmp_path) as source:
        assert read_blob(source, digest) == b"foo"
    data = files({blob_path(digest): b"fop"})
    with open_archive(io.BytesIO(data), tmp_path) as source:
        with pytest.raises(IntegrityError, match="other content"):
            read_blob(source, digest)
    for wrong in ("md5:00", "sha256:../../x", "sha256:"):
        with pytest.raises(IntegrityError, match="not a digest"):
            blob_path(wrong)


def xz_of(data: bytes, dictionary_bytes: int) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": dictionary_bytes}]
    return lzma.compress(data, filters=filters)


def test_an_xz_header_that_asks_for_much_memory() -> None:
    assert b"".join(plain_chunks(io.BytesIO(xz_of(b"a", 64 << 20)), "xz")) == b"a"
    with pytest.raises(IntegrityError, match=r"the xz data is damaged: Memory usage limit"):
        list(plain_chunks(io.BytesIO(xz_of(b"a", 512 << 20)), "xz"))


def test_streams_of_xz_with_padding_between_and_behind() -> None:
    data = lzma.compress(b"one") + bytes(8) + lzma.compress(b"two") + lzma.compress(b"three")
    assert b"".join(plain_chunks(io.BytesIO(data + bytes(4)), "xz")) == b"onetwothree"
