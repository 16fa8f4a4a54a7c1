"""C tests as pytest items.

In: tests/csrc/test_*.c, programs on tests/csrc/check.h, whose first lines say what they need:
    // sources: csrc/spec.c csrc/spec_*.c csrc/base/*.c        (globs from the checkout's root)
    // libs: -lyyjson                                          (optional)
    // flags: -fno-sanitize=address                            (optional, after the common ones)
Out: one item per TEST(name), run as `program name`.  Never: a file outside the build directory.

Everything is compiled with ASAN and UBSAN.  Objects are kept by the digest of what went into
them, so a second run compiles only what changed.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import native
import pytest

ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    *("-std=gnu11", "-D_GNU_SOURCE", *native.WARNINGS, "-Werror", "-g"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"),
    *("-fno-omit-frame-pointer",),
    *(f"-I{ROOT / 'csrc'}", f"-I{ROOT / 'tests/csrc'}", f"-I{native.GENERATED}"),
)
TEST = re.compile(r"^TEST\((\w+)\)", re.MULTILINE)
TIMEOUT_SECONDS = 120


class CompileError(Exception):
    """The compiler refused; the text is its output."""


@cache
def build_directory() -> Path:
    """build/csrc-tests, or a directory of this run's own where that is not writable."""
    wanted = ROOT / "build" / "csrc-tests"
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        if os.access(wanted, os.W_OK):
            return wanted
    except PermissionError:
        pass
    return Path(tempfile.mkdtemp(prefix="pyrootless-csrc-tests-"))


@cache
def headers_digest() -> bytes:
    """One digest over all headers: a changed header compiles everything again."""
    native.make_init_header()
    digest = hashlib.sha256()
    folders = (ROOT / "csrc", ROOT / "tests" / "csrc", native.GENERATED)
    for path in sorted(path for folder in folders for path in folder.rglob("*.h")):
        digest.update(str(path).encode() + b"\0" + path.read_bytes())
    return digest.digest()


def compile_command(words: list[str]) -> None:
    """Run gcc.  Raises CompileError with what it said."""
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=600, check=False, cwd=ROOT
    )
    if done.returncode != 0:
        raise CompileError(f"{done.stderr.strip()}\nby: {' '.join(words)}")


def object_of(source: Path, flags: tuple[str, ...]) -> Path:
    """The object of one source, compiled when its digest is new."""
    digest = hashlib.sha256(headers_digest() + "\0".join(flags).encode() + source.read_bytes())
    name = source.relative_to(ROOT).as_posix().replace("/", "-")
    target = build_directory() / f"{name}-{digest.hexdigest()[:20]}.o"
    if not target.exists():
        scratch = target.with_suffix(f".{os.getpid()}.o")
        compile_command([*native.compiler(), *flags, "-c", str(source), "-o", str(scratch)])
        scratch.replace(target)
    return target


def header_words(text: str, key: str) -> list[str]:
    """Words of the line `// key: …` among the file's first lines; [] when there is none."""
    for line in text.splitlines()[:8]:
        if line.startswith(f"// {key}:"):
            return line.split(":", 1)[1].split()
    return []


def sources_of(test: Path, text: str) -> list[Path]:
    """The files of the `// sources:` line, globs resolved, and the test itself.

    Raises:
        CompileError: a word names no file.
    """
    found = {test: None}
    for word in header_words(text, "sources"):
        paths = sorted(ROOT.glob(word))
        if not paths:
            raise CompileError(f"{test.name}: `// sources:` names {word}, which is not there")
        found.update(dict.fromkeys(paths))
    return list(found)


def yyjson_parts(libs: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """Compile flags and link words for -lyyjson: the prepared source where there is one."""
    yyjson = native.find_yyjson()
    if "-lyyjson" not in libs or yyjson is None or yyjson.source is None:
        return (), libs
    source = yyjson.source / "yyjson.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:20]
    target = build_directory() / f"yyjson-{digest}.o"
    if not target.exists():
        words = [*native.compiler(), "-O1", "-g", "-c", str(source), "-o", str(target)]
        compile_command(words)
    rest = [word for word in libs if word != "-lyyjson"]
    return (f"-I{yyjson.source}",), [str(target), *rest]


def program_of(test: Path) -> Path:
    """Compile and link one test program.  Raises CompileError."""
    text = test.read_text()
    include, libs = yyjson_parts(header_words(text, "libs"))
    flags = (*FLAGS, *include, *header_words(text, "flags"))
    objects = [str(object_of(source, flags)) for source in sources_of(test, text)]
    digest = hashlib.sha256("\0".join([*objects, *libs, *flags]).encode()).hexdigest()[:20]
    target = build_directory() / f"{test.stem}-{digest}"
    if not target.exists():
        scratch = target.with_suffix(f".{os.getpid()}")
        compile_command([*native.compiler(), *flags, *objects, "-o", str(scratch), *libs])
        scratch.replace(target)
    return target


class CheckItem(pytest.Item):
    """One TEST of a C program."""

    def runtest(self) -> None:
        """Run `program name`; the program must say "ok name" and end with 0."""
        done = subprocess.run(
            [str(program_of(self.path)), self.name],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        output = f"{done.stdout}{done.stderr}"
        lines = done.stdout.splitlines()
        for line in lines:
            if line.startswith(f"skip {self.name}"):
                pytest.skip(line.removeprefix(f"skip {self.name}").strip(" :"))
        if done.returncode != 0 or f"ok {self.name}" not in lines:
            raise CompileError(f"{output.strip()}\nexit status {done.returncode}")

    def repr_failure(self, excinfo, style=None):  # type: ignore[no-untyped-def]
        """What the compiler or the program said, without a Python traceback."""
        if isinstance(excinfo.value, CompileError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the test stands."""
        return self.path, 0, self.name


class CheckFile(pytest.File):
    """A tests/csrc/test_*.c file."""

    def collect(self) -> Iterator[CheckItem]:
        """One item per TEST, in the order of the file."""
        for name in TEST.findall(self.path.read_text()):
            yield CheckItem.from_parent(self, name=name)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CheckFile | None:
    """Take the C files that pytest itself would pass over."""
    if file_path.suffix == ".c" and file_path.name.startswith("test_"):
        return CheckFile.from_parent(parent, path=file_path)
    return None
