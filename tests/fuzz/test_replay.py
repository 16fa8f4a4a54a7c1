"""The corpus of the fuzzer, replayed in every run: each file, and it with any byte changed.

In: fuzz_spec.c built for gcc, tests/fuzz/corpus.  Out: its sanitizers' and its own judgement.
Never: new inputs: those are libFuzzer's, by hand (the head of fuzz_spec.c).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import native
import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SECONDS = 300

pytestmark = pytest.mark.needs("gcc")


def yyjson_words(target: Path) -> list[str]:
    """What links yyjson: its source compiled without sanitizers, which takes a tenth."""
    yyjson = native.find_yyjson()
    if yyjson is None or yyjson.source is None:
        return ["-lyyjson"]
    source = yyjson.source / "yyjson.c"
    argv = [*native.compiler(), "-O1", "-c", str(source), "-o", str(target)]
    subprocess.run(argv, check=True, timeout=SECONDS)
    return [f"-I{yyjson.source}", str(target)]


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fuzz_spec.c with the sources its first line names."""
    source = HERE / "fuzz_spec.c"
    words = source.read_text().splitlines()[0].removeprefix("// sources:").split()
    parts = [str(path) for word in words for path in sorted(ROOT.glob(word))]
    program = tmp_path_factory.mktemp("fuzz") / "fuzz_spec"
    parts += yyjson_words(program.with_name("yyjson.o"))
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-DPRL_FUZZ_STANDALONE"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    argv = [*native.compiler(), *flags, f"-I{ROOT / 'csrc'}", str(source), *parts]
    subprocess.run([*argv, "-o", str(program)], check=True, timeout=SECONDS)
    return program


def test_the_corpus_of_configurations(fuzzer: Path) -> None:
    files = sorted((HERE / "corpus/spec").iterdir())
    assert len(files) >= 10
    done = subprocess.run(
        [str(fuzzer), *map(str, files)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{len(files)} files\n", "")
