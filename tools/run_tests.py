"""`make test`: the suite in every context that can be made here.

In: who calls.  Out: pytest's output, context by context; exit status 0 when all passed.
Contexts:
    root    the tests marked context_root, as root, in this checkout
    single  those marked context_single, as a user without subordinate ids
    nested  those marked context_nested, inside another container
    user    everything, as a user with subordinate ids: last, for its closing line is the last
As root, users are made for it (ordinary_user.py); a plain user runs what it can.
With CI=true a context that did not run fails the run.  Never: a mount, a limit, a sleep.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import ordinary_user

ROOT = Path(__file__).resolve().parent.parent
SUITE_TIMEOUT_SECONDS = 3600
# Each has a holder's memory, images and caches of its own.
MOST_WORKERS = 4
# pytest: "no tests were collected".
NO_TESTS = 5


@dataclass(frozen=True)
class Outcome:
    """How one context went: state is passed, failed, not run."""

    name: str
    state: str
    reason: str = ""


def pytest_words(tree: Path, name: str) -> list[str]:
    """The pytest command of a context in a tree with a built environment."""
    words = [f"{tree}/build/venv/bin/python", "-m", "pytest", "-q", f"--rootdir={tree}"]
    # pytest's own place is named after the user and refused when an earlier user of that name
    # left it behind; this one is new, and removed with all temporary files of the machine.
    words.append(f"--basetemp=/tmp/pyrootless-pytest-{name}-{os.getpid()}")
    if name != "nested":  # a handful
        words += shared_out(len(os.sched_getaffinity(0)))
    if name != "user":
        words += ["-m", f"context_{name}", "-p", "no:cacheprovider"]
    return words


def shared_out(processors: int) -> list[str]:
    """Options of pytest-xdist: a file is one process's, and `alone` is alone."""
    many = min(processors, MOST_WORKERS)
    return [f"--numprocesses={many}", "--dist=loadfile"] if many > 1 else []


def in_container(words: list[str]) -> list[str]:
    """The command that runs `words` inside a container made by another engine.

    New user, pid, ipc and uts namespaces, no new privileges, no capability, fresh /proc, /dev.
    """
    mounts = ["--bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    namespaces = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    return ["bwrap", *mounts, *namespaces, "--die-with-parent", *words]


def call(words: list[str], name: str, env: dict[str, str] | None = None) -> Outcome:
    """Run one context's pytest and judge its exit status."""
    done = subprocess.run(words, cwd=ROOT, env=env, timeout=SUITE_TIMEOUT_SECONDS, check=False)
    if done.returncode == NO_TESTS:
        return Outcome(name, "not run", f"no test is marked context_{name}")
    state = "passed" if done.returncode == 0 else "failed"
    return Outcome(name, state, "" if done.returncode == 0 else f"pytest: {done.returncode}")


def announce(text: str) -> None:
    """A line of our own between those of make and pytest."""
    print(f"\n== {text}", flush=True)


def write_report(outcomes: list[Outcome], path: Path) -> None:
    """Where tests/conftest.py finds the contexts that ran before."""
    rows = [asdict(outcome) for outcome in outcomes]
    rows.append(asdict(Outcome("user", "this run", "")))
    path.write_text(json.dumps(rows))
    path.chmod(0o644)


def context_settings(name: str) -> dict[str, str]:
    """What tells tests where they are."""
    return {"PYROOTLESS_TEST_CONTEXT": name, "PYTHONDONTWRITEBYTECODE": "1"}


def run_as_root() -> list[Outcome]:
    """Make users, copy and build the tree as one of them, and run all four contexts."""
    user = ordinary_user.make_user("pyrootless-test", subordinate_ids=True)
    single = ordinary_user.make_user("pyrootless-single", subordinate_ids=False)
    for line in ordinary_user.open_host(user):
        print(f"   {line}")
    announce(f"copying the tree to {user.tree}, building it as {user.name}")
    ordinary_user.copy_tree(user)
    subprocess.run(ordinary_user.command_as(user, ["make", "-s", "build"], {}), check=True)
    subprocess.run(["make", "-s", "build"], cwd=ROOT, check=True)

    announce("context root: tests marked context_root, as root")
    root_env = {**os.environ, **context_settings("root")}
    outcomes = [call(pytest_words(ROOT, "root"), "root", root_env)]
    announce(f"context single: tests marked context_single, as {single.name}")
    words = pytest_words(user.tree, "single")
    borrowed = ordinary_user.OrdinaryUser(**{**asdict(single), "tree": user.tree})
    settings = context_settings("single")
    outcomes.append(call(ordinary_user.command_as(borrowed, words, settings), "single"))
    outcomes.append(run_nested(user))

    report = user.tree / "build" / "contexts.json"
    write_report(outcomes, report)
    announce(f"context user: everything, as {user.name}")
    settings = {**context_settings("user"), "PYROOTLESS_TEST_REPORT": str(report)}
    words = ordinary_user.command_as(user, pytest_words(user.tree, "user"), settings)
    return [*outcomes, call(words, "user")]


def run_nested(user: ordinary_user.OrdinaryUser) -> Outcome:
    """The tests marked context_nested inside a container of the user's."""
    announce("context nested: tests marked context_nested, inside a bubblewrap container")
    if reason := nested_missing():
        return Outcome("nested", "not run", reason)
    words = in_container(pytest_words(user.tree, "nested"))
    settings = context_settings("nested")
    return call(ordinary_user.command_as(user, words, settings), "nested")


def nested_missing() -> str:
    """Why no outer container can be made; "" when one can."""
    if shutil.which("bwrap") is None:
        return "bwrap is not on PATH (apt-get install -y bubblewrap)"
    return ""


def run_as_user() -> list[Outcome]:
    """What a plain user can: everything as itself, and the nested context."""
    subprocess.run(["make", "-s", "build"], cwd=ROOT, check=True)
    outcomes = [
        Outcome("root", "not run", "needs root: run `make test` as root"),
        Outcome("single", "not run", "needs a second user: run `make test` as root"),
    ]
    me = pwd.getpwuid(os.getuid())
    announce("context nested: tests marked context_nested, inside a bubblewrap container")
    if reason := nested_missing():
        outcomes.append(Outcome("nested", "not run", reason))
    else:
        env = {**os.environ, **context_settings("nested")}
        outcomes.append(call(in_container(pytest_words(ROOT, "nested")), "nested", env))
    report = ROOT / "build" / "contexts.json"
    write_report(outcomes, report)
    announce(f"context user: everything, as {me.pw_name}")
    settings = {**context_settings("user"), "PYROOTLESS_TEST_REPORT": str(report)}
    env = {**os.environ, **settings}
    return [*outcomes, call(pytest_words(ROOT, "user"), "user", env)]


def exit_status(outcomes: list[Outcome], *, strict: bool) -> int:
    """0 when nothing failed and, in a strict run, nothing was left out."""
    states = {outcome.state for outcome in outcomes}
    return 1 if "failed" in states or (strict and "not run" in states) else 0


def main() -> int:
    """Run the contexts; the last one prints how the others went, and has the last line."""
    os.umask(0o022)
    outcomes = run_as_root() if os.getuid() == 0 else run_as_user()
    return exit_status(outcomes, strict=os.environ.get("CI") == "true")


if __name__ == "__main__":
    sys.exit(main())
