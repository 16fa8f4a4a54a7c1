"""pyrootless.engine.files.copying: what goes where, by docker's table."""

from __future__ import annotations

import stat

import pytest

from pyrootless.cli.files.cp import split
from pyrootless.engine.files.copying import choose_place, clean_path
from pyrootless.errors import UsageError

DIRECTORY, FILE = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("a", "/a"),
        ("/", "/"),
        ("a/", "/a/"),
        ("/a/.", "/a/."),
        (".", "/."),
        ("../../a", "/a"),
        ("//a//b/../c/", "/a/c/"),
        ("/a/..", "/"),
    ],
)
def test_a_container_path_begins_at_its_root(written: str, clean: str) -> None:
    assert clean_path(written) == clean


@pytest.mark.parametrize(
    ("source", "target", "mode", "wanted"),
    [
        ("/d/f", "out", None, (".", "out", "")),
        ("/d/f", "x/out", None, ("x", "out", "")),
        ("/d/f", "/out", FILE, ("/", "out", "")),
        ("/d/f", "there", DIRECTORY, ("there", "f", "")),
        ("/d/f", "there/", DIRECTORY, ("there", "f", "")),
        ("/d/f", "there/.", DIRECTORY, ("there", "f", "")),
        ("/d/f", "/", DIRECTORY, ("/", "f", "")),
    ],
)
def test_a_file(source: str, target: str, mode: int | None, wanted: tuple[str, ...]) -> None:
    place = choose_place(source, False, target, mode)
    assert (place.folder, place.member, place.makes) == wanted


@pytest.mark.parametrize(
    ("source", "target", "mode", "wanted"),
    [
        ("/d", "new", None, ("new", ".", "new")),
        ("/d/.", "new/", None, ("new", ".", "new")),
        ("/d", "there", DIRECTORY, ("there", "d", "")),
        ("/d/", "there", DIRECTORY, ("there", "d", "")),
        ("/d/.", "there", DIRECTORY, ("there", ".", "")),
        ("/", "there", DIRECTORY, ("there", ".", "")),
    ],
)
def test_a_directory(
    source: str, target: str, mode: int | None, wanted: tuple[str, ...]
) -> None:
    place = choose_place(source, True, target, mode)
    assert (place.folder, place.member, place.makes) == wanted


@pytest.mark.parametrize(
    ("directory", "target", "mode", "said"),
    [
        (True, "file", FILE, "cannot copy directory"),
        (False, "missing/", None, "no such directory"),
        (False, "file/", FILE, "not a directory"),
        (True, "file/", FILE, "not a directory"),
    ],
)
def test_what_does_not_go_together(
    directory: bool, target: str, mode: int | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        choose_place("/d", directory, target, mode)


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("web:/a", ("web", "/a")),
        ("web:a:b", ("web", "a:b")),
        ("./web:/a", ("", "./web:/a")),
        ("/web:/a", ("", "/web:/a")),
        ("x/web:a", ("", "x/web:a")),
        ("-", ("", "-")),
        ("plain", ("", "plain")),
    ],
)
def test_whose_path_it_is(word: str, parts: tuple[str, str]) -> None:
    assert split(word) == parts


@pytest.mark.parametrize("word", ["web:", ":x"])
def test_half_a_path(word: str) -> None:
    with pytest.raises(UsageError):
        split(word)
