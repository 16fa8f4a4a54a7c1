"""pyrootless.engine.files.owners: claims as bytes, and maps of ids."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrootless.engine.files.owners import (
    Claim,
    Owners,
    decode_owner,
    encode_owner,
    join_maps,
    read_side,
    translate,
    untranslate,
)


@pytest.mark.parametrize(
    ("owner", "data"),
    [
        ((0, 0), b""),
        ((1, 0), b"\x08\x01"),
        ((0, 5), b"\x10\x05"),
        ((1000, 65534), b"\x08\xe8\x07\x10\xfe\xff\x03"),
        ((2**32 - 2, 1), b"\x08\xfe\xff\xff\xff\x0f\x10\x01"),
    ],
)
def test_a_claim_is_the_fake_roots_own_form(owner: tuple[int, int], data: bytes) -> None:
    assert encode_owner(*owner) == data
    assert decode_owner(data) == owner


@pytest.mark.parametrize("data", [b"\x08", b"\x08\x80", b"\x09\x01", b"\x08" + b"\xff" * 11])
def test_foreign_bytes_are_no_claim(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_owner(data)


def test_maps_meet_on_the_outer_ids() -> None:
    keep = ((0, 100000, 1000), (1000, 1007, 1), (1001, 101000, 64535))
    mine = ((0, 1007, 1), (1, 100000, 65536))
    rows = join_maps(keep, mine)
    assert [translate(rows, own) for own in (0, 1, 1000, 1001, 65535)] == [
        1000,
        0,
        999,
        1001,
        65535,
    ]
    assert untranslate(rows, 1000) == 0
    assert join_maps(mine, mine) == ()
    assert translate(((0, 1007, 1),), 5, unknown=0) == 0


def test_the_last_line_of_the_side_file_counts(tmp_path: Path) -> None:
    (tmp_path / "owners").write_text(
        "0 7 100 1 1\n0 7 100 2 3\n5 8 100 1 1\n0 9 100 4 4\n0 9 100 0 0\nbroken\n0 1\n"
    )
    assert read_side(tmp_path / "owners") == {(7, 100): Claim(2, 3)}
    assert read_side(tmp_path / "missing") == {}


def test_a_claim_is_written_read_and_forgotten(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    found = os.open(tmp_path / "f", os.O_PATH)
    try:
        owners = Owners(claims=True)
        owners.give(found, 33, 44)
        assert owners.of(found, os.fstat(found)) == Claim(33, 44)
        owners.give(found, 0, 0)
        assert os.listxattr(tmp_path / "f") == []
        own = Owners(claims=True, uids=((0, os.getuid(), 1),), gids=((0, os.getgid(), 1),))
        assert own.of(found, os.fstat(found)) == Claim(0, 0)
    finally:
        os.close(found)


def test_an_id_that_nobody_has_is_refused(tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may give files to anybody")
    (tmp_path / "f").touch()
    found = os.open(tmp_path / "f", os.O_PATH)
    try:
        with pytest.raises(OSError, match="owner 4321:4321"):
            Owners().give(found, 4321, 4321)
    finally:
        os.close(found)
