"""Each kind of host that a machine can be turned into: works, weaker, or refused with a reason.

In: vm.py and its variants, the built tree, docs/hosts.md.
Out: the document's row beside what a machine of that kind shows, and suites that pass on it.
Never: a machine that outlives its test; a start of one in an ordinary run of the tests
(`make test-vm` asks for them).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hosts_table
import pytest

ROOT = Path(__file__).resolve().parents[2]
VM = ROOT / "tests" / "vm" / "vm.py"
HOSTS = hosts_table.hosts("machines")
PLAIN = next(iter(HOSTS))
# Debian's kernel has it on every variant.
USUAL = {"perf weaker"}
PROBE_SECONDS = 400
SUITE_SECONDS = 1800
TRIES = 3
LATE = ("cpu-ms is ", "wall-ms is ")
# Built things that no test in the guest needs, and tools that only the build needs.
EXCLUDED = [
    *(
        "./build/native",
        "./build/asan",
        "./build/mutants",
        "./build/yyjson",
        "./benchmarks/results",
    ),
    *("*mypy*", "*/site-packages/Cython", "*/site-packages/pip", "*/site-packages/setuptools"),
    *("ruff*", "clang*"),
]
# The launch and what it says when it cannot: on every kind of host.
SUITES = ["tests/integration/test_contexts.py", "tests/faults/test_no_userns.py"]
# More of it on the plain machine: its kernel, its cgroup v2, its session.
PLAIN_SUITES = [
    "tests/unit/host/test_doctor.py",
    "tests/integration/test_limits.py",
    "tests/integration/test_cpu_time.py",
    "tests/integration/test_run_host.py",
    "tests/integration/test_userns.py",
    "tests/integration/test_storage_driver.py",
    "tests/security/test_posture.py",
]

pytestmark = [pytest.mark.needs("vm"), pytest.mark.slow]


@dataclass(frozen=True)
class Machine:
    """A machine that is up, with the tree at its own path."""

    name: str

    def call(self, *words: str, seconds: int) -> subprocess.CompletedProcess[str]:
        """Run a command in it as the ordinary user."""
        limit = ["--timeout", str(seconds)]
        return vm("exec", "--name", self.name, *limit, "--", *words, seconds=seconds + 60)

    def pytest(self, *files: str) -> subprocess.CompletedProcess[str]:
        """Run tests in it."""
        words = [f"{ROOT}/build/venv/bin/python", "-m", "pytest", "-q", "-rfE", *files]
        options = ["-p", "no:cacheprovider", "-m", "not slow", "--basetemp=/home/student/t"]
        return self.call(*words, *options, seconds=SUITE_SECONDS)


def vm(*words: str, seconds: int) -> subprocess.CompletedProcess[str]:
    """Call vm.py."""
    return subprocess.run(
        [sys.executable, str(VM), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.fixture(scope="module", params=HOSTS)
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A fresh machine of one kind."""
    host = str(request.param)
    name = f"test-{host}"
    words = ["up", "--name", name, "--copy", f"{ROOT}:{ROOT}"]
    words += [f"--exclude={pattern}" for pattern in EXCLUDED]
    words += [] if host == PLAIN else ["--variant", host]
    up = vm(*words, seconds=PROBE_SECONDS)
    assert up.returncode == 0, up.stderr
    try:
        yield Machine(name)
    finally:
        vm("down", "--name", name, seconds=60)


def host_of(machine: Machine) -> str:
    """The document's name of a machine's kind."""
    return machine.name.removeprefix("test-")


def test_the_document_says_what_works(machine: Machine) -> None:
    launcher = f"{ROOT}/build/venv/bin/pyrootless"
    words = ["python3", f"{ROOT}/tests/host_probe.py", launcher, "/home/student"]
    done = machine.call(*words, seconds=PROBE_SECONDS)
    assert done.returncode == 0, done.stderr
    observed = json.loads(done.stdout)
    row = HOSTS[host_of(machine)]
    assert hosts_table.cells(observed, USUAL, row) == row
    assert hosts_table.said_well(observed) == []


def test_suites_pass_or_name_what_is_missing(machine: Machine) -> None:
    """What a kind of host cannot run is skipped by its fact; the rest passes."""
    done = machine.pytest(*SUITES)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("machine", [PLAIN], indirect=True)
@pytest.mark.parametrize("suite", PLAIN_SUITES)
def test_the_plain_machine_passes(machine: Machine, suite: str) -> None:
    done = machine.pytest(suite)
    assert done.returncode == 0, done.stdout


def hostile(machine: Machine, only: Iterable[str] = ()) -> dict[str, Any]:
    """The certificate of the machine's own control groups."""
    launcher = f"{ROOT}/build/venv/bin/pyrootless"
    words = [launcher, "selftest", "--hostile", "--json", "--way=groups"]
    words += [f"--only={name}" for name in only]
    done = machine.call(*words, seconds=SUITE_SECONDS)
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1)
    return report


def wrong_of(report: dict[str, Any]) -> dict[str, list[str]]:
    """Attack → what did not hold.

    Not by how much a limit of time was late: an emulated processor decides that.
    """
    found = {
        case["attack"]: [text for text in case["wrong"] if not text.startswith(LATE)]
        for case in report["cases"]
    }
    return {attack: texts for attack, texts in found.items() if texts}


@pytest.mark.parametrize("machine", [PLAIN], indirect=True)
def test_the_hostile_corpus_is_withstood_on_version_2(machine: Machine) -> None:
    """What fails is tried again, alone: an emulated processor that has to wait may be too slow
    for a limit of time, but a hole stays one."""
    report = hostile(machine)
    rungs = {row["limit"]: row["rungs"] for row in report["held"]}
    assert [rungs[name] for name in ("cpu", "memory", "processes")] == [["cgroup2"]] * 3
    over = {row["limit"]: row["over"] for row in report["held"]}
    assert (over["memory"], over["processes"], report["left"]) == (0, 0, [])
    wrong = wrong_of(report)
    for _ in range(TRIES):
        wrong = wrong_of(hostile(machine, wrong)) if wrong else {}
    assert wrong == {}
