"""pyrootless.sandbox.files: rows in order, and names that lead nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrootless.errors import UsageError
from pyrootless.sandbox.files import File, FileLike, file_rows


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
