"""Patterns and .dockerignore, by Go's filepath.Match and the Dockerfile reference."""

from __future__ import annotations

import pytest

from pyrootless.build.dockerfile.ignore import make_rules, parse_ignore
from pyrootless.build.dockerfile.patterns import PatternError, compile_pattern

FITS = [
    ("abc", "abc", True),
    ("*", "abc", True),
    ("*c", "abc", True),
    ("a*", "a", True),
    ("a*", "ab/c", False),
    ("a*/b", "abc/b", True),
    ("a*/b", "a/c/b", False),
    ("ab[c]", "abc", True),
    ("ab[b-d]", "abc", True),
    ("ab[e-g]", "abc", False),
    ("ab[^c]", "abc", False),
    ("ab[^e-g]", "abc", True),
    ("a\\*b", "a*b", True),
    ("a\\*b", "ab", False),
    ("a?b", "a☺b", True),
    ("a[^a]b", "a☺b", True),
    ("a?b", "a/b", False),
    ("a[^x]b", "a/b", False),
    ("[\\]a]", "]", True),
    ("[\\-]", "-", True),
    ("[x\\-]", "z", False),
    ("*x", "xxx", True),
    ("**", "a/b/c", True),
    ("**/*.go", "main.go", True),
    ("**/*.go", "a/b/main.go", True),
    ("a/**/b", "a/b", True),
    ("a/**/b", "a/x/y/b", True),
    ("a/**", "a/x/y", True),
    ("a/**", "a", False),
    ("a.b", "axb", False),
]


@pytest.mark.parametrize(("pattern", "path", "wanted"), FITS)
def test_fits(pattern: str, path: str, wanted: bool) -> None:
    assert bool(compile_pattern(pattern).fullmatch(path)) is wanted


MALFORMED = ["[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "[^bc", "a[", "a\\", "[z-a]"]


@pytest.mark.parametrize("pattern", MALFORMED)
def test_malformed(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)


IGNORED = [
    ("", "a", False),
    ("a", "a", True),
    ("a", "a/b", True),
    ("a", "b/a", False),
    ("/a", "a", True),
    ("a/", "a/b", True),
    ("./a", "a", True),
    ("*/temp*", "x/temporary.txt", True),
    ("*/temp*", "x/y/temporary.txt", False),
    ("**/temp*", "x/y/temporary.txt", True),
    ("*.md\n!README.md", "README.md", False),
    ("*.md\n!README.md", "x.md", True),
    ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
    ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", False),
    ("*\n!src", "src/main.c", False),
    ("*\n!src/main.c", "src/main.c", False),
    ("*\n!src/main.c", "src/other.c", True),
    ("# a", "# a", False),
    (" # a", "# a", True),
    ("\ufeffa", "a", True),
    ("  a  ", "a", True),
    ("a\r\nb\r\n", "b", True),
    ("!", "a", False),
    ("**\n!a/**", "a/b", False),
    ("foo/../a", "a", True),
]


@pytest.mark.parametrize(("text", "path", "wanted"), IGNORED)
def test_ignored(text: str, path: str, wanted: bool) -> None:
    assert parse_ignore(text).leaves_out(path) is wanted


KEPT = [
    ("*\n!src/main.c", "src", True),
    ("*\n!src/main.c", "doc", False),
    ("*\n!**/x", "doc", True),
    ("*\n!s*/x", "src", True),
    ("*", "src", False),
]


@pytest.mark.parametrize(("text", "directory", "wanted"), KEPT)
def test_what_a_directory_may_keep(text: str, directory: str, wanted: bool) -> None:
    assert parse_ignore(text).may_keep_below(directory) is wanted


def test_excludes_are_rules() -> None:
    assert make_rules(["*.txt", "!keep.txt"]).leaves_out("a.txt")
    assert not make_rules(["*.txt", "!keep.txt"]).leaves_out("keep.txt")
