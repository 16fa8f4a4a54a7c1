"""`make fuzz SECONDS=3600`: every fuzz target for a time, from its committed corpus on.

In: seconds; names of targets (all of them without); clang with libFuzzer, and atheris, which is
installed into build/fuzz/venv.
Out: a line per target, exit status 1 when one found something; the bytes of a finding and the
grown corpus below build/fuzz.
Never: a change to tests/fuzz: a finding becomes a file of the corpus by hand, with its fix.

Targets in C are tests/fuzz/fuzz_NAME.c, those in Python the functions of
tests/fuzz/fuzz_parsers.py.  Each runs in one process, as many at once as there are processors.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import native

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "tests" / "fuzz"
BUILD = ROOT / "build" / "fuzz"
PYTHON = BUILD / "venv" / "bin" / "python"
ATHERIS = "atheris==3.1.0"
MAX_LEN = 16384
CASE_SECONDS = 60
MEMORY_MIB = 1500
GRACE_SECONDS = 300
FLAGS = (
    *native.COMMON,
    *("-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"),
    *(f"-I{ROOT / 'csrc'}", f"-I{SOURCES}", f"-I{native.GENERATED}"),
)
STATS = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Target:
    """One parser under attack: its name and what begins its command line."""

    name: str
    command: tuple[str, ...]


def find_clang() -> str:
    """A clang; the newest of those with a number where there is no plain one."""
    names = ["clang", *(f"clang-{number}" for number in range(30, 13, -1))]
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("fuzz: there is no clang; on Debian: tools/install-packages fuzz")
    return found


def c_names() -> list[str]:
    """The targets in C."""
    return sorted(path.stem.removeprefix("fuzz_") for path in SOURCES.glob("fuzz_*.c"))


def python_names() -> list[str]:
    """The targets in Python: the rows of PARSERS."""
    text = (SOURCES / "fuzz_parsers.py").read_text()
    return re.findall(r'^    "([a-z-]+)": \w+,$', text, re.MULTILINE)


def build_c(name: str, clang: str) -> Target:
    """Compile one target with libFuzzer."""
    source = SOURCES / f"fuzz_{name}.c"
    globs = native.header_words(source.read_text(), "sources")
    files = dict.fromkeys(str(path) for glob in globs for path in sorted(ROOT.glob(glob)))
    yyjson = native.find_yyjson()
    words = [clang, *FLAGS, str(source), *files]
    if yyjson is not None and yyjson.source is not None:
        words += [f"-I{yyjson.source}", str(yyjson.source / "yyjson.c")]
    else:
        words += ["-lyyjson"]
    native.make_blobs()
    native.run([*words, "-o", str(BUILD / name)])
    return Target(name, (str(BUILD / name),))


def make_environment() -> None:
    """An environment with atheris, which sees the project's own packages."""
    if not PYTHON.exists():
        venv.create(PYTHON.parent.parent, symlinks=True, with_pip=True)
        native.run([PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", ATHERIS])
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = PYTHON.parent.parent / "lib" / version / "site-packages"
    lent = ROOT / "build" / "venv" / "lib" / version / "site-packages"
    (own / "pyrootless-fuzz.pth").write_text(f"{ROOT}\n{lent}\n")


def build(names: list[str]) -> list[Target]:
    """The targets that were named, ready to run."""
    unknown = set(names) - {*c_names(), *python_names()}
    if unknown:
        raise SystemExit(f"fuzz: no such target: {', '.join(sorted(unknown))}")
    BUILD.mkdir(parents=True, exist_ok=True)
    chosen = names or [*c_names(), *python_names()]
    targets = [build_c(name, find_clang()) for name in c_names() if name in chosen]
    python = [name for name in python_names() if name in chosen]
    if python:
        make_environment()
    script = str(SOURCES / "fuzz_python.py")
    return targets + [Target(name, (str(PYTHON), script, name)) for name in python]


def attack(target: Target, seconds: int) -> bool:
    """Run one target for a time; prints its line.  Returns whether it found nothing."""
    corpus, found = BUILD / "corpus" / target.name, BUILD / "found" / target.name
    for directory in (corpus, found):
        directory.mkdir(parents=True, exist_ok=True)
    words = [f"-max_total_time={seconds}", f"-max_len={MAX_LEN}", "-print_final_stats=1"]
    words += [f"-timeout={CASE_SECONDS}", f"-rss_limit_mb={MEMORY_MIB}"]
    words += [f"-artifact_prefix={found}/", str(corpus), str(SOURCES / "corpus" / target.name)]
    log = BUILD / f"{target.name}.log"
    with log.open("wb") as stream:
        done = subprocess.run(
            [*target.command, *words],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=BUILD,
            stdout=stream,
            stderr=subprocess.STDOUT,
            timeout=seconds + GRACE_SECONDS,
            check=False,
        )
    stats = dict(STATS.findall(log.read_text(errors="replace")))
    runs = stats.get("number_of_executed_units", "0")
    verdict = "nothing" if done.returncode == 0 else f"FOUND, see {log.relative_to(ROOT)}"
    print(f"{target.name:16} {seconds} s {runs:>12} executions: {verdict}", flush=True)
    return done.returncode == 0


def main() -> int:
    """Build, attack, tell."""
    if len(sys.argv) < 2 or not sys.argv[1].isdigit():
        raise SystemExit("usage: fuzz.py SECONDS [TARGET…]")
    seconds = int(sys.argv[1])
    targets = build(sys.argv[2:])
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        clean = list(pool.map(lambda target: attack(target, seconds), targets))
    print(f"{sum(clean)} of {len(clean)} targets found nothing")
    return 0 if all(clean) else 1


if __name__ == "__main__":
    sys.exit(main())
