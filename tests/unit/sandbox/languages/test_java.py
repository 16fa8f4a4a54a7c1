"""sandbox.languages.java: names of sources and classes, of honest and hostile bytes."""

from __future__ import annotations

import random
import struct

import pytest

from pyrootless.sandbox.languages.java import main_class, public_type, source_names

PUBLIC = [
    ("public class Sum {}", "Sum"),
    ("public final strictfp class A<T extends B> extends C {}", "A"),
    ("abstract public class A {}", "A"),
    ("public @Deprecated class A {}", "A"),
    ("package a.b;\nimport c.D;\npublic interface I {}", "I"),
    ("public @interface Note {}", "Note"),
    ("public enum E { X }", "E"),
    ("public record Pair(int a, int b) {}", "Pair"),
    ("public sealed interface S permits T {}", "S"),
    ("class A { public class B {} } public class C {}", "C"),
    ("class A { public void f() {} }", ""),
    ("// public class No {}\n/* public class No {} */ public /* x */ class Yes {}", "Yes"),
    ('@Name("public class No {") public class Yes {}', "Yes"),
    ('@Name("\\"; public class No {") public class Yes {}', "Yes"),
    ('@Name("""\n public class No { " \\""" """) public class Yes {}', "Yes"),
    ("@Of(No.class) @Char('{') @Char('\\'') public class Yes {}", "Yes"),
    ("\\u0070ublic class \\u0041 {}", "A"),
    ("public class Größe {}", "Größe"),
    ("public class A$1 {}", "A$1"),
    ("public class", ""),
    ("class A {} ; public", ""),
    ("", ""),
]


@pytest.mark.parametrize(("source", "name"), PUBLIC)
def test_the_public_type(source: str, name: str) -> None:
    assert public_type(source.encode()) == name


@pytest.mark.parametrize("piece", ["/*", '"""', '"\\"', "'\\'", "\\u", '"', "{", "//"])
def test_hostile_text_is_read_once(piece: str) -> None:
    """What is quadratic would take hours here."""
    assert public_type(piece.encode() * (1 << 20)) == ""


def test_names_of_sources() -> None:
    sources = {
        "prog (1).java": b"public class Sum {}",
        "src/x.java": b"package p; public class A {}",
        "B.java": b"class B {}",
    }
    assert source_names(sources) == {
        "prog (1).java": "Sum.java",
        "src/x.java": "src/A.java",
        "B.java": "B.java",
    }
    twice = {"A.java": b"public class A {}", "copy.java": b"public class A {}"}
    assert source_names(twice) == {"A.java": "A.java", "copy.java": "copy.java"}
    swapped = {"A.java": b"public class B {}", "B.java": b"public class A {}"}
    assert source_names(swapped) == {"A.java": "B.java", "B.java": "A.java"}


def class_file(name: str, *methods: tuple[int, str, str], long: bool = False) -> bytes:
    """A class file as JVMS 4.1 has it, with no code."""
    texts = [name, "x", "J", *(text for method in methods for text in method[1:])]
    pool = b"".join(struct.pack(">BH", 1, len(t.encode())) + t.encode() for t in texts)
    if long:
        pool += struct.pack(">Bq", 5, 7)
    pool += struct.pack(">BH", 7, 1)
    this = len(texts) + 1 + 2 * long
    rows = b"".join(
        struct.pack(">HHHHHI", access, 4 + 2 * at, 5 + 2 * at, 1, 2, 3) + b"abc"
        for at, (access, _, _) in enumerate(methods)
    )
    field = struct.pack(">HHHHHI", 1, 2, 3, 1, 2, 4) + b"abcd"
    return (
        struct.pack(">IIH", 0xCAFEBABE, 61, this + 1)
        + pool
        + struct.pack(">HHHHH", 1, this, 0, 1, 0)
        + struct.pack(">H", 1)
        + field
        + struct.pack(">H", len(methods))
        + rows
    )


MAIN = (0x0009, "main", "([Ljava/lang/String;)V")
NOT_MAIN = [
    (0x0001, "main", "([Ljava/lang/String;)V"),
    (0x0009, "main", "()V"),
    (0x0009, "Main", "([Ljava/lang/String;)V"),
]


@pytest.mark.parametrize("long", [False, True])
def test_the_class_with_main(long: bool) -> None:
    classes = {
        "A.class": class_file("A", *NOT_MAIN, long=long),
        "p/B.class": class_file("p/B", *NOT_MAIN, MAIN, long=long),
    }
    assert main_class(["A.java", "B.java"], classes) == "p.B"


def test_of_several_the_one_a_source_is_named_by() -> None:
    names = ("Aa", "Main", "Sum", "Sum$Inner", "Tool")
    classes = {f"{name}.class": class_file(name, MAIN) for name in names}
    assert main_class(["Tool.java", "Sum.java"], classes) == "Tool"
    assert main_class(["Sum.java", "Tool.java"], classes) == "Sum"
    assert main_class(["x.java"], classes) == "Main"
    del classes["Main.class"]
    assert main_class(["x.java"], classes) == "Aa"
    inner = {name: classes[name] for name in ("Sum$Inner.class",)}
    assert main_class(["Sum.java"], inner) == "Sum$Inner"


def test_without_main_java_says_what_is_wrong() -> None:
    assert (
        main_class(["A.java"], {"B.class": class_file("B"), "A.class": class_file("A")}) == "A"
    )
    assert main_class(["A.java"], {}) == ""


@pytest.mark.parametrize("name", ["-version", "@x", "a/-b", "", "a b", "a//b", "/a"])
def test_no_name_is_an_option(name: str) -> None:
    assert main_class(["A.java"], {"A.class": class_file(name, MAIN)}) == ""
    assert main_class(["A.java"], {f"{name}.class": class_file("A", MAIN)}) in ("", "A")


def test_broken_class_files_are_none() -> None:
    whole = class_file("A", *NOT_MAIN, MAIN, long=True)
    for end in range(len(whole)):
        assert main_class([], {"A.class": whole[:end]}) in ("", "A")
    chance = random.Random(7)
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        assert not main_class([], {"A.class": bytes(data)}).startswith(("-", "@"))


def test_no_more_is_read_than_a_mebibyte() -> None:
    large = class_file("B", MAIN) + bytes(1 << 20)
    assert main_class([], {"B.class": large}) == ""
