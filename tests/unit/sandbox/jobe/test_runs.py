"""Jobe's run_spec and its cache of files, without a server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrootless.sandbox.jobe.files import FileCache
from pyrootless.sandbox.jobe.runs import SpecError, clean, parse_spec, run_spec


def test_limits_and_arguments() -> None:
    parameters = {
        "cputime": "3", "memorylimit": 100, "disklimit": 1, "streamsize": 0.5, "numprocs": 4,
        "interpreterargs": ["-O"], "runargs": ["a"],
    }  # fmt: skip
    run = {"language_id": "Python3", "sourcecode": "é", "parameters": parameters}
    spec = parse_spec({"run_spec": run})
    limits = spec.limits
    assert (limits.cpu_ns, limits.wall_ns) == (3_000_000_000, 6_000_000_000)
    assert (limits.memory_bytes, limits.output_bytes, limits.procs) == (100 << 20, 1 << 19, 4)
    assert spec.language.run == ("python3", "-O", "-B", "{main}")
    assert (spec.name, spec.source, spec.args) == ("prog.py", "é".encode(), ("a",))


def test_no_memory_limit() -> None:
    run = {"language_id": "python3", "sourcecode": "", "parameters": {"memorylimit": 0}}
    assert parse_spec({"run_spec": run}).limits.memory is None


def test_half_a_character_is_no_argument() -> None:
    parameters = {"runargs": ["\ud800"]}
    run = {"language_id": "python3", "sourcecode": "", "parameters": parameters}
    with pytest.raises(SpecError, match="runargs must be a list of strings"):
        parse_spec({"run_spec": run})


def test_a_missing_file_is_404() -> None:
    run = {"language_id": "python3", "sourcecode": "", "file_list": [["12345678", "a", True]]}
    with pytest.raises(SpecError) as found:
        run_spec(parse_spec({"run_spec": run}), lambda name: None)
    assert found.value.status == 404


def test_clean() -> None:
    assert clean("é\x01".encode()) == "é\x01"
    assert clean(b"a\n\t\x01\xe9~") == "a\n\t\\x01\\xe9~"


def test_the_least_recently_used_make_room(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "files", most_bytes=10)
    for number, name in enumerate(("aaaaaaaa", "bbbbbbbb")):
        cache.put(name, b"12345")
        os.utime(tmp_path / "files" / name, ns=(number, number))
    assert cache.get("aaaaaaaa") == b"12345"
    cache.put("cccccccc", b"123")
    assert [cache.has(name) for name in ("aaaaaaaa", "bbbbbbbb", "cccccccc")] == [
        True,
        False,
        True,
    ]
    for name in ("../../etc", "short", "", "a" * 200):
        assert not cache.has(name)
        assert cache.get(name) is None
