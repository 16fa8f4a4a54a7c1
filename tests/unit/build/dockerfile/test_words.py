"""Words and variables, by the rules of the Dockerfile reference and of POSIX's shell."""

from __future__ import annotations

import pytest

from pyrootless.build.dockerfile.words import Rules, WordError, expand

SET = {
    "A": "apple",
    "EMPTY": "",
    "PATH": "/usr/bin:/bin",
    "FILE": "/a/b/archive.tar.gz",
    "TWO": "one two",
    "1": "first",
}

TEXTS = [
    ("plain", "plain"),
    ("", ""),
    ("$A", "apple"),
    ("${A}", "apple"),
    ("x$A.y", "xapple.y"),
    ("$A$A", "appleapple"),
    ("$NONE", ""),
    ("${NONE}", ""),
    ("$1", "first"),
    ("a$", "a$"),
    ("a$ b", "a$ b"),
    (r"\$A", "$A"),
    (r"\a\b", "ab"),
    ("a\\", "a"),
    ("'$A'", "$A"),
    (r"'\a'", r"\a"),
    ('"$A"', "apple"),
    (r'"\$A \" \\ \n"', r'$A " \ \n'),
    ('"it\'s"', "it's"),
    ("${NONE:-word}", "word"),
    ("${EMPTY:-word}", "word"),
    ("${EMPTY-word}", ""),
    ("${NONE-word}", "word"),
    ("${A:-word}", "apple"),
    ("${A:+word}", "word"),
    ("${EMPTY:+word}", ""),
    ("${EMPTY+word}", "word"),
    ("${NONE+word}", ""),
    ("${NONE:-$A}", "apple"),
    ("${NONE:-${EMPTY:-${A}}}", "apple"),
    ("${NONE:-a b}", "a b"),
    ("${NONE:-'}'}", "}"),
    ("${A:?no}", "apple"),
    ("${FILE#*/}", "a/b/archive.tar.gz"),
    ("${FILE##*/}", "archive.tar.gz"),
    ("${FILE%.*}", "/a/b/archive.tar"),
    ("${FILE%%.*}", "/a/b/archive"),
    ("${FILE#x}", "/a/b/archive.tar.gz"),
    ("${A#?p}", "ple"),
    (r"${A#\*}", "apple"),
    ("${PATH/bin/x}", "/usr/x:/bin"),
    ("${PATH//bin/x}", "/usr/x:/x"),
    ("${PATH//b?n/}", "/usr/:/"),
    ("${A/p/$A}", "aappleple"),
    ("${A/p/\\1}", "a1ple"),
    ("${NONE/a/b}", ""),
    ("${NONE#a}", ""),
    ("${A%[e]}", "apple"),
]


@pytest.mark.parametrize(("text", "wanted"), TEXTS)
def test_text(text: str, wanted: str) -> None:
    assert expand(text, SET.get).text == wanted


WORDS = [
    ("a b  c", ("a", "b", "c")),
    ("a 'b c'", ("a", "b c")),
    ('a"b c"d', ("ab cd",)),
    (r"a\ b c", ("a b", "c")),
    ("''", ("",)),
    ("x $TWO y", ("x", "one", "two", "y")),
    ('x "$TWO" y', ("x", "one two", "y")),
    ("${NONE:-a b}", ("a", "b")),
    ("  ", ()),
    ("$NONE", ()),
]


@pytest.mark.parametrize(("text", "wanted"), WORDS)
def test_words(text: str, wanted: tuple[str, ...]) -> None:
    assert expand(text, SET.get).words == wanted


WRONG = [
    ("${", "names no variable"),
    ("${}", "names no variable"),
    ("${:-a}", "names no variable"),
    ("${A", 'a "}" is missing'),
    ("${A:-b", 'a "}" is missing'),
    ("${A^}", "is no modifier"),
    ("${A:#b}", "is no modifier"),
    ("${A:}", "is no modifier"),
    ("${A/b", 'a "/" is missing'),
    ("'a", "a ' is missing"),
    ('"a', 'a " is missing'),
    ("${NONE?}", "NONE: is not allowed to be unset"),
    ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
    ("${NONE:?why not}", "NONE: why not"),
    ("${A:-" * 200 + "}" * 200, "too many substitutions"),
]


@pytest.mark.parametrize(("text", "wanted"), WRONG)
def test_wrong(text: str, wanted: str) -> None:
    with pytest.raises(WordError) as told:
        expand(text, SET.get)
    assert wanted in str(told.value)


def test_an_empty_value_is_set() -> None:
    assert expand("${EMPTY?}", SET.get).text == ""


def test_unset_names_are_told_once() -> None:
    found = expand("$X ${Y:-a} $X ${Z}", SET.get)
    assert found.unset == ("X", "Z")


def test_unset_names_can_stay() -> None:
    kept = Rules(keep_unset=True)
    assert expand("$X ${Y} $A", SET.get, kept).text == "$X ${Y} apple"


def test_another_escape() -> None:
    backtick = Rules(escape="`")
    assert expand("C:\\dir `$A $A", SET.get, backtick).text == "C:\\dir $A apple"


def test_raw_keeps_quotes_and_escapes() -> None:
    raw = Rules(raw=True)
    assert expand("'a b' \"c\" \\d", SET.get, raw).words == ("'a b'", '"c"', "\\d")
