"""Whose turn it is: two processes of pytest, one test that is to run alone.

In: turns.py, the hook of conftest.py.  Out: who was there together.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import turns

ROOT = Path(__file__).resolve().parents[2]
WAIT = """
import fcntl, os, pathlib, time
HERE = pathlib.Path(__file__).parent

def is_locked(path):
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

def wait_for(what):
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.001)
"""
SHARED = """
def test_shared(tmp_path_factory):
    (HERE / "in").touch()
    wait_for(lambda: is_locked(tmp_path_factory.getbasetemp().parent / "door"))
    os.remove(HERE / "in")
"""
ALONE = """
import pytest

def test_first():
    wait_for((HERE / "in").exists)

@pytest.mark.alone
def test_alone():
    assert not (HERE / "in").exists()
"""
# A worker keeps its last test until it knows that no other follows.
NEXT = """
def test_next():
    pass
"""


def may(path: Path, how: int) -> bool:
    """Whether a lock is to be had at once."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_others_are_there_together(tmp_path: Path) -> None:
    with turns.turn(tmp_path, alone=False), turns.turn(tmp_path, alone=False):
        assert may(tmp_path / "door", fcntl.LOCK_EX)
        assert not may(tmp_path / "room", fcntl.LOCK_EX)
    assert may(tmp_path / "room", fcntl.LOCK_EX)


def test_who_is_alone_lets_nobody_in(tmp_path: Path) -> None:
    with turns.turn(tmp_path, alone=True):
        assert not may(tmp_path / "room", fcntl.LOCK_SH)


def test_a_child_that_stays_keeps_no_turn(tmp_path: Path) -> None:
    with turns.turn(tmp_path, alone=True):
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=numbers[3:-1]) as child:
            pass
    assert child.returncode == 0 and may(tmp_path / "room", fcntl.LOCK_EX)


def test_nobody_waits_where_one_has_all() -> None:
    with turns.turn(None, alone=True), turns.turn(None, alone=True):
        pass


def test_two_processes_take_turns(tmp_path: Path) -> None:
    """A test waits until one stands in the door; it has gone when that one has its turn."""
    (tmp_path / "test_one.py").write_text(WAIT + ALONE + NEXT)
    (tmp_path / "test_two.py").write_text(WAIT + SHARED + NEXT)
    words = [sys.executable, "-m", "pytest", "-q", "-n2", "--dist=loadfile", "-pconftest"]
    done = subprocess.run(
        [
            *words,
            "-pno:cacheprovider",
            f"-c{ROOT}/pyproject.toml",
            f"--rootdir={tmp_path}",
            f"--basetemp={tmp_path}/t",
        ]
        + ["test_one.py", "test_two.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/tests:{ROOT}/tools"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "5 passed" in done.stdout, done.stdout + done.stderr
