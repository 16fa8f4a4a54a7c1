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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
    "tests/unit/test_host.py",
    "tests/integration/test_limits.py",
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


@pytest.mark.parametrize("machine", [PLAIN], indirect=True)
def test_the_hostile_corpus_is_withstood_on_version_2(machine: Machine) -> None:
    """What holds the limits here are the machine's own groups. Eight at once would be a test of
    how slowly a processor is emulated."""
    launcher = f"{ROOT}/build/venv/bin/pyrootless"
    words = [launcher, "selftest", "--hostile", "--json", "--way=groups"]
    done = machine.call(*words, seconds=SUITE_SECONDS)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    wrong = {f"{case['attack']} {case['way']}": case["wrong"] for case in report["cases"]}
    assert {name: texts for name, texts in wrong.items() if texts} == {}
    assert (done.returncode, report["left"]) == (0, [])
    rungs = {row["limit"]: row["rungs"] for row in report["held"]}
    assert [rungs[name] for name in ("cpu", "memory", "processes")] == [["cgroup2"]] * 3
    over = [row["over"] for row in report["held"] if row["limit"] in ("memory", "processes")]
    assert over == [0, 0]
