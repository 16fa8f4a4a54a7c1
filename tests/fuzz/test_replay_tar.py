"""The corpus of each fuzz program, and all its neighbours by one byte, under sanitizers.

In: fuzz_NAME.c and corpus/NAME/.  Out: a program that ends well, and leaves nothing.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import native
import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAMS = ("tar",)
SECONDS = 300
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def sources_of(source: Path) -> list[str]:
    """The files of its first line, `// sources: …`, and itself."""
    globs = source.read_text().splitlines()[0].removeprefix("// sources:").split()
    return [str(source), *(str(path) for glob in globs for path in sorted(ROOT.glob(glob)))]


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fuzz program that replays files, compiled."""
    target: Path = tmp_path_factory.mktemp("fuzz") / str(request.param)
    flags = [*native.COMMON, *native.WARNINGS, "-Werror", *SANITIZE, f"-I{ROOT / 'csrc'}"]
    words = [*native.compiler(), *flags, "-DPRL_FUZZ_STANDALONE"]
    words += [*sources_of(HERE / f"fuzz_{request.param}.c"), "-o", str(target)]
    subprocess.run(words, check=True, timeout=SECONDS)
    return target


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: a disk takes its time for each of many trees."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=place) as directory:
        yield Path(directory)


@pytest.mark.slow
@pytest.mark.needs("gcc", "plain-user")
def test_replay(program: Path, scratch: Path) -> None:
    corpus = sorted((HERE / "corpus" / program.name).iterdir())
    assert len(corpus) > 5
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
