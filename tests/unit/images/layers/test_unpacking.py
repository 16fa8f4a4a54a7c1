"""A layer's blob becomes a layer: forms, digests, lists, limits, and what goes wrong.

In: archives from tar_builder, compressed here.  Out: layers below temporary directories.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from backports import zstd as zstandard
from tar_builder import END, directory, hardlink, member, pax

from pyrootless.errors import IntegrityError, StoreError
from pyrootless.images.layers import unpacking
from pyrootless.images.layers.lists import Owner, read_capabilities, read_owners
from pyrootless.images.layers.unpacking import LayerLimits, unpack_layer

OCI = "application/vnd.oci.image.layer.v1.tar"
DOCKER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Writer:
    """As images/store/disk.py's, without a store."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.committed: list[str] = []

    def commit(self, diff_id: str) -> None:
        self.committed.append(diff_id)


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    base = tmp_path / "layer"
    (base / "tree").mkdir(parents=True)
    return Writer(base)


def pieces(data: bytes, size: int = 1000) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def diff_id_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def zstd(data: bytes) -> bytes:
    return zstandard.compress(data)


PLAIN = directory("d", 0o700) + member("d/f", b"hello" * 1000, uid=7) + END
HALVES = (PLAIN[:700], PLAIN[700:])
FORMS = {
    "plain": (PLAIN, OCI),
    "gzip": (gzip.compress(PLAIN), f"{OCI}+gzip"),
    "docker gzip": (gzip.compress(PLAIN), DOCKER),
    "gzip members": (b"".join(map(gzip.compress, HALVES)), f"{OCI}+gzip"),
    "gzip padded": (gzip.compress(PLAIN) + bytes(100), f"{OCI}+gzip"),
    "zstd": (zstd(PLAIN), f"{OCI}+zstd"),
    "zstd frames": (b"".join(map(zstd, HALVES)), f"{OCI}+zstd"),
    # As zstd:chunked layers have them: a table in frames that are read over.
    "zstd skippable": (zstd(PLAIN) + b"\x50\x2a\x4d\x18\x04\0\0\0abcd", f"{OCI}+zstd"),
    "zstd skippable first": (b"\x51\x2a\x4d\x18\x01\0\0\0a" + zstd(PLAIN), f"{OCI}+zstd"),
    "wrong name": (zstd(PLAIN), f"{OCI}+gzip"),
    "no name": (gzip.compress(PLAIN), ""),
    "foreign": (PLAIN, "application/vnd.oci.image.layer.nondistributable.v1.tar"),
}


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, size: int, writer: Writer) -> None:
    data, media_type = FORMS[form]
    expected = diff_id_of(PLAIN)
    found = unpack_layer(pieces(data, size), writer, media_type, expected_diff_id=expected)
    assert found == expected
    assert writer.committed == [expected]
    assert (writer.directory / "tree/d/f").read_bytes() == b"hello" * 1000
    assert list(read_owners(writer.directory)) == [Owner(7, 0, b"d/f")]
    tree = [writer.directory / name for name in ("tree", "tree/d", "tree/d/f")]
    assert json.loads((writer.directory / "layer.json").read_text()) == {
        "version": 1,
        "diffID": expected,
        "entries": 2,
        "bytes": 5000,
        "diskBytes": sum(512 * path.stat().st_blocks for path in tree),
        "foreign": 1,
        "devices": 0,
        "capabilities": 0,
        "xattrsSkipped": 0,
    }


def test_an_empty_layer(writer: Writer) -> None:
    data = gzip.compress(END)
    assert unpack_layer([data], writer, DOCKER, expected_diff_id=None) == diff_id_of(END)
    assert sorted(path.name for path in writer.directory.iterdir()) == ["layer.json", "tree"]


def test_what_follows_the_archive_belongs_to_the_diff_id(writer: Writer) -> None:
    data = PLAIN + b"and more"
    assert unpack_layer([data], writer, OCI, expected_diff_id=None) == diff_id_of(data)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.oci.image.config.v1+json",
        f"{OCI}+gzip+encrypted",
        "application/vnd.oci.image.layer.v1.squashfs",
        "text/plain",
    ],
)
def test_types_that_are_no_layers(media_type: str, writer: Writer) -> None:
    with pytest.raises(IntegrityError, match="cannot be read"):
        unpack_layer([PLAIN], writer, media_type, expected_diff_id=None)
    assert writer.committed == []


def test_another_layer_than_the_image_says(writer: Writer) -> None:
    wrong = f"sha256:{'0' * 64}"
    with pytest.raises(IntegrityError, match=f"and not {wrong}, as its image says"):
        unpack_layer([PLAIN], writer, OCI, expected_diff_id=wrong)
    assert writer.committed == []
    assert not (writer.directory / "layer.json").exists()


def damaged(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


NOISE = member("noise", os.urandom(100_000)) + END
DAMAGED = {
    "gzip cut": gzip.compress(NOISE)[:5000],
    "gzip cut in its trailer": gzip.compress(NOISE)[:-4],
    "gzip changed": damaged(gzip.compress(NOISE)),
    "gzip with a wrong checksum": gzip.compress(NOISE)[:-8] + b"\1\2\3\4" + b"\0\0\0\0",
    "gzip then garbage": gzip.compress(NOISE) + b"garbage",
    "zstd cut": zstd(NOISE)[:5000],
    "zstd changed": zstd(NOISE)[:3] + b"\xfd\xff" + zstd(NOISE)[5:],
    "zstd then garbage": zstd(NOISE) + b"garbage",
    "plain cut": NOISE[:5000],
    "neither": b"x" * 5000,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged(name: str, writer: Writer) -> None:
    with pytest.raises(IntegrityError) as caught:
        unpack_layer(pieces(DAMAGED[name]), writer, "", expected_diff_id=None)
    assert "remedy: " in str(caught.value)
    assert writer.committed == []


def test_a_small_file_of_zeros_is_no_bomb(writer: Writer) -> None:
    data = zstd(member("zeros", bytes(4 << 20)) + END)
    assert len(data) * 1000 < 4 << 20
    unpack_layer([data], writer, "", expected_diff_id=None)
    assert (writer.directory / "tree/zeros").stat().st_size == 4 << 20


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_a_bomb(compress: object, writer: Writer) -> None:
    assert callable(compress)
    data = compress(member("zeros", bytes(16 << 20)) + END)
    limits = LayerLimits(ratio_from_bytes=1 << 20)
    with pytest.raises(IntegrityError, match="grows beyond measure"):
        unpack_layer([data], writer, "", expected_diff_id=None, limits=limits)
    assert (
        not (writer.directory / "tree/zeros").exists()
        or (writer.directory / "tree/zeros").stat().st_size < 8 << 20
    )


def test_limits_are_handed_on(writer: Writer) -> None:
    with pytest.raises(IntegrityError, match="more members than the limit"):
        limits = LayerLimits(entries=1)
        unpack_layer([PLAIN], writer, OCI, expected_diff_id=None, limits=limits)
    with pytest.raises(IntegrityError, match="larger together"):
        limits = LayerLimits(size_bytes=4999)
        unpack_layer([PLAIN], writer, OCI, expected_diff_id=None, limits=limits)


def test_an_error_of_the_source_is_the_error(writer: Writer) -> None:
    def broken() -> Iterator[bytes]:
        yield PLAIN[:1000]
        raise ConnectionResetError("the line went dead")

    with pytest.raises(ConnectionResetError):
        unpack_layer(broken(), writer, OCI, expected_diff_id=None)
    assert writer.committed == []
    assert not {"unpack", "digest"} & {thread.name for thread in threading.enumerate()}


def test_a_refusal_ends_the_reading(writer: Writer) -> None:
    """Not a byte more is asked of the source than what was on its way."""
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * unpacking.BLOCK_BYTES

    with pytest.raises(IntegrityError, match="checksum"):
        unpack_layer(endless(), writer, OCI, expected_diff_id=None)
    assert taken <= 2 * unpacking.BLOCKS_AHEAD + 2
    assert not {"unpack", "digest"} & {thread.name for thread in threading.enumerate()}


def test_memory_does_not_grow_with_the_layer(writer: Writer) -> None:
    """Blocks wait for the disk, but never more than a few."""
    waiting = 0

    def take(_: bytes) -> None:
        nonlocal waiting
        waiting = max(waiting, taker._blocks.qsize())

    with unpacking._Taker("slow", take) as taker:
        for _ in range(100):
            taker.put(b"x")
    assert waiting <= unpacking.BLOCKS_AHEAD


def test_a_place_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write the layer"):
        unpack_layer([PLAIN], Writer(tmp_path / "none"), OCI, expected_diff_id=None)


def test_lists_are_settled(writer: Writer) -> None:
    """What a later member overruled is not in the lists."""
    capability = {"SCHILY.xattr.security.capability": b"\1" * 20}
    data = member("a", uid=5) + member("b", uid=6) + directory("d") + member("d/x", uid=7)
    data += pax(capability) + member("c") + pax(capability) + member("e")
    data += member("dev", kind=b"3", device=(1, 3)) + member("dev2", kind=b"4", device=(8, 1))
    data += member("a") + member("d", b"file") + member("c") + member("dev", b"file")
    data += hardlink("f%", "b", uid=6) + END
    unpack_layer([data], writer, OCI, expected_diff_id=None)
    assert list(read_owners(writer.directory)) == [Owner(6, 0, b"b"), Owner(6, 0, b"f%")]
    assert list(read_capabilities(writer.directory)) == [(b"\1" * 20, b"e")]
    assert (writer.directory / "devices").read_text() == "b 8 1 644 0 0 dev2\n"
    facts = json.loads((writer.directory / "layer.json").read_text())
    assert (facts["foreign"], facts["devices"], facts["capabilities"]) == (2, 1, 1)


def test_the_root_stays_open_to_its_owner(writer: Writer) -> None:
    """Others' bits are the archive's, and so is every other directory's mode."""
    tree = writer.directory / "tree"
    data = directory(".", 0o005) + directory("d", 0o111) + END
    unpack_layer([data], writer, OCI, expected_diff_id=None)
    modes = [(tree / name).stat().st_mode & 0o7777 for name in ("", "d")]
    assert [f"{mode:o}" for mode in modes] == ["705", "111"]
    (tree / "d").chmod(0o755)


def test_lists_that_come_to_nothing_are_no_files(writer: Writer) -> None:
    unpack_layer([member("a", uid=5) + member("a") + END], writer, OCI, expected_diff_id=None)
    assert list(read_owners(writer.directory)) == []
    assert not (writer.directory / "owners").exists()


def test_paths_in_lists(writer: Writer) -> None:
    names = [b"new\nline", b"per%cent", b" space ", b"\xff\xfe", b"\x7f\x01"]
    data = b"".join(member(name, uid=1) for name in names)
    unpack_layer([data + END], writer, OCI, expected_diff_id=None)
    assert [owner.path for owner in read_owners(writer.directory)] == names
