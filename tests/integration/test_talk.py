"""Two boxes that talk: who waits for ever is ended early, who only waits long is not.

The wall limits are so wide that a test which meets one fails by its own time.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrootless.sandbox import Limits, Outcome, Sandbox
from pyrootless.sandbox.judge import answers
from pyrootless.sandbox.judge.answers import Answers, TeacherError
from pyrootless.sandbox.judge.checkers import Finding
from pyrootless.sandbox.judge.interact import Party, interact
from pyrootless.sandbox.judge.task import load_task
from pyrootless.sandbox.warm.kinds import Shelf

pytestmark = pytest.mark.usefixtures("engine")

TASK = "[interactor]\nprogram = 'talk.py'\n[[group]]\nname = 'g'\ntests = '*.in'\n"
WIDE = Limits(cpu="10s", wall="900s")
Talk = Callable[..., tuple[Outcome, Finding | None]]


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Talk:
    """(The interactor's text, the submission's) → what `interact` says."""
    monkeypatch.setattr(answers, "TRUSTED", WIDE)
    monkeypatch.setattr("pyrootless.sandbox.judge.interact.TRUSTED", WIDE)

    def let_talk(judge: str, student: str, limits: Limits = WIDE) -> object:
        program = "talk.c" if "#include" in judge else "talk.py"
        files = {"TASK.toml": TASK, program: judge, "1.in": "", "1.ans": ""}
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        task = load_task(tmp_path)
        with Shelf(1) as shelf, Sandbox() as box:
            party = Party(box, box.compile({"main.py": student.encode()}), limits)
            return interact(Answers(task, shelf), program, party, task.groups[0].tests[0])

    return let_talk  # type: ignore[return-value]


WAITS = {
    "read": "import os\nos.read(0, 1)\n",
    "fill": "import os\nwhile True: os.write(1, bytes(4096))\n",
    "pause": "import signal\nsignal.pause()\n",
    "child": "import os\nif os.fork() == 0: os.read(0, 1)\nos.wait()\n",
    "threads": "import os, threading\nlock = threading.Lock(); lock.acquire()\n"
    "threading.Thread(target=lock.acquire).start()\nos.read(0, 1)\n",
}
STUCK = [
    *[("read", student) for student in ("read", "pause", "child", "threads")],
    *[("fill", student) for student in ("fill", "pause")],
    *[("pause", student) for student in WAITS],
]
NO = "raise SystemExit(1)\n"


@pytest.mark.parametrize(("judge", "student"), STUCK)
def test_two_that_wait_for_each_other(talk: Talk, judge: str, student: str) -> None:
    outcome, finding = talk(WAITS[judge] + NO, WAITS[student])
    assert (outcome.verdict.name, outcome.flags, finding) == ("ILE", {"idle"}, None)


def test_a_line_that_is_not_flushed(talk: Talk) -> None:
    judge = "print('go', flush=True)\nraise SystemExit(input() != '7')\n"
    outcome, finding = talk(judge, "import sys\ninput()\nprint(7)\nsys.stdin.readline()\n")
    assert (outcome.verdict.name, outcome.flags, finding) == ("ILE", {"idle"}, None)
    outcome, finding = talk(judge, "input()\nprint(7, flush=True)\n")
    assert (outcome.verdict.name, finding) == ("OK", Finding(True))


SLOW = {
    "sleeps": "time.sleep(0.5)",
    "works": "sum(range(20_000_000))",
    "waits for a child": "subprocess.run(['sleep', '0.5'])",
    "has an alarm": "signal.alarm(1); signal.sigwait([14])",
}


@pytest.mark.parametrize("what", SLOW)
@pytest.mark.parametrize("slow", ["judge", "student"])
def test_who_waits_for_a_slow_one_is_not_ended(talk: Talk, slow: str, what: str) -> None:
    """Longer than two looks for idleness, again and again."""
    pause = f"import signal, subprocess, time\nsignal.pthread_sigmask(0, [14])\n{SLOW[what]}"
    judge = "{}\nfor n in range(2):\n    print(n, flush=True)\n    assert input() == str(n)\n"
    student = "{}\nfor n in range(2): print(input(), flush=True)\n"
    first, second = (pause, "") if slow == "judge" else ("", pause)
    outcome, finding = talk(judge.format(first), student.format(second))
    assert (outcome.verdict.name, outcome.flags, finding) == ("OK", set(), Finding(True))


def test_who_is_left_alone_and_stuck_is_ended(talk: Talk) -> None:
    """The interactor's decision stands; without one it is to blame."""
    outcome, finding = talk(NO, WAITS["pause"])
    assert (outcome.verdict.name, outcome.flags) == ("ILE", {"idle"})
    assert finding is not None and not finding.accepted
    with pytest.raises(TeacherError, match=r"talk\.py failed: ILE"):
        talk(WAITS["pause"], "pass")


@pytest.mark.parametrize("which", [1, 2])
def test_a_side_without_a_thread_leaves_nothing_open(
    which: int, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the other side wait for it."""
    start, count = threading.Thread.start, itertools.count(1)

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "interact" and next(count) == which:
            raise RuntimeError("can't start new thread")
        start(thread)

    assert talk("print()\n", "input()\n")[1] is not None
    monkeypatch.setattr(threading.Thread, "start", refuse)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(RuntimeError, match="can't start"):
        talk(WAITS["read"], WAITS["read"])
    assert os.listdir("/proc/self/fd") == before


def test_idleness_may_be_left_out(talk: Talk) -> None:
    outcome, finding = talk(WAITS["read"], WAITS["read"], Limits(cpu="10s", wall="1s", idle=0))
    assert (outcome.verdict.name, outcome.flags, finding) == ("ILE", {"wall"}, None)


# --- who is to blame when an interactor fails -------------------------------------------------

C_HEAD = (
    "#include <signal.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
    "#include <poll.h>\n#include <fcntl.h>\n#include <errno.h>\n#include <pthread.h>\n"
    'int main(void) { char s[99]; setbuf(stdout, NULL); puts("go");\n'
)
NEEDS_MORE = {
    "SIGPIPE": C_HEAD + "for (;;) puts(s); }",
    "abort at the end": C_HEAD + "if (!fgets(s, 99, stdin) || !fgets(s, 99, stdin)) abort(); }",
    "another code": C_HEAD + "while (fgets(s, 99, stdin)) ; return 3; }",
    "poll": C_HEAD + "struct pollfd p = {0, POLLIN, 0}; while (poll(&p, 1, -1) > 0)"
    " if (read(0, s, 99) <= 0) abort(); }",
    "without waiting": C_HEAD + "fcntl(0, F_SETFL, O_NONBLOCK); for (;;)"
    " { long n = read(0, s, 99); if (n == 0 || (n < 0 && errno != EAGAIN)) abort(); } }",
    "a thread": "#include <unistd.h>\n#include <stdlib.h>\n#include <pthread.h>\n"
    "static void *f(void *p) { char s[99]; while (read(0, s, 99) > 0) ; abort(); }\n"
    "int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0); }",
    "a child": "#include <unistd.h>\n#include <stdlib.h>\n#include <sys/wait.h>\n"
    "int main(void) { char s[99]; int w; if (fork() == 0) { while (read(0, s, 99) > 0) ;"
    " return 5; } wait(&w); abort(); }",
    "python": "import os\nprint('go', flush=True)\nwhile True: os.write(1, b'x' * 4096)\n",
    "python, flush": "import sys\ntry:\n    while True: print('x' * 4096, flush=True)\n"
    "except OSError: sys.exit(120)\n",
}
BY_ITSELF = {
    "at once": C_HEAD + "abort(); }",
    "on what it read": C_HEAD + "fgets(s, 99, stdin); abort(); }",
    "after some work": C_HEAD + "fgets(s, 99, stdin); for (volatile long i = 0; i < 3e7; i++) ;"
    " abort(); }",
    "after some sleep": C_HEAD + "fgets(s, 99, stdin); usleep(100000); return 3; }",
    "at the end, unasked": C_HEAD + "fgets(s, 99, stdin); puts(s); raise(SIGSEGV); }",
}
LEAVES = {
    "at once": "pass",
    "after a line": "print(7, flush=True)",
    "after a while": "import time\ntime.sleep(0.3)\nprint(7, flush=True)\n",
    "by closing first": "import os, time\nos.write(1, b'7\\n')\nos.close(0)\nos.close(1)\n"
    "time.sleep(0.3)\n",
}
STAYS = {
    "waiting": "print(7, flush=True)\nwhile input(): pass\n",
    "asleep": "print(7, flush=True)\nimport time\ntime.sleep(0.5)\n",
    "writing": "while True: print(7, flush=True)\n",
}


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("judge", NEEDS_MORE)
def test_who_leaves_early_is_wrong(talk: Talk, judge: str) -> None:
    for student in LEAVES.values():
        outcome, finding = talk(NEEDS_MORE[judge], student)
        program = "talk.c" if "#include" in NEEDS_MORE[judge] else "talk.py"
        left = Finding(False, f"it ended while {program} waited for it")
        assert (outcome.verdict.name, finding) == ("OK", left), student


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("judge", BY_ITSELF)
def test_an_interactor_that_fails_by_itself_is_to_blame(talk: Talk, judge: str) -> None:
    """Whatever the submission does meanwhile, and whoever is reaped first."""
    for name, student in (STAYS | LEAVES).items():
        if name == "at once" != judge:
            continue  # it says nothing, and the interactor waits for it
        with pytest.raises(TeacherError, match=r"talk\.(c|py) failed"):
            talk(BY_ITSELF[judge], student)


@pytest.mark.needs("gcc")
def test_a_fault_of_its_own_stays_the_submissions(talk: Talk) -> None:
    for judge in ("abort at the end", "another code"):
        outcome, finding = talk(NEEDS_MORE[judge], "raise SystemExit(3)")
        assert (outcome.verdict.name, outcome.exit_code, finding) == ("RE", 3, None)
        outcome, finding = talk(NEEDS_MORE[judge], "import os\nos.abort()")
        assert (outcome.verdict.name, outcome.signal, finding) == ("SG", 6, None)


@pytest.mark.needs("gcc")
def test_a_decision_after_all_was_said_stands(talk: Talk) -> None:
    """The end of the input comes without delay to who reads on to it."""
    judge = C_HEAD + "int n = 0; while (fgets(s, 99, stdin)) n++; return n != 2; }"
    assert talk(judge, "print(7)\nprint(8)")[1] == Finding(True)
    assert talk(judge, "print(7)")[1] == Finding(False, "talk.c says no")
