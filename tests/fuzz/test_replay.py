"""The corpus of each fuzz program in C, and all its neighbours by one byte, under sanitizers.

In: fuzz_NAME.c and corpus/NAME/.  Out: a program that ends well, and leaves nothing.
Never: new inputs: those are libFuzzer's (`make fuzz`).
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from c_programs import program_of

HERE = Path(__file__).resolve().parent
PROGRAMS = sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.c"))
SECONDS = 300


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: a disk takes its time for each of many trees."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=place) as directory:
        yield Path(directory)


def test_every_program_is_replayed() -> None:
    assert PROGRAMS == ["options", "passwd", "spec", "tar", "template"]


@pytest.mark.slow
@pytest.mark.needs("gcc", "plain-user")
@pytest.mark.parametrize("name", PROGRAMS)
def test_replay(name: str, scratch: Path) -> None:
    corpus = sorted((HERE / "corpus" / name).iterdir())
    assert len(corpus) >= 5
    program = program_of(HERE / f"fuzz_{name}.c", ("-DPRL_FUZZ_STANDALONE",))
    done = subprocess.run(
        [str(program), *map(str, corpus)],
        env={"TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(corpus)} files\n"
    assert list(scratch.iterdir()) == []
