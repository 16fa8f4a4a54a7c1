"""The plugin as a teacher's project meets it: loaded by its entry point, in its own pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = """
import pytest

pytestmark = pytest.mark.sandbox(cpu="2s", memory="64M")

@pytest.mark.sandbox(cpu="200ms", env={"A": "1"})
def test_runs(sandbox):
    assert (sandbox.limits.cpu, sandbox.limits.memory) == ("200ms", "64M")
    assert sandbox.run(["/bin/sh", "-c", "echo $A"]).stdout == b"1\\n"

def test_calls(sandbox):
    area = sandbox.call("def area(a, b): return a * b", "area")
    assert area(3, 4) == 13

@pytest.mark.sandbox(warm=True)
def test_warm(sandbox):
    assert sandbox.run(["python3", "-c", "print(1)"]).warm

def test_the_marker_takes_what_a_sandbox_takes():
    import inspect
    from pyrootless import Sandbox, pytest_plugin
    takes = set(inspect.signature(Sandbox).parameters)
    assert takes - {"limits", "shelf"} == pytest_plugin._OF_THE_BOX

@pytest.mark.sandbox(speed=1)
def test_wrong(sandbox): pass
"""
LOADED = (
    "import sys, pytest; pytest.main(['--co', '-q', sys.argv[1]]); "
    "print([m for m in sys.modules if m.startswith('pyrootless')])"
)


def test_fixture_and_marker(engine_environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", "."],
        cwd=tmp_path, env=engine_environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "1 failed, 3 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "assert 12 == 13" in done.stdout
    assert "@pytest.mark.sandbox: " in done.stdout


def test_loading_it_loads_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_nothing(): pass")
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "['pyrootless', 'pyrootless.pytest_plugin']"
