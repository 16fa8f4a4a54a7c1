"""`make mutate-security`: take one safeguard away at a time, and demand that its tests fail.

In: security_mutations.py, the built tree; words: only mechanisms that have one of them.
Out: a line per test, exit status 1 when a test still passes without its safeguard.
Never: a change to this tree: everything happens in a copy below build/mutants.

A test that never failed proves nothing.  First all the tests must pass in the copy as it is;
then, per mutation, the launcher alone is built again (seconds) and just the named tests run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

from mutation import Edit, Mutation
from security_mutations import MUTATIONS

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "build" / "mutants"
PYTHON = COPY / "build" / "venv" / "bin" / "python"
SOURCES = ("csrc", "pyrootless", "tools", "tests", "docs", "pyproject.toml", "SECURITY.md")
BUILD_SECONDS = 600
TEST_SECONDS = 600
PASSED, FAILED = 0, 1  # pytest's exit statuses; all others are a mistake of ours
BUILD = "import native, pathlib, sys; native.build_launcher(pathlib.Path(sys.argv[1]))"


def copy_tree() -> None:
    """A fresh copy of the sources; objects of an earlier run stay, and what did not change."""
    COPY.mkdir(parents=True, exist_ok=True)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        source, target = ROOT / name, COPY / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=ignore)
        else:
            shutil.copy2(source, target)


def make_environment() -> None:
    """An environment whose package is the copy's, and whose other packages are this one's."""
    folder = PYTHON.parent.parent
    if not PYTHON.exists():
        venv.create(folder, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = folder / "lib" / version / "site-packages"
    lent = ROOT / "build" / "venv" / "lib" / version / "site-packages"
    (own / "mutants.pth").write_text(f"{COPY}\n{lent}\n")


def build() -> str:
    """Build the copy's launcher; "" or the compiler's complaint."""
    env = {**os.environ, "PYROOTLESS_YYJSON_SOURCE": str(ROOT / "build" / "yyjson")}
    done = subprocess.run(
        [str(PYTHON), "-c", BUILD, str(PYTHON.with_name("pyrootless"))],
        cwd=COPY / "tools",
        env=env,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def run_tests(*tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests in the copy, up to the first that fails."""
    words = ["-m", "pytest", "-q", "-x", "--tb=short", "-p", "no:cacheprovider"]
    return subprocess.run(
        [str(PYTHON), *words, f"--rootdir={COPY}", *tests],
        cwd=COPY,
        capture_output=True,
        text=True,
        timeout=TEST_SECONDS,
        check=False,
    )


def replace(edit: Edit) -> None:
    """Apply an edit.  Raises SystemExit when its text does not stand there exactly once."""
    path = COPY / edit.file
    text = path.read_text()
    if text.count(edit.old) != 1:
        raise SystemExit(
            f"mutate_security: {edit.file} has this text {text.count(edit.old)} times, not "
            f"once; bring tools/security_mutations.py in step:\n{edit.old}"
        )
    path.write_text(text.replace(edit.old, edit.new))


def restore(mutation: Mutation) -> None:
    """Put the files of a mutation back."""
    for edit in mutation.edits:
        shutil.copyfile(ROOT / edit.file, COPY / edit.file)


def judge(test: str) -> str:
    """ "red", or what went wrong: the test passed, was skipped, or could not run."""
    done = run_tests(test)
    last = done.stdout.strip().splitlines()[-1:] or [done.stderr.strip()[-200:]]
    if done.returncode == FAILED:
        return "red"
    what = "SURVIVED" if done.returncode == PASSED else f"pytest exited {done.returncode}"
    return f"{what}: {last[0]}"


def try_mutation(mutation: Mutation) -> bool:
    """Mutate, build, run; print a line per test.  Returns whether all were red."""
    if mutation.root and os.getuid() != 0:
        print(f"not run  {mutation.mechanism}: only a caller who is root sees it", flush=True)
        return True
    start = time.monotonic()
    try:
        for edit in mutation.edits:
            replace(edit)
        if complaint := build():
            print(f"ERROR    {mutation.mechanism}: does not build\n{complaint}", flush=True)
            return False
        verdicts = {test: judge(test) for test in mutation.tests}
    finally:
        restore(mutation)
    seconds = time.monotonic() - start
    for test, verdict in verdicts.items():
        name = test.split("::")[1]
        print(f"{verdict:8} {mutation.mechanism}: {name} ({seconds:.0f} s)", flush=True)
    return set(verdicts.values()) == {"red"}


def main() -> int:
    """Everything, or what the words name."""
    words = sys.argv[1:]
    chosen = [m for m in MUTATIONS if not words or any(word in m.mechanism for word in words)]
    if not chosen:
        raise SystemExit(f"mutate_security: no mechanism has one of: {' '.join(words)}")
    copy_tree()
    make_environment()
    if complaint := build():
        raise SystemExit(f"mutate_security: the copy does not build\n{complaint}")
    tests = sorted({test for mutation in chosen for test in mutation.tests})
    if (done := run_tests(*tests)).returncode != PASSED:
        raise SystemExit(f"mutate_security: red without a mutation:\n{done.stdout[-4000:]}")
    print(f"green    {len(tests)} tests, with every safeguard in place", flush=True)
    good = [try_mutation(mutation) for mutation in chosen]
    print(f"{sum(good)} of {len(good)} safeguards are held by tests that fail without them")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
