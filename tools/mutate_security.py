"""`make mutate-security`: take one safeguard away at a time, and demand that its tests fail.

In: security_mutations.py, the built tree; words: only what has one of them in its mechanism, in
the name of a test or in that of a file it edits.
Out: a line per test, exit status 1 when a test still passes without its safeguard.
Never: a change to this tree: everything happens in a copy below build/mutants.

A test that never failed proves nothing, and neither does one that always fails.  Per mutation
what it touches is built again (seconds) and the named tests run up to their first failure; in
the end all these very failures run once more with every safeguard in place, and must pass.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

from mutation import Edit, Mutation
from security_mutations import MUTATIONS

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "build" / "mutants"
PYTHON = COPY / "build" / "venv" / "bin" / "python"
SOURCES = ("csrc", "pyrootless", "tools", "tests", "docs", "pyproject.toml", "SECURITY.md")
BUILD_SECONDS = 600
TEST_SECONDS, HANG_SECONDS = 600, 30
PASSED, FAILED = 0, 1  # pytest's exit statuses; all others are a mistake of ours
RED = re.compile(r"^FAILED (\S.*?)(?: - .*)?$", re.MULTILINE)
BUILD_LAUNCHER = "import native, pathlib, sys; native.build_launcher(pathlib.Path(sys.argv[1]))"
BUILD_EXTENSION = """
import native, sys, sysconfig
target, source, name = sys.argv[1:]
flags = [*native.RELEASE, "-fPIC", "-shared", "-I" + sysconfig.get_path("include")]
flags += ["-I" + str(native.CSRC), "-I" + str(native.GENERATED)]
unpack = name == "core._layers"
objects = native.build_unpack_objects() if unpack else native.build_core_objects()
link = [] if unpack else native.yyjson_link_flags(native.find_yyjson())
native.run([*native.compiler(), *flags, source, *objects, "-o", target, *link])
"""
# Extension → what of csrc/ its tests see through it; of all but _containers not through the
# launcher.
EXTENSIONS = {
    "core._layers": ("csrc/unpack/",),
    "core._boxes": (
        *("csrc/sandbox/", "csrc/container/monitor/watch", "csrc/init/pid1"),
        "csrc/launch/steps/handover",
    ),
    "core._containers": ("csrc/container/state/",),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a test said of a launcher without its safeguard.

    Attributes:
        test: its name, without parameters.
        red: the name, with parameters, that failed; "": none did.
        what: otherwise what went wrong: it passed, was skipped, or could not run.
    """

    test: str
    red: str
    what: str


def synchronize(source: Path, target: Path) -> None:
    """Make target as source is; what is the same stays, and so do the objects made of it."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in source.iterdir()} - {"__pycache__"}
        for path in target.iterdir():
            if path.name not in names:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in names:
            synchronize(source / name, target / name)
    elif not target.exists() or not filecmp.cmp(source, target, shallow=False):
        shutil.copyfile(source, target)  # its time is now: what was made of it is old
        shutil.copymode(source, target)


def make_environment() -> None:
    """An environment whose package is the copy's, and whose other packages are this one's."""
    folder = PYTHON.parent.parent
    if not PYTHON.exists():
        venv.create(folder, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = folder / "lib" / version / "site-packages"
    lent = ROOT / "build" / "venv" / "lib" / version / "site-packages"
    (own / "mutants.pth").write_text(f"{COPY}\n{lent}\n")


def build(files: set[str]) -> str:
    """Build what these files are part of; "" or the compiler's complaint."""
    rest = set(files)
    for name, places in EXTENSIONS.items():
        mine = {file for file in files if file.startswith(places)}
        rest -= mine if name != "core._containers" else set()
        words = (extension(COPY, name), cython_of(name), name)
        if mine and (said := build_one(BUILD_EXTENSION, *words)):
            return said
    if any(file.startswith("csrc/") for file in rest):
        return build_one(BUILD_LAUNCHER, PYTHON.with_name("pyrootless"))
    return ""


def extension(tree: Path, name: str) -> Path:
    """Where a tree has an extension.  Raises SystemExit when it was not built."""
    place = Path("pyrootless", *name.split("."))
    found = sorted((ROOT / place.parent).glob(f"{place.name}.*.so"))
    if not found:
        raise SystemExit(f"mutate_security: pyrootless.{name} is not built: make build")
    return tree / place.parent / found[0].name


def cython_of(name: str) -> Path:
    return ROOT / "build" / "cython" / f"{name}.c"


def build_one(program: str, *args: str | Path) -> str:
    env = {**os.environ, "PYROOTLESS_YYJSON_SOURCE": str(ROOT / "build" / "yyjson")}
    done = subprocess.run(
        [str(PYTHON), "-c", program, *map(str, args)],
        cwd=COPY / "tools",
        env=env,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def run_tests(
    *tests: str, first: bool = True, seconds: float = TEST_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run tests in the copy, up to the first that fails or all.

    Raises:
        TimeoutExpired: they did not end within these seconds.
    """
    words = ["-m", "pytest", "-q", "--tb=short", "-rf", "-p", "no:cacheprovider"]
    words += ["-x"] if first else []
    return subprocess.run(
        [str(PYTHON), *words, f"--rootdir={COPY}", *tests],
        cwd=COPY,
        # A module that was edited within a second and kept its length would be an old one.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def replace(edit: Edit) -> None:
    """Apply an edit.  Raises SystemExit when its text does not stand there exactly once."""
    path = COPY / edit.file
    text = path.read_text()
    if text.count(edit.old) != 1:
        raise SystemExit(
            f"mutate_security: {edit.file} has this text {text.count(edit.old)} times, not "
            f"once; bring the table of mutations in step:\n{edit.old}"
        )
    path.write_text(text.replace(edit.old, edit.new))


def judge(test: str, *, hangs: bool) -> Verdict:
    """Run one test on the mutant."""
    try:
        done = run_tests(test, seconds=HANG_SECONDS if hangs else TEST_SECONDS)
    except subprocess.TimeoutExpired:
        return Verdict(test, test if hangs else "", "" if hangs else "did not end")
    found = RED.findall(done.stdout)
    if done.returncode == FAILED and found:
        return Verdict(test, found[0], "")
    what = "SURVIVED" if done.returncode == PASSED else f"pytest exited {done.returncode}"
    last = done.stdout.strip().splitlines()[-1:] or [done.stderr.strip()[-200:]]
    return Verdict(test, "", f"{what}: {last[0]}")


def try_mutation(mutation: Mutation) -> list[Verdict]:
    """Mutate, build, run; print a line per test."""
    files = {edit.file for edit in mutation.edits}
    start = time.monotonic()
    try:
        for edit in mutation.edits:
            replace(edit)
        if complaint := build(files):
            verdicts = [Verdict(mutation.tests[0], "", f"does not build\n{complaint}")]
        else:
            verdicts = [judge(test, hangs=mutation.hangs) for test in mutation.tests]
    finally:
        for name in files:
            synchronize(ROOT / name, COPY / name)
        for name in EXTENSIONS:
            synchronize(extension(ROOT, name), extension(COPY, name))
    seconds = time.monotonic() - start
    for verdict in verdicts:
        name = verdict.test.split("::")[1]
        said = verdict.what or "red"
        print(f"{said:8} {mutation.mechanism}: {name} ({seconds:.0f} s)", flush=True)
    return verdicts


def green_again(reds: list[str]) -> bool:
    """Whether every failure is gone once all safeguards are back."""
    if complaint := build({"csrc/prl.h"}):
        raise SystemExit(f"mutate_security: the copy does not build\n{complaint}")
    done = run_tests(*sorted(set(reds)), first=False)
    if done.returncode != PASSED:
        print(f"RED WITHOUT A MUTATION:\n{done.stdout[-4000:]}")
        return False
    print(
        f"green    the same {len(set(reds))} tests, with every safeguard in place", flush=True
    )
    return True


def chosen(words: list[str]) -> list[Mutation]:
    """What the words name; everything without one.  Raises SystemExit: nothing."""
    found = []
    for mutation in MUTATIONS:
        names = [mutation.mechanism, *mutation.tests, *(edit.file for edit in mutation.edits)]
        if not words or any(word in name for word in words for name in names):
            found.append(mutation)
    if not found:
        raise SystemExit(f"mutate_security: nothing has one of: {' '.join(words)}")
    return found


def main() -> int:
    """Everything, or what the words name."""
    mutations = chosen(sys.argv[1:])
    if os.getuid() != 0:
        for mutation in [m for m in mutations if m.root]:
            print(f"not run  {mutation.mechanism}: only a caller who is root sees it")
        mutations = [m for m in mutations if not m.root]
    for name in SOURCES:
        synchronize(ROOT / name, COPY / name)
    make_environment()
    if complaint := build({"csrc/prl.h"}):
        raise SystemExit(f"mutate_security: the copy does not build\n{complaint}")
    start = time.monotonic()
    tried = [try_mutation(mutation) for mutation in mutations]
    reds = [verdict.red for verdicts in tried for verdict in verdicts if verdict.red]
    held = sum(all(verdict.red for verdict in verdicts) for verdicts in tried)
    good = (not reds or green_again(reds)) and held == len(tried)
    minutes = (time.monotonic() - start) / 60
    print(f"{held} of {len(tried)} safeguards are held by tests that fail without them "
          f"({minutes:.1f} minutes)")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
