"""Signals sent to the launcher, and what becomes of the program in the container.

In: the launcher as a process of this one.  Out: the program's words, the launcher's exit code.
Every step waits for a line or an end; a child still there when a test ends is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

Start = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]

pytestmark = pytest.mark.needs("user-namespaces")

WITH_AND_WITHOUT_INIT = pytest.mark.parametrize("init", [[], ["--init"]], ids=["", "init"])

# Blocked from the start, and taken one by one: none is lost between two waits, as one would be
# that comes before pause(2).
TAKES_TERM = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
os.write(1, b"ready\\n")
while True:
    signal.sigwait([signal.SIGTERM])
    os.write(1, b"not yet\\n")
"""
IGNORES_TERM = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"ready\\n")
for line in sys.stdin:
    os.write(1, line.encode())
"""


@pytest.fixture
def start(launcher: Path, engine_environment: dict[str, str]) -> Start:
    """`with start("--init", "host", "sh") as child`: `run --rm` with pipes at 0 and 1.

    A test run in the background of a shell ignores SIGINT, and so would the launcher.
    """

    @contextmanager
    def begin(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
        argv = ["env", "--default-signal", str(launcher), "run", "--rm", *map(str, words)]
        with subprocess.Popen(
            argv,
            env=engine_environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            try:
                yield child
            finally:
                child.kill()

    return begin


def line_of(child: subprocess.Popen[str]) -> str:
    """The next line of its output."""
    assert child.stdout is not None
    return child.stdout.readline()


@WITH_AND_WITHOUT_INIT
def test_a_program_that_takes_term_goes_on_until_killed(
    start: Start, tmp_path: Path, init: list[str]
) -> None:
    pidfile = tmp_path / "pid"
    python = ("/usr/bin/python3", "-c", TAKES_TERM)
    with start("--pidfile", pidfile, *init, "host", *python) as child:
        assert line_of(child) == "ready\n"
        for _ in range(2):  # a third one means impatience, and kills
            child.send_signal(signal.SIGTERM)
            assert line_of(child) == "not yet\n"
        assert child.poll() is None
        os.kill(int(pidfile.read_text()), signal.SIGKILL)
        assert child.wait(timeout=30) == 137


@WITH_AND_WITHOUT_INIT
def test_a_program_that_ignores_term_never_sees_it(start: Start, init: list[str]) -> None:
    with start("-i", *init, "host", "/usr/bin/python3", "-c", IGNORES_TERM) as child:
        assert line_of(child) == "ready\n"
        for number in range(2):
            child.send_signal(signal.SIGTERM)
            assert child.stdin is not None
            child.stdin.write(f"{number}\n")
            child.stdin.flush()
            assert line_of(child) == f"{number}\n"
        child.stdin.close()
        assert child.wait(timeout=30) == 0


def test_the_third_term_kills(start: Start) -> None:
    with start("host", "/usr/bin/python3", "-c", TAKES_TERM) as child:
        assert line_of(child) == "ready\n"
        for _ in range(2):
            child.send_signal(signal.SIGTERM)
            assert line_of(child) == "not yet\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == 137


# The shell catches SIGINT, and the program that takes its place does not: the signal may come
# before, in the midst of and after the exec.
@WITH_AND_WITHOUT_INIT
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)],
    ids=["term", "int", "hup"],
)
def test_a_program_without_handler_ends_with_the_signal(
    start: Start, init: list[str], number: signal.Signals, code: int
) -> None:
    with start(*init, "host", "sh", "-c", "echo ready; exec sleep 600") as child:
        assert line_of(child) == "ready\n"
        child.send_signal(number)
        assert child.wait(timeout=30) == code


# Waited for and not handled: between a look for what came and a read nothing would be heard.
TAKES_WINCH = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
os.write(1, b"ready\\n")
came = signal.sigtimedwait([signal.SIGWINCH], 20)
os.write(1, b"changed\\n" if came else b"nothing came\\n")
os._exit(3)
"""


@WITH_AND_WITHOUT_INIT
def test_a_change_of_the_window_is_passed_on(start: Start, init: list[str]) -> None:
    """As docker does without a terminal: who resizes a program's view tells the launcher."""
    with start("-i", *init, "host", "/usr/bin/python3", "-c", TAKES_WINCH) as child:
        assert line_of(child) == "ready\n"
        child.send_signal(signal.SIGWINCH)
        assert child.wait(timeout=30) == 3
        assert line_of(child) == "changed\n"


def test_signals_that_are_not_passed_on_end_the_launcher_and_the_container(
    start: Start,
) -> None:
    """--sig-proxy=false: the program, which takes SIGTERM, never sees it."""
    words = ("--sig-proxy=false", "-i", "host", "/usr/bin/python3", "-c", TAKES_TERM)
    with start(*words) as child:
        assert line_of(child) == "ready\n"
        child.send_signal(signal.SIGTERM)
        assert line_of(child) == ""
        assert child.wait(timeout=30) == -signal.SIGTERM
