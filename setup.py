"""Build of pyrootless: the Cython extensions, the seccomp module, the native launcher.

In: csrc/, pyrootless/, the environment (see tools/native.py).  Out:
pyrootless.core._containers, pyrootless.core._boxes, pyrootless.core._layers,
pyrootless.seccomp._cffi, and the executable `pyrootless`, shipped as a script of the wheel.
Never: a download, a guess about a missing library: it stops with the line that installs it.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

# A build backend does not put the project's own directory on the path.
ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

# setuptools provides distutils, where build_scripts still lives, once it is imported itself.
from distutils.command.build_scripts import build_scripts

import native
import system_packages

# Extension → what compiles csrc/ for it.
EXTENSIONS = {
    "core._containers": native.build_core_objects,
    "core._boxes": native.build_core_objects,
    "core._layers": native.build_unpack_objects,
}


def check_requirements() -> None:
    """Stop with one line to type when the system lacks what a build needs.

    Raises:
        SystemExit: a compiler, a header or a library is missing.
    """
    has_yyjson = native.find_yyjson() is not None
    missing = system_packages.missing_parts(native.compiler(), has_yyjson=has_yyjson)
    if missing:
        release = Path("/etc/os-release")
        text = release.read_text() if release.exists() else ""
        raise SystemExit(system_packages.explain_missing(missing, text))


def translated(name: str) -> Path:
    """Where Cython puts the C of an extension."""
    return Path("build/cython", f"{name}.c")


def source_of(name: str) -> Path:
    """The Cython of an extension."""
    return Path("pyrootless", *name.split(".")).with_suffix(".pyx")


def translate(name: str) -> None:
    """NAME.pyx → C, where it is newer."""
    target = translated(name)
    inputs = Path("pyrootless", "core").glob("*.p[yx][xdi]")
    newest = max(path.stat().st_mtime_ns for path in [*inputs, *native.CSRC.rglob("*.h")])
    if target.exists() and target.stat().st_mtime_ns > newest:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # Translation takes a second; type inference has been seen not to end (declare the type).
    words: list[str | Path] = [sys.executable, "-m", "cython", "-3"]
    words += ["--module-name", f"pyrootless.{name}", "-o", target]
    native.run([*words, source_of(name)], timeout_seconds=120)


class BuildExtensions(build_ext):  # type: ignore[misc]
    """Compile csrc/ with our own flags first; the extension then only links the objects."""

    def run(self) -> None:
        """Check, compile, translate, and hand on to setuptools."""
        check_requirements()
        for extension in self.extensions:
            name = extension.name.removeprefix("pyrootless.")
            if name in EXTENSIONS:
                translate(name)
                extension.extra_objects = [str(path) for path in EXTENSIONS[name]()]
                extension.depends = extension.extra_objects
        super().run()

    def get_source_files(self) -> list[str]:
        """MANIFEST.in names the sources; the generated C file is none."""
        return []


class BuildPackage(build_py):  # type: ignore[misc]
    """The hostile corpus lies among the tests, and comes along with `pyrootless selftest`."""

    def run(self) -> None:
        """Copy it to where hostile.own_corpus looks; a checkout has it in its own place."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "pyrootless", "sandbox", "selftest", "hostile")
        target.mkdir(parents=True, exist_ok=True)
        for source in sorted(Path("tests", "hostile").iterdir()):
            if source.is_file():
                shutil.copyfile(source, target / source.name)


class BuildLauncher(build_scripts):
    """The one script is a native executable, which setuptools would try to read as text."""

    def run(self) -> None:
        """Build it where install_scripts and bdist_wheel look for scripts."""
        check_requirements()
        native.build_launcher(Path(self.build_dir) / "pyrootless")


def cython_extension(name: str) -> Extension:
    """pyrootless.NAME, without the objects that BuildExtensions adds."""
    sanitize = os.environ.get("PYROOTLESS_SANITIZE") == "1"
    flags = list(native.SANITIZE if sanitize else native.RELEASE)
    yyjson = native.find_yyjson() if name != "core._layers" else None
    return Extension(
        f"pyrootless.{name}",
        sources=[str(translated(name))],
        include_dirs=["csrc", str(native.GENERATED)],
        extra_compile_args=[*native.COMMON, *flags],
        extra_link_args=[
            *(flags if sanitize else []),
            *native.RELRO,
            *(native.yyjson_link_flags(yyjson) if yyjson else []),
        ],
    )


def shared_files() -> list[tuple[str, list[str]]]:
    """Man pages, completions and benchmarks, where a prefix keeps them."""
    places = {
        "share/man/man1": "docs/man/*.1",
        "share/bash-completion/completions": "completions/bash/*",
        "share/zsh/site-functions": "completions/zsh/*",
        "share/fish/vendor_completions.d": "completions/fish/*",
        "share/pyrootless/benchmarks": "benchmarks/*.[pcm]*",
    }
    found = {place: sorted(map(str, Path().glob(glob))) for place, glob in places.items()}
    return [(place, files) for place, files in found.items() if files]


def build_options() -> dict[str, dict[str, str]]:
    """A sanitized build has a build directory of its own: never a sanitized file in a wheel."""
    sanitize = os.environ.get("PYROOTLESS_SANITIZE") == "1"
    return {"build": {"build_base": "build/asan"}} if sanitize else {}


setup(
    options=build_options(),
    ext_modules=[cython_extension(name) for name in EXTENSIONS],
    cffi_modules=["pyrootless/seccomp/build.py:ffibuilder"],
    cmdclass={
        "build_ext": BuildExtensions,
        "build_py": BuildPackage,
        "build_scripts": BuildLauncher,
    },
    # What the script is made from; naming one is what makes setuptools build scripts at all.
    scripts=["csrc/cli/main.c"],
    data_files=shared_files(),
)
