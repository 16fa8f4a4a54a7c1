"""docs/examples.md: its blocks run, in order, each in the names of those before."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs/examples.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def program_of(text: str) -> str:
    """The blocks as one program whose lines have the page's numbers."""
    lines = [""] * len(text.splitlines())
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1))
        for offset, line in enumerate(block[1].splitlines()):
            lines[first + offset] = line
    return "\n".join(lines) + "\n"


def test_blocks_keep_their_line_numbers() -> None:
    text = "a\n```python\nx = 1\n```\nb\n```sh\nls\n```\n```python\ny = 2\n```\n"
    assert program_of(text).splitlines() == ["", "", "x = 1", *[""] * 6, "y = 2", ""]


def test_every_section_has_an_example_that_can_fail() -> None:
    sections = PAGE.read_text().split("\n## ")[1:]
    assert len(sections) == 8
    without = [part.splitlines()[0] for part in sections if "assert " not in program_of(part)]
    assert without == []


@pytest.mark.needs("plain-user", "user-namespaces")
def test_the_examples_run(engine_environment: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / "examples.py"
    program.write_text(program_of(PAGE.read_text()))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=engine_environment,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
