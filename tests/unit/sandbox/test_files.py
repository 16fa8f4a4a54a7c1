"""pyrootless.sandbox.files: rows in order, and names that lead nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrootless.errors import UsageError
from pyrootless.sandbox.box import check_program
from pyrootless.sandbox.files import File, FileLike, OpenFile, file_rows


def test_parents_come_first(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"xx")
    (tmp_path / "x").chmod(0o755)
    rows = file_rows(
        {"d/e/f": b"1", "d.txt": File(b"2", 0o600), "/etc/y": None, "g": tmp_path / "x"}, "/box"
    )
    assert rows == [
        ("box", None, 0o755),
        ("box/d", None, 0o755),
        ("box/d.txt", b"2", 0o600),
        ("box/d/e", None, 0o755),
        ("box/d/e/f", b"1", 0o644),
        ("box/g", b"xx", 0o755),
        ("etc", None, 0o755),
        ("etc/y", None, 0o755),
    ]


def test_order_holds_where_a_name_sorts_before_a_slash() -> None:
    rows = file_rows({"a/b": b"", "a-b": b"", "a": None}, "/")
    seen: set[str] = set()
    for path, data, _ in rows:
        assert path.rpartition("/")[0] in seen | {""}
        if data is None:
            seen.add(path)


def test_what_goes_into_a_box_at_once_is_open_where_it_is_large(tmp_path: Path) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(b"\1" * 65536)
    small.write_bytes(b"\2" * 65535)
    held = dict.fromkeys("ab", large) | {"c": small, "d": b"\3" * 65536}
    rows = file_rows(held, "/", at_once=True)
    assert [type(data) for _, data, _ in rows] == [OpenFile, OpenFile, bytes, bytes]
    assert [bytes(data or b"")[:1] for _, data, _ in rows] == [b"\1", b"\1", b"\2", b"\3"]
    assert [type(data) for _, data, _ in file_rows(held, "/")] == [bytes] * 4
    with pytest.raises(UsageError, match="cannot be read"):
        file_rows({"x": tmp_path / "none"}, "/", at_once=True)


def test_of_many_large_files_some_are_open_and_none_stays_so(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"\1" * 65536)
    before = set(os.listdir("/proc/self/fd"))
    rows = file_rows({f"{n:02}": tmp_path / "large" for n in range(20)}, "/", at_once=True)
    assert [type(data) for _, data, _ in rows] == [OpenFile] * 16 + [bytes] * 4
    del rows
    assert set(os.listdir("/proc/self/fd")) - before == set()


@pytest.mark.parametrize("name", ["", "..", "a/../b", "/", ".", "a\0b", "x" * 5000])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(UsageError, match="no name of a file in a box"):
        file_rows({name: b""}, "/box")


@pytest.mark.parametrize(
    "files",
    [{"a": b"", "a/b": b""}, {"a": b"", "./a": b""}, {"a": 3}, {"a": Path("/nonexistent/x")}],
)
def test_files_that_cannot_be(files: dict[str, FileLike]) -> None:
    with pytest.raises(UsageError):
        file_rows(files, "/box")


def test_words_that_no_config_can_carry() -> None:
    assert check_program(["é", "-x"], "/") == ("é", "-x")
    with pytest.raises(UsageError, match=r"args: 'm\\udcfc.c' is no UTF-8"):
        check_program(["cc", os.fsdecode(b"m\xfc.c")], "/")
