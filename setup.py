"""Build of pyrootless: the Cython extension, the seccomp module, the native launcher.

In: csrc/, pyrootless/, the environment (see tools/native.py).  Out: pyrootless._core,
pyrootless._seccomp_cffi, and the executable `pyrootless`, shipped as a script of the wheel.
Never: a download, a guess about a missing library: it stops with the line that installs it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# A build backend does not put the project's own directory on the path.
ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

# setuptools provides distutils, where build_scripts still lives, once it is imported itself.
from distutils.command.build_scripts import build_scripts

import native
import system_packages

CORE_PYX = Path("pyrootless/_core.pyx")
CORE_C = Path("build/cython/_core.c")


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


def cython_core() -> None:
    """_core.pyx → C, where it is newer."""
    inputs = Path("pyrootless").glob("*.p[yx][xd]")
    newest = max(path.stat().st_mtime_ns for path in [*inputs, *native.CSRC.rglob("*.h")])
    if CORE_C.exists() and CORE_C.stat().st_mtime_ns > newest:
        return
    CORE_C.parent.mkdir(parents=True, exist_ok=True)
    name = ("--module-name", "pyrootless._core")
    # Translation takes a second; type inference has been seen not to end (declare the type).
    words: list[str | Path] = [sys.executable, "-m", "cython", "-3", *name]
    native.run([*words, "-o", CORE_C, CORE_PYX], timeout_seconds=120)


class BuildExtensions(build_ext):  # type: ignore[misc]
    """Compile csrc/ with our own flags first; the extension then only links the objects."""

    def run(self) -> None:
        """Check, compile, translate, and hand on to setuptools."""
        check_requirements()
        cython_core()
        objects = [str(path) for path in native.build_core_objects()]
        for extension in self.extensions:
            if extension.name == "pyrootless._core":
                extension.extra_objects = objects
                extension.depends = objects
        super().run()

    def get_source_files(self) -> list[str]:
        """MANIFEST.in names the sources; the generated C file is none."""
        return []


class BuildLauncher(build_scripts):
    """The one script is a native executable, which setuptools would try to read as text."""

    def run(self) -> None:
        """Build it where install_scripts and bdist_wheel look for scripts."""
        check_requirements()
        native.build_launcher(Path(self.build_dir) / "pyrootless")


def core_extension() -> Extension:
    """pyrootless._core, without the objects that BuildExtensions adds."""
    sanitize = os.environ.get("PYROOTLESS_SANITIZE") == "1"
    flags = list(native.SANITIZE if sanitize else native.RELEASE)
    yyjson = native.find_yyjson()
    return Extension(
        "pyrootless._core",
        sources=[str(CORE_C)],
        include_dirs=["csrc", str(native.GENERATED)],
        extra_compile_args=[*native.COMMON, *flags],
        extra_link_args=[
            *(flags if sanitize else []),
            *native.RELRO,
            *(native.yyjson_link_flags(yyjson) if yyjson else []),
        ],
    )


def shared_files() -> list[tuple[str, list[str]]]:
    """Man pages and completions, where a prefix keeps them."""
    places = {
        "share/man/man1": "docs/man/*.1",
        "share/bash-completion/completions": "completions/bash/*",
        "share/zsh/site-functions": "completions/zsh/*",
        "share/fish/vendor_completions.d": "completions/fish/*",
    }
    found = {place: sorted(map(str, Path().glob(glob))) for place, glob in places.items()}
    return [(place, files) for place, files in found.items() if files]


def build_options() -> dict[str, dict[str, str]]:
    """A sanitized build has a build directory of its own: never a sanitized file in a wheel."""
    sanitize = os.environ.get("PYROOTLESS_SANITIZE") == "1"
    return {"build": {"build_base": "build/asan"}} if sanitize else {}


setup(
    options=build_options(),
    ext_modules=[core_extension()],
    cffi_modules=["pyrootless/_seccomp_build.py:ffibuilder"],
    cmdclass={"build_ext": BuildExtensions, "build_scripts": BuildLauncher},
    # What the script is made from; naming one is what makes setuptools build scripts at all.
    scripts=["csrc/cli/main.c"],
    data_files=shared_files(),
)
