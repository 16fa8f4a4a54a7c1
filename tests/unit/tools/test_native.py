"""The build's own decisions: what is compiled, how, and again when."""

from __future__ import annotations

import os
from pathlib import Path

import native
import pytest


def test_a_blob_becomes_an_array() -> None:
    text = native.array_header("name", bytes(range(13)))
    assert "static const unsigned char name[] = {\n" in text
    assert (
        "    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,\n" in text
    )
    assert "    0x0c,\n};\n" in text
    assert text.endswith("static const unsigned name_len = 13;\n")


def test_the_extension_has_all_but_the_launchers_own_files() -> None:
    core = {path.relative_to(native.CSRC).as_posix() for path in native.core_sources()}
    launcher = {path.relative_to(native.CSRC).as_posix() for path in native.launcher_sources()}
    assert "config/options/parse.c" in core
    assert launcher - core >= {"cli/main.c", "cli/attach/session.c"}
    assert all(name.startswith("cli/") for name in launcher - core)
    assert "init/pid1.c" not in launcher


def test_a_source_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="holds no yyjson.c"):
        native.find_yyjson({"PYROOTLESS_YYJSON_SOURCE": str(tmp_path)})
    for name in ("yyjson.c", "yyjson.h"):
        (tmp_path / name).touch()
    found = native.find_yyjson({"PYROOTLESS_YYJSON_SOURCE": str(tmp_path)})
    assert found == native.Yyjson(tmp_path, None)


def test_sanitizers_and_warnings_follow_the_environment() -> None:
    plain = native.base_flags({})
    assert "-Werror" not in plain
    assert "-O2" in plain
    strict = native.base_flags({"PYROOTLESS_WERROR": "1", "PYROOTLESS_SANITIZE": "1"})
    assert {"-Werror", "-fsanitize=address,undefined"} <= set(strict)


def test_a_shared_yyjson_makes_a_dynamic_launcher() -> None:
    variant = native.launcher_variant(native.Yyjson(None, None), {})
    assert variant.name == "launcher-dynamic"
    assert "-pie" in variant.link_flags


@pytest.mark.needs("musl-gcc")
def test_yyjsons_source_makes_a_static_one(tmp_path: Path) -> None:
    variant = native.launcher_variant(native.Yyjson(tmp_path, None), {})
    assert variant.compiler == ("musl-gcc",)
    assert "-static-pie" in variant.link_flags
    assert "-idirafter" in variant.flags


@pytest.mark.needs("gcc")
def test_an_object_is_made_again_when_a_header_changed(tmp_path: Path) -> None:
    source, header = tmp_path / "a.c", tmp_path / "a.h"
    header.write_text("#define VALUE 1\n")
    source.write_text('#include "a.h"\nint value = VALUE;\n')
    variant = native.Variant("test", ("gcc",), (), base=tmp_path / "objects")
    target = native.compile_one(variant, source)
    os.utime(target, ns=(2 * 10**18, 2 * 10**18))
    assert native.compile_one(variant, source).stat().st_mtime_ns == 2 * 10**18
    os.utime(header, ns=(3 * 10**18, 3 * 10**18))
    assert native.compile_one(variant, source).stat().st_mtime_ns != 2 * 10**18


def test_a_program_names_what_it_needs_on_several_lines() -> None:
    lines = ["// sources: csrc/a.c csrc/b.c", "// sources: csrc/c.c", "// libs: -lyyjson"]
    text = "\n".join([*lines, "/* Text. */", "// sources: csrc/d.c"])
    assert native.header_words(text, "sources") == ["csrc/a.c", "csrc/b.c", "csrc/c.c"]
    assert native.header_words(text, "libs") == ["-lyyjson"]
    assert native.header_words(text, "flags") == []
