"""Warm runs: what `python3 FILE` would have done, in a box of its own, by a copied Python."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyrootless.errors import PyrootlessError, UsageError
from pyrootless.sandbox import Limits, ReadyBoxes, Verdict, Warm, run, session
from pyrootless.sandbox.collect import Collected
from pyrootless.sandbox.judge.batch import judge_batch
from pyrootless.sandbox.judge.submission import Submission
from pyrootless.sandbox.judge.task import load_task
from pyrootless.sandbox.runs import RUNGS, Job
from pyrootless.sandbox.selftest.attacks import find_attacks
from pyrootless.sandbox.selftest.certificate import certify
from pyrootless.sandbox.warm.interpreter import Zygote
from pyrootless.sandbox.warm.ready import ReadyBox

pytestmark = pytest.mark.usefixtures("engine")

LIMITS = Limits(cpu="2s", wall="60s", memory="64M", procs=16, output="64K", disk="4M")


@pytest.fixture
def boxes(engine: None) -> Iterator[ReadyBoxes]:
    with ReadyBoxes(limits=LIMITS, size=1, warm=True) as warm:
        yield warm


# --- the same interpreter ---

PROGRAMS = {
    "output": "print('a', end=''); import sys; print('b', file=sys.stderr)",
    "exception": "def f(n):\n    return 1 / n\n\nf(0)",
    "chained": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e",
    "syntax": "def f(:\n    pass",
    "exit number": "raise SystemExit(7)",
    "exit text": "import sys; sys.exit('bad')",
    "exit none": "import sys; sys.exit()",
    "exit large": "raise SystemExit(1 << 70)",
    "exit object": "raise SystemExit((1, 2))",
    "interrupt": "raise KeyboardInterrupt",
    "os exit": "import os; print('lost'); os._exit(4)",
    "atexit": "import atexit; atexit.register(print, 'late'); print('early')",
    "atexit error": "import atexit; atexit.register(lambda: 1 / 0)",
    "destructor": "import time\nclass A:\n    def __del__(self): print('gone', time)\na = A()",
    "cycle": "class A:\n    def __del__(self): print('gone', A)\na = A(); a.a = a",
    "generator": "def f():\n    try: yield\n    finally: print('closed')\ng = f(); next(g)",
    "file left open": "f = open('out.txt', 'w'); f.write('kept')",
    "file held": "import builtins\nbuiltins.f = open('out.txt', 'w'); f.write('kept')",
    "thread": "import threading\nthreading.Timer(0.05, print, ['late']).start()",
    "child": "import os\nif os.fork() == 0: print('child')\nelse: os.wait(); print('parent')",
    "stdout closed": "import sys; print('a'); sys.stdout.close()",
    "input": "print(input(), [line for line in open(0)])",
    "newlines": "import sys; print(repr(sys.stdin.read()))",
    "binary": "import sys; sys.stdout.buffer.write(bytes(range(256)))",
    "names": "print(sorted(globals()), __name__, __file__, __spec__, __builtins__)",
    "main": "import __main__, sys; print(__main__.__dict__ is globals(), sys.argv)",
    "pickle": "import pickle\nclass A: pass\nprint(pickle.loads(pickle.dumps(A())).__class__)",
    "path": "import sys; print(sys.path)",
    "streams": "import sys\nfor s in (sys.stdin, sys.stdout, sys.stderr):\n"
    "    print(s.encoding, s.errors, s.line_buffering, s.write_through, s.mode, s.name,\n"
    "          s.newlines, s.buffer.__class__, s.fileno(), s.closed)",
    "originals": "import sys; print(sys.stdout is sys.__stdout__, sys.stdin is sys.__stdin__)",
    "environment": "import os; print(sorted(os.environ.items()), os.getenv('HOME'))",
    "warning": "import warnings; warnings.warn('odd')",
    "recursion": "def f(): f()\nf()",
    "frames": "import sys, traceback\nprint(sys._getframe().f_back); traceback.print_stack()",
    "callback": "import ctypes\nf = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7); print(f())",
    "futures": "from concurrent.futures import ThreadPoolExecutor as E\n"
    "with E(2) as e: print(list(e.map(abs, [-1, 2])))",
    "asyncio": "import asyncio\nasync def f(): await asyncio.sleep(0); return 3\n"
    "print(asyncio.run(f()))",
    "main thread": "import threading\nprint(threading.current_thread(), threading.enumerate())",
    "handler": "import signal, os\nsignal.signal(signal.SIGUSR1, lambda *a: print(a[0]))\n"
    "os.kill(os.getpid(), signal.SIGUSR1)",
    "excepthook": "import sys\nsys.excepthook = lambda *a: print('mine', a[0])\n1 / 0",
    "unraisable": "class A:\n    def __del__(self): 1 / 0\nA()",
    "own module": "open('m.py', 'w').write('x = 5'); import m; print(m.x, m.__file__)",
    "code": "import sys; print(sys._getframe().f_code.co_filename, sys.orig_argv, sys.flags)",
    "signals": "import signal\nprint([signal.getsignal(n) for n in range(1, 32)])",
}


_THREAD = re.compile(r"(?<=started )\d+")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def said(outcome: Any) -> tuple[object, ...]:
    return (
        outcome.verdict,
        outcome.exit_code,
        outcome.signal,
        _THREAD.sub("", outcome.stdout.decode(errors="replace")),
        _ADDRESS.sub("", outcome.stderr.decode(errors="replace")),
        outcome.files,
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_file_runs_as_a_new_interpreter_runs_it(boxes: ReadyBoxes, name: str) -> None:
    given: dict[str, Any] = {
        "files": {"x.py": PROGRAMS[name].encode()},
        "stdin": b"one\r\ntwo\n",
        "collect": ["out.txt?"],
    }
    args = ["python3", "x.py", "a", "-b"]
    assert said(boxes.run(args, **given)) == said(run(args, limits=LIMITS, **given))


WORDS = [
    ["-c", "import sys; print(sys.argv, sys.path[0], sorted(globals()))", "a"],
    ["-c", "1/0"],
    ["-m", "m", "a"],
    ["-m", "absent"],
    ["absent.py"],
    ["./d/x.py"],
    ["/box/d/x.py"],
]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_commands_mean_what_they_mean_to_python(boxes: ReadyBoxes, words: list[str]) -> None:
    text = b"import sys; print(sys.argv, sys.path[0], __file__, __name__, __package__)"
    args, files = ["python3", *words], {"m.py": text, "d/x.py": text}
    cold = run(args, files=files, limits=LIMITS)
    assert said(boxes.run(args, files=files)) == said(cold)


def test_options_of_the_interpreter_are_all_boxes(engine: None) -> None:
    warm = Warm(interpreter=("python3", "-I", "-O"))
    with ReadyBoxes(limits=LIMITS, size=1, warm=warm) as boxes:
        code = "import sys; print(sys.flags.optimize, sys.flags.isolated, sys.path[0])"
        args = ["python3", "-I", "-O", "-c", code]
        assert said(boxes.run(args)) == said(run(args, limits=LIMITS))


def test_what_is_to_be_imported_is_there(engine: None) -> None:
    with ReadyBoxes(limits=LIMITS, size=1, warm=Warm(imports=("decimal",))) as boxes:
        code = "import sys; print('decimal' in sys.modules, 'fractions' in sys.modules)"
        assert boxes.run(["python3", "-c", code]).stdout == b"True False\n"


# --- the same verdicts and bills ---

ENDS = [
    ("pass", "OK"),
    ("raise SystemExit(3)", "RE"),
    ("import os; os.abort()", "SG"),
    ("import os; os.kill(1, 9); os.kill(os.getpid(), 9)", "SG"),
    ("import signal; signal.pause()", "ILE"),
    ("while True: pass", "TLE"),
    ("import os\nfor n in range(3): os.fork()\nwhile True: pass", "TLE"),
    ("x = bytearray(200 << 20)", "MLE"),
    ("print('x' * (1 << 20))", "OLE"),
    ("open('/tmp/big', 'wb').write(bytes(8 << 20))", "DLE"),
]


@pytest.mark.parametrize("rungs", RUNGS)
@pytest.mark.parametrize(("code", "verdict"), ENDS)
def test_verdicts_are_those_of_a_cold_run(rungs: str, code: str, verdict: str) -> None:
    args = ["python3", "-c", code]
    limits = replace(LIMITS, cpu="300ms") if verdict == "TLE" else LIMITS
    with ReadyBoxes(limits=limits, rungs=rungs, size=1, warm=True) as boxes:
        warm, cold = boxes.run(args), run(args, limits=limits, rungs=rungs)
    assert (warm.verdict.name, cold.verdict.name) == (verdict, verdict)
    assert (warm.exit_code, warm.signal) == (cold.exit_code, cold.signal)
    assert warm.enforced == cold.enforced


def test_what_the_zygote_and_its_copy_used_before_is_not_billed(engine: None) -> None:
    code = "import time; print(time.process_time_ns())"
    with ReadyBoxes(limits=LIMITS, size=1, warm=Warm(imports=("asyncio",))) as boxes:
        outcome = boxes.run(["python3", "-c", code])
    of_the_process = int(outcome.stdout)  # since the copy was made, the wait for its turn too
    cold = run(["python3", "-c", "import asyncio"], limits=LIMITS)
    assert 0 < outcome.cpu_ns < cold.cpu_ns
    assert of_the_process < cold.cpu_ns


def test_processes_of_the_box_alone_are_counted(boxes: ReadyBoxes) -> None:
    code = (
        "import os, signal\nn = 0\ntry:\n    while True:\n"
        "        if os.fork() == 0: signal.pause()\n        n += 1\n"
        "except OSError: print(n, flush=True); os._exit(0)"
    )
    args = ["python3", "-c", code]
    cold = run(args, limits=LIMITS)
    assert boxes.run(args).stdout == cold.stdout == b"15\n"


PYTHON_ATTACKS = [attack for attack in find_attacks() if attack.path.suffix == ".py"]


def test_attacks_in_python_end_as_in_cold_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def in_a_warm_box(job: Job) -> tuple[dict[str, Any], Collected]:
        tried.append(job)
        zygote = Zygote(Warm(interpreter=("python3", "-B")), job.program.env, job.limits, None)
        ready = ReadyBox(job, zygote)
        try:
            return ready.run_for_facts(job)
        finally:
            ready.close()

    monkeypatch.setattr(session, "run_for_facts", in_a_warm_box)
    certificate = certify(PYTHON_ATTACKS, ["no-groups"])
    wrong = {case.attack: case.wrong for case in certificate.cases if case.wrong}
    assert (wrong, certificate.left) == ({}, ())
    assert len(tried) >= len(PYTHON_ATTACKS) > 5


# --- refused ---


@pytest.mark.parametrize(
    "words", [["sh", "-c", "true"], ["python3"], ["python3", "-B", "x.py"]]
)
def test_other_programs_are_refused(boxes: ReadyBoxes, words: list[str]) -> None:
    with pytest.raises(UsageError, match="python3 FILE, python3 -c CODE or python3 -m MODULE"):
        boxes.run(words)


def test_variables_that_came_too_late_are_refused(boxes: ReadyBoxes) -> None:
    env = {"PATH": "/usr/bin:/bin", "HOME": "/box", "LANG": "C.UTF-8"}
    outcome = boxes.run(
        ["python3", "-c", "import os; print(os.environ['A'])"], env=env | {"A": "b"}
    )
    assert outcome.stdout == b"b\n"
    with pytest.raises(UsageError, match="PYTHONHASHSEED is read when an interpreter starts"):
        boxes.run(["python3", "-c", ""], env=env | {"PYTHONHASHSEED": "1"})


def test_an_import_that_fails_is_named(engine: None) -> None:
    with pytest.raises(UsageError, match="No module named 'absent'"):
        ReadyBoxes(limits=LIMITS, size=1, warm=Warm(imports=("absent",)))
    with pytest.raises(UsageError, match="'a; b' is no name of a module"):
        Warm(imports=("a; b",))


def test_an_interpreter_that_is_not_there_is_named(engine: None) -> None:
    with pytest.raises(OSError, match="python9"):
        ReadyBoxes(limits=LIMITS, size=1, warm=Warm(interpreter=("python9",)))


# --- a judge ---

TASK = """
[task]
warm = true
imports = ["decimal"]
[[group]]
name = "all"
points = 2
each = true
tests = "*.in"
"""


def test_a_judges_tests_run_warm(tmp_path: Path) -> None:
    (tmp_path / "TASK.toml").write_text(TASK)
    for name in ("a", "b"):
        (tmp_path / f"{name}.in").write_text("1\n")
        (tmp_path / f"{name}.ans").write_text("True\n")
    program = tmp_path / "s" / "main.py"
    program.parent.mkdir()
    program.write_text("import sys; print('decimal' in sys.modules)")
    task = load_task(tmp_path)
    [result] = judge_batch(task, [Submission("s", program.parent)], jobs=1).submissions
    verdicts = [(test.verdict, test.warm) for group in result.groups for test in group.tests]
    assert verdicts == [("AC", True), ("AC", True)]


def test_imports_of_a_cold_task_are_refused(tmp_path: Path) -> None:
    (tmp_path / "TASK.toml").write_text(TASK.replace("warm = true", ""))
    (tmp_path / "a.in").write_text("")
    (tmp_path / "a.ans").write_text("")
    with pytest.raises(UsageError, match="imports needs warm = true"):
        load_task(tmp_path)


# --- life and death ---


def read(path: str) -> bytes:
    """Empty when the process is gone."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def below(pid: int) -> list[int]:
    found = []
    for task in os.listdir("/proc/self/task") if pid == os.getpid() else [str(pid)]:
        for child in map(int, read(f"/proc/{pid}/task/{task}/children").split()):
            found += [child, *below(child)]
    return found


def test_a_zygote_that_was_killed_is_followed_by_another(boxes: ReadyBoxes) -> None:
    assert boxes.run(["python3", "-c", "print(1)"]).ok
    own = b"python3\0/pyrootless-zygote"
    living = [pid for pid in below(os.getpid()) if read(f"/proc/{pid}/cmdline").startswith(own)]
    fds = [os.pidfd_open(pid) for pid in living]
    for fd in fds:
        with contextlib.suppress(ProcessLookupError):  # copies go with their zygote
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        assert select.select([fd], [], [], 30)[0]
        os.close(fd)
    assert fds
    for _ in range(2):  # one box that waited, one that was being made
        with contextlib.suppress(PyrootlessError):
            boxes.run(["python3", "-c", "print(1)"])
    assert boxes.run(["python3", "-c", "print(1)"]).stdout == b"1\n"


HOLDER = """
import sys
from pyrootless.sandbox import ReadyBoxes, Sandbox, run
{made}
print("ready", flush=True)
sys.stdin.read()
"""
HOLDERS = {
    "ready": 'boxes = ReadyBoxes(size=2, warm=True); boxes.run(["python3", "-c", ""])',
    "run": 'run(["python3", "-c", ""], warm=True)',
    "sandbox": 'box = Sandbox(warm=True); box.run(["python3", "-c", ""])',
}


def hold_all(owner: int, least: int) -> list[int]:
    """Descriptors of all processes below the owner, as soon as there are so many.

    A box that was used is being replaced meanwhile.
    """
    end = time.monotonic() + 30
    while time.monotonic() < end:
        tasks = os.listdir(f"/proc/{owner}/task")
        children = [read(f"/proc/{owner}/task/{task}/children").split() for task in tasks]
        fds = []
        for pid in [int(pid) for each in children for pid in each]:
            for each in (pid, *below(pid)):
                with contextlib.suppress(ProcessLookupError):
                    fds.append(os.pidfd_open(each))
        if sum(not select.select([fd], [], [], 0)[0] for fd in fds) >= least:
            return fds
        for fd in fds:
            os.close(fd)
    raise AssertionError(f"{owner} never had {least} processes at once")


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "ended"])
@pytest.mark.parametrize("made", HOLDERS)
def test_nothing_outlives_the_owner(made: str, killed: bool, engine: None) -> None:
    words = [sys.executable, "-c", HOLDER.format(made=HOLDERS[made])]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        fds = hold_all(owner.pid, 4)  # the zygote and its init, a box's init and its copy
        if killed:
            owner.kill()
    assert owner.returncode == (-9 if killed else 0)
    for fd in fds:
        assert select.select([fd], [], [], 30)[0], "a process outlived its owner"
        os.close(fd)


def test_verdict_of_a_copy_that_dies_unheard(boxes: ReadyBoxes) -> None:
    outcome = boxes.run(["python3", "-c", "import os; os.kill(os.getpid(), 11)"])
    assert (outcome.verdict, outcome.signal) == (Verdict.SG, 11)
