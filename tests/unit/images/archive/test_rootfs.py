"""pyrootless.images.archive.rootfs: a root file system's archive → an image."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from images.stored import BASE, make_store, name
from images.tars import files

from pyrootless.errors import IntegrityError, UsageError
from pyrootless.images.archive import compression
from pyrootless.images.archive.rootfs import import_rootfs
from pyrootless.images.store.disk import Store

ROOTFS = files(BASE)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd.compress, lzma.compress,
                                      bz2.compress])  # fmt: skip
def test_every_compression_gives_the_same_layer(
    store: Store, compress: Callable[[bytes], bytes]
) -> None:
    image = import_rootfs(store, io.BytesIO(compress(ROOTFS)), name("base:1"))
    plain = import_rootfs(store, io.BytesIO(ROOTFS), name("base:2"))
    assert image.config.diff_ids == plain.config.diff_ids
    assert image.manifest.layers == plain.manifest.layers
    assert (store.layers.tree(image.config.diff_ids[0]) / "run").read_bytes() == b"#!"


def test_what_the_image_says(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    image = import_rootfs(
        store, io.BytesIO(ROOTFS), name("base:1"), ['CMD ["/run"]', "ENV A=b"], "by hand"
    )
    assert (image.config.cmd, image.config.env) == (("/run",), ("A=b",))
    assert image.config.created == "1970-01-02T00:00:00Z"
    assert image.config.history[0].comment == "by hand"
    raw = json.loads(image.config.raw)
    assert raw["config"] == {"Env": ["A=b"], "Cmd": ["/run"]}
    assert raw["rootfs"]["diff_ids"] == list(image.config.diff_ids)
    again = import_rootfs(
        store, io.BytesIO(ROOTFS), name("base:2"), ['CMD ["/run"]', "ENV A=b"], "by hand"
    )
    assert again.id == image.id


def test_an_image_without_a_name(store: Store) -> None:
    image = import_rootfs(store, io.BytesIO(ROOTFS), None)
    assert store.find(image.id[7:20]) == image


@pytest.mark.parametrize("data", [b"", b"junk" * 500, ROOTFS[:520], gzip.compress(ROOTFS)[:-9]])
def test_what_is_no_root_file_system(store: Store, data: bytes) -> None:
    with pytest.raises(IntegrityError):
        import_rootfs(store, io.BytesIO(data), name("base:1"))
    assert store.refs.references() == {}
    assert store.layers.list_all() == []
    assert list(store.temporaries.directory.iterdir()) == []


def contents(store: Store) -> list[Path]:
    """Every file and layer that a store keeps."""
    kept = ("blobs/sha256", "layers", "images", "refs", "tmp", "trash")
    return [path for name in kept for path in (store.directories.data / name).glob("*")]


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress, lzma.compress,
                                      bz2.compress])  # fmt: skip
def test_a_bomb_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(compression, "FREE_BYTES", 1 << 20)
    bomb = compress(files({"zeros": bytes(8 << 20)}))
    with pytest.raises(IntegrityError, match="grows beyond measure"):
        import_rootfs(store, io.BytesIO(bomb), name("base:1"))
    assert contents(store) == []


def test_changes_are_checked_before_anything_is_read(store: Store) -> None:
    stream = io.BytesIO(ROOTFS)
    with pytest.raises(UsageError, match="is no change"):
        import_rootfs(store, stream, None, ["RUN x"])
    assert stream.tell() == 0


def test_a_clock_that_is_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError, match="no number of seconds"):
        import_rootfs(store, io.BytesIO(ROOTFS), None)
