"""Texts in tables end: a cell, `char name[20]` in a row, holds its text and the zero behind it.

In C a text that fills its cell exactly loses its end without a word; the compiler tells it only
where it warns of what C++ forbids.

In: every C file of launcher and extensions.  Out: the texts that are too long for their cells.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import native

CUT = "initializer-string"
"""In the compiler's words about such a text, whichever its version."""


def cut_texts(sources: list[Path]) -> list[str]:
    """The compiler's lines about texts that lose their end, or more of themselves."""
    yyjson = native.find_yyjson()
    variant = native.core_variant(yyjson) if yyjson else None
    assert variant is not None
    command = [*variant.compiler, *variant.flags, "-fsyntax-only", "-Wc++-compat", "-Wno-error"]
    done = subprocess.run(
        [*command, *map(str, sources)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if CUT in line]


def test_every_text_of_a_table_ends_in_its_cell() -> None:
    assert cut_texts([*native.launcher_sources(), *native.unpack_sources()]) == []


def test_a_text_that_fills_its_cell_is_found(tmp_path: Path) -> None:
    source = tmp_path / "table.c"
    source.write_text(
        "const struct { char name[4]; } rows[] = {\n"
        '    {"abc"},\n'
        '    {"four"},\n'
        "};\n"
        "const char names[][4] = {\n"
        '    "abc",\n'
        '    "four",\n'
        '    "fives",\n'
        "};\n"
    )
    found = [line.removeprefix(f"{source}:").split(":")[0] for line in cut_texts([source])]
    assert found == ["3", "7", "8"]
