"""C programs of the tests: compiled with ASAN and UBSAN, and kept.

In: C files whose first lines say what they need, a key on as many lines as it takes:
    // sources: csrc/spec/*.c csrc/base/**/*.c        (globs from the checkout's root)
    // libs: -lyyjson                                          (optional)
    // flags: -fno-sanitize=address                            (optional, after the common ones)
Out: programs.  Never: a file outside the build directory.

Objects are kept by the digest of what went into them, so that a second run compiles only what
changed, and two programs share what they have in common.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import native

ROOT = Path(__file__).resolve().parents[1]
HEADERS = ("csrc", "tests/csrc", "tests/fuzz")
"""Folders of headers."""
FLAGS = (
    *("-std=gnu11", "-D_GNU_SOURCE", *native.WARNINGS, "-Werror", "-g"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"),
    *("-fno-omit-frame-pointer",),
    *(f"-I{ROOT / folder}" for folder in HEADERS),
    f"-I{native.GENERATED}",
)


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
    native.make_blobs()
    digest = hashlib.sha256()
    folders = (*(ROOT / folder for folder in HEADERS), native.GENERATED)
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


def sources_of(test: Path, text: str) -> list[Path]:
    """The files of the `// sources:` line, globs resolved, and the test itself.

    Raises:
        CompileError: a word names no file.
    """
    found = {test: None}
    for word in native.header_words(text, "sources"):
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


def program_of(test: Path, own_flags: tuple[str, ...] = ()) -> Path:
    """Compile and link one test program, its own file with flags of its own.

    Raises:
        CompileError: The compiler or the linker refused.
    """
    text = test.read_text()
    include, libs = yyjson_parts(native.header_words(text, "libs"))
    flags = (*FLAGS, *include, *native.header_words(text, "flags"))
    objects = [
        str(object_of(source, (*flags, *(own_flags if source == test else ()))))
        for source in sources_of(test, text)
    ]
    digest = hashlib.sha256("\0".join([*objects, *libs, *flags]).encode()).hexdigest()[:20]
    target = build_directory() / f"{test.stem}-{digest}"
    if not target.exists():
        scratch = target.with_suffix(f".{os.getpid()}")
        compile_command([*native.compiler(), *flags, *objects, "-o", str(scratch), *libs])
        scratch.replace(target)
    return target
