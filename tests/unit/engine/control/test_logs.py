"""pyrootless.engine.control.logs: a log's bytes, its last lines, and its absence."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrootless.config import Directories
from pyrootless.engine.containers import Container
from pyrootless.engine.control.logs import read_log
from pyrootless.errors import ContainerStateError, StoreError


def exited(directory: Path) -> Container:
    return Container(
        "ab" * 32, "c", "host", ("sh",), "exited", 0, 0, 0, "exit", 0, None, directory
    )


def read(directory: Path, tail: int | None) -> bytes:
    taken: list[bytes] = []
    places = Directories(data=directory, runtime=directory)
    read_log(places, exited(directory), taken.append, tail=tail)
    return b"".join(taken)


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["unfinished", "finished"])
def test_last_lines(tmp_path: Path, end: bytes) -> None:
    lines = [b"%d %s" % (i, b"x" * (i % 900)) for i in range(1000)]
    (tmp_path / "log").write_bytes(b"\n".join(lines) + end)
    for tail in (1, 2, 3, 145, 146, 999, 1000, 1001):
        assert read(tmp_path, tail) == b"\n".join(lines[-tail:]) + end, tail
    assert read(tmp_path, 0) == b""
    assert read(tmp_path, None) == b"\n".join(lines) + end


def test_block_edges(tmp_path: Path) -> None:
    """A line's end is the first or last byte of what is read at once."""
    for size in (65534, 65535, 65536, 65537):
        (tmp_path / "log").write_bytes(b"a\n" + b"y" * size + b"\n")
        assert read(tmp_path, 1) == b"y" * size + b"\n"
        assert read(tmp_path, 2) == b"a\n" + b"y" * size + b"\n"


def test_empty_log_and_empty_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"")
    assert read(tmp_path, 3) == b""
    (tmp_path / "log").write_bytes(b"\n\n\n")
    assert read(tmp_path, 2) == b"\n\n"


def test_no_log_says_why(tmp_path: Path) -> None:
    with pytest.raises(ContainerStateError, match="has no log: it was started in the foreg"):
        read(tmp_path, None)


def test_a_link_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/etc/passwd")
    with pytest.raises(StoreError):
        read(tmp_path, None)
