"""From csrc/ to objects, the bare programs and the launcher.

In: C sources below csrc/, the environment (CC, PYROOTLESS_YYJSON_SOURCE, PYROOTLESS_SANITIZE,
PYROOTLESS_WERROR).  Out: files below build/.  Never: anything of Python's own build, a
download, a file outside build/ (but the launcher, whose place the caller names).

Only what changed is compiled again: each object keeps the list of headers it was made from, and
each set of flags has a directory of its own.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
BUILD = ROOT / "build"
GENERATED = BUILD / "generated"
UNPACK = CSRC / "unpack"
BARE = CSRC / "init"
"""Programs without a C library: each is embedded in what starts containers."""
ZYGOTE = CSRC / "sandbox" / "zygote" / "module.c"
"""A module for any interpreter, without a C library of its own: embedded as well."""

WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wvla")
COMMON = ("-std=gnu11", "-D_GNU_SOURCE", "-fvisibility=hidden")
RELEASE = ("-O2", "-g1", "-fstack-protector-strong")
SANITIZE = ("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined")
# What the launcher does not use is left out of it: a smaller program has fewer pages to fault.
SECTIONS = ("-ffunction-sections", "-fdata-sections")
UNUSED = "-Wl,--gc-sections"
RELRO = ("-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack")
# A static program of a few kilobytes without a C library, so nothing of one may be assumed.
EMBEDDED_FLAGS = (
    "-std=gnu11",
    "-D_GNU_SOURCE",
    "-Os",
    "-nostdlib",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fcf-protection=none",
    "-Wl,--build-id=none",
    "-Wl,-z,noexecstack",
    "-Wl,-z,noseparate-code",
    "-s",
)
BARE_FLAGS = (*EMBEDDED_FLAGS, "-static", "-fno-pic", "-no-pie")
# Python's headers are given by what the build itself runs on.
MODULE_FLAGS = (
    *EMBEDDED_FLAGS,
    "-shared",
    "-fPIC",
    "-fvisibility=hidden",
    "-Wl,-z,now",
    f"-I{sysconfig.get_path('include')}",
)


@dataclass(frozen=True)
class Yyjson:
    """Where yyjson comes from.

    Attributes:
        source: directory holding yyjson.c and yyjson.h, compiled in; None: a library.
        archive: libyyjson.a, linked in; None with `source` or a shared library.
    """

    source: Path | None
    archive: Path | None

    @property
    def embedded(self) -> bool:
        """No shared library is needed at run time."""
        return self.source is not None or self.archive is not None


@dataclass(frozen=True)
class Variant:
    """One way of compiling: its name, compiler, and flags."""

    name: str
    compiler: tuple[str, ...]
    flags: tuple[str, ...]
    link_flags: tuple[str, ...] = ()
    base: Path = BUILD / "native"

    @property
    def directory(self) -> Path:
        """Where its objects go: another set of flags is another directory."""
        text = "\0".join((*self.compiler, *self.flags))
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return self.base / f"{self.name}-{digest}"


def compiler(env: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """$CC split into words, else gcc, else cc."""
    if env.get("CC"):
        return tuple(shlex.split(env["CC"]))
    return ("gcc",) if shutil.which("gcc") or not shutil.which("cc") else ("cc",)


def run(command: Iterable[str | Path], *, timeout_seconds: float = 600) -> None:
    """Run one command of the build; its output goes where ours goes.

    Raises:
        SystemExit: it failed; the message is the command line.
    """
    words = [str(word) for word in command]
    try:
        failed = subprocess.run(words, timeout=timeout_seconds, check=False).returncode != 0
        what = "failed"
    except subprocess.TimeoutExpired:
        failed, what = True, f"did not end within {timeout_seconds:.0f} s"
    if failed:
        line = shlex.join(words).replace(f"{ROOT}/", "")
        shown = line if len(line) < 800 else f"{line[:400]} … {line[-400:]}"
        raise SystemExit(f"pyrootless: a command of the build {what}:\n  {shown}")


def find_yyjson(env: Mapping[str, str] = os.environ) -> Yyjson | None:
    """The best yyjson there is: its source, a static library, a shared one, in this order.

    Returns: None when there is none at all.
    Raises:
        SystemExit: $PYROOTLESS_YYJSON_SOURCE names a directory without its two files.
    """
    asked = env.get("PYROOTLESS_YYJSON_SOURCE")
    for directory in [Path(asked).resolve()] if asked else [BUILD / "yyjson"]:
        if (directory / "yyjson.c").exists() and (directory / "yyjson.h").exists():
            return Yyjson(directory, None)
        if asked:
            raise SystemExit(
                f"pyrootless: PYROOTLESS_YYJSON_SOURCE={asked} holds no yyjson.c and yyjson.h; "
                "unset it, or let `make deps` prepare build/yyjson"
            )
    if shutil.which(compiler(env)[0]) is None:
        return None
    archive = _library(compiler(env), "libyyjson.a")
    if archive:
        return Yyjson(None, archive)
    return Yyjson(None, None) if _library(compiler(env), "libyyjson.so") else None


def _library(cc: tuple[str, ...], name: str) -> Path | None:
    """A library's path as the compiler resolves it; None when it does not."""
    done = subprocess.run(
        [*cc, f"-print-file-name={name}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    path = Path(done.stdout.strip())
    return path if done.returncode == 0 and path.is_absolute() and path.exists() else None


def base_flags(env: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The flags every object of ours is compiled with."""
    flags = [*COMMON, *WARNINGS, f"-I{CSRC}", f"-I{GENERATED}"]
    flags += SANITIZE if env.get("PYROOTLESS_SANITIZE") == "1" else RELEASE
    if env.get("PYROOTLESS_WERROR") == "1":
        flags.append("-Werror")
    return tuple(flags)


def core_variant(yyjson: Yyjson, env: Mapping[str, str] = os.environ) -> Variant:
    """Objects of the Cython extension: position-independent, the system's own C library."""
    flags = [*base_flags(env), "-fPIC"]
    if yyjson.source:
        flags.append(f"-I{yyjson.source}")
    return Variant("core", compiler(env), tuple(flags))


def launcher_variant(yyjson: Yyjson, env: Mapping[str, str] = os.environ) -> Variant:
    """How the launcher is made: static with musl, else static with glibc, else dynamic.

    Sanitizers need a dynamic one.  musl takes no library that was built for glibc, so it needs
    yyjson's source.
    """
    cc = compiler(env)
    flags = (*base_flags(env), "-fPIE", "-D_FORTIFY_SOURCE=2", *SECTIONS)
    if yyjson.source:
        flags = (*flags, f"-I{yyjson.source}")
    sanitize = env.get("PYROOTLESS_SANITIZE") == "1"
    if sanitize:
        flags = tuple(flag for flag in flags if not flag.startswith("-D_FORTIFY"))
        return Variant("launcher", cc, flags, ("-pie", *SANITIZE, *RELRO))
    if yyjson.source and shutil.which("musl-gcc"):
        musl = (*flags, *_kernel_headers(cc))
        return Variant("launcher-musl", ("musl-gcc",), musl, ("-static-pie", UNUSED, *RELRO))
    if yyjson.embedded and _library(cc, "libc.a") and _library(cc, "rcrt1.o"):
        return Variant("launcher-static", cc, flags, ("-static-pie", UNUSED, *RELRO))
    return Variant("launcher-dynamic", cc, flags, ("-pie", UNUSED, *RELRO))


def _kernel_headers(cc: tuple[str, ...]) -> tuple[str, ...]:
    """musl brings no kernel headers: the system's, searched after musl's own."""
    done = subprocess.run(
        [*cc, "-print-multiarch"], capture_output=True, text=True, timeout=60, check=False
    )
    multiarch = f"/usr/include/{done.stdout.strip()}"
    flags = ["-idirafter", "/usr/include"]
    if done.stdout.strip() and Path(multiarch).is_dir():
        flags += ["-idirafter", multiarch]
    return tuple(flags)


def launcher_sources() -> list[Path]:
    """Every C file of ours, but the bare programs and the unpacker, which are built apart."""
    apart = (UNPACK, BARE, ZYGOTE.parent)
    return sorted(path for path in CSRC.rglob("*.c") if path.parent not in apart)


def unpack_sources() -> list[Path]:
    """What the extension pyrootless.core._layers is made of: its room and the base."""
    return sorted([*UNPACK.rglob("*.c"), *(CSRC / "base").rglob("*.c")])


def core_sources() -> list[Path]:
    """What the extension is made of: all but the door for a person at a shell."""
    return [path for path in launcher_sources() if not path.is_relative_to(CSRC / "cli")]


def header_words(text: str, key: str) -> list[str]:
    """Words of the lines `// key: …` that a file begins with; [] when there are none."""
    found: list[str] = []
    for line in text.splitlines():
        if not line.startswith("// "):
            return found
        if line.startswith(f"// {key}:"):
            found += line.split(":", 1)[1].split()
    return found


def _stale(target: Path, dependencies: Path) -> bool:
    """Whether an object is older than one of the files its compiler said it read."""
    if not target.exists() or not dependencies.exists():
        return True
    made = target.stat().st_mtime_ns
    words = dependencies.read_text().replace("\\\n", " ").split()[1:]
    read = [Path(word) for word in words]
    return any(not path.exists() or path.stat().st_mtime_ns > made for path in read)


def compile_one(variant: Variant, source: Path) -> Path:
    """Compile one file where it changed.  Returns its object."""
    base = CSRC if source.is_relative_to(CSRC) else source.parent
    target = variant.directory / source.relative_to(base).with_suffix(".o")
    dependencies = target.with_suffix(".d")
    target.parent.mkdir(parents=True, exist_ok=True)
    if _stale(target, dependencies):
        flags = ["-MMD", "-MF", str(dependencies), "-c", str(source), "-o", str(target)]
        run([*variant.compiler, *variant.flags, *flags])
    return target


def compile_all(variant: Variant, sources: Iterable[Path]) -> list[Path]:
    """Compile what changed, a few at a time.  Returns the objects in the order of sources."""
    jobs = min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda source: compile_one(variant, source), sources))


def yyjson_objects(variant: Variant, yyjson: Yyjson) -> list[Path]:
    """What brings yyjson in: an object of its source, or the static library, or nothing.

    The object stays beside the source where that can be written: every build, in whatever copy
    of this tree, then shares it.  It takes none of our warnings and include directories.
    """
    if yyjson.source:
        flags = tuple(flag for flag in variant.flags if not flag.startswith(("-W", "-I")))
        writable = os.access(yyjson.source, os.W_OK)
        base = yyjson.source / "objects" if writable else BUILD / "native"
        foreign = replace(variant, name=f"{variant.name}-yyjson", flags=flags, base=base)
        return [compile_one(foreign, yyjson.source / "yyjson.c")]
    return [yyjson.archive] if yyjson.archive else []


def yyjson_link_flags(yyjson: Yyjson) -> list[str]:
    """-lyyjson when nothing better was found."""
    return [] if yyjson.embedded else ["-lyyjson"]


def make_blobs(env: Mapping[str, str] = os.environ) -> list[Path]:
    """Compile csrc/init/*.c, each a program of its own, and the zygote's module; write their
    bytes as C arrays.

    Returns: the headers, build/generated/prl_NAME_blob.h and prl_build.h.
    """
    GENERATED.mkdir(parents=True, exist_ok=True)
    blobs = [_make_blob(source, BARE_FLAGS, env) for source in sorted(BARE.glob("*.c"))]
    return [make_build_header(), *blobs, _make_blob(ZYGOTE, MODULE_FLAGS, env, name="zygote")]


def make_build_header() -> Path:
    """PRL_BUILD, a text that no other state of csrc/ has: what one build left is not another's.

    Returns: build/generated/prl_build.h, written when the text is another one.
    """
    digest = hashlib.sha256()
    for path in sorted(CSRC.rglob("*.[ch]")):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(CSRC)} {len(data)}\n".encode() + data)
    header = GENERATED / "prl_build.h"
    text = (
        "/* Generated from the bytes of csrc. */\n#pragma once\n\n"
        f'#define PRL_BUILD "{digest.hexdigest()}"\n'
    )
    if not header.exists() or header.read_text() != text:
        scratch = header.with_suffix(f".{os.getpid()}")
        scratch.write_text(text)
        scratch.replace(header)
    return header


def _make_blob(
    source: Path, means: tuple[str, ...], env: Mapping[str, str], *, name: str = ""
) -> Path:
    name = name or source.stem
    program, dependencies = GENERATED / f"prl-{name}", GENERATED / f"prl-{name}.d"
    header = GENERATED / f"prl_{name}_blob.h"
    if _stale(header, dependencies):
        flags = [*means, *WARNINGS, f"-I{CSRC}", "-MMD", "-MF", str(dependencies)]
        run([*compiler(env), *flags, source, "-o", program])
        scratch = header.with_suffix(f".{os.getpid()}")
        scratch.write_text(array_header(f"prl_{name}_blob", program.read_bytes()))
        scratch.replace(header)
    return header


def array_header(name: str, data: bytes) -> str:
    """C text of two definitions: `name`, an array of the bytes, and `name_len`."""
    rows = [
        "    " + " ".join(f"0x{byte:02x}," for byte in data[at : at + 12])
        for at in range(0, len(data), 12)
    ]
    head = f"/* Generated from csrc/init: {len(data)} bytes. */\n#pragma once\n\n"
    array = f"static const unsigned char {name}[] = {{\n" + "\n".join(rows) + "\n};\n"
    return f"{head}{array}static const unsigned {name}_len = {len(data)};\n"


def build_core_objects() -> list[Path]:
    """Everything the Cython extension links, compiled.  Raises SystemExit as `run` does."""
    yyjson = require_yyjson()
    make_blobs()
    variant = core_variant(yyjson)
    return [*compile_all(variant, core_sources()), *yyjson_objects(variant, yyjson)]


def build_unpack_objects() -> list[Path]:
    """Everything pyrootless.core._layers links, compiled.  Raises SystemExit as `run` does."""
    return compile_all(core_variant(require_yyjson()), unpack_sources())


def build_launcher(target: Path) -> Path:
    """Compile and link the launcher to `target` (replaced in one step: it may be running)."""
    yyjson = require_yyjson()
    make_blobs()
    variant = launcher_variant(yyjson)
    objects = compile_all(variant, launcher_sources()) + yyjson_objects(variant, yyjson)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f"{target.name}.{os.getpid()}")
    link = [*variant.link_flags, *yyjson_link_flags(yyjson)]
    run([*variant.compiler, *objects, "-o", scratch, *link])
    scratch.replace(target)
    return target


def require_yyjson() -> Yyjson:
    """`find_yyjson`, or SystemExit; the build checks its requirements before it gets here."""
    yyjson = find_yyjson()
    if yyjson is None:
        raise SystemExit("pyrootless: no yyjson found; `make deps` prepares it")
    return yyjson
