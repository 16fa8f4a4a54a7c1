"""Two boxes that talk: who waits for ever is ended early, who only waits long is not.

The wall limits are so wide that a test which meets one fails by its own time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pyrootless.sandbox import Limits, Outcome, Sandbox, answers
from pyrootless.sandbox.answers import Answers, TeacherError
from pyrootless.sandbox.checkers import Finding
from pyrootless.sandbox.interact import Party, interact
from pyrootless.sandbox.shelf import Shelf
from pyrootless.sandbox.task import load_task

pytestmark = pytest.mark.usefixtures("engine")

TASK = "[interactor]\nprogram = 'talk.py'\n[[group]]\nname = 'g'\ntests = '*.in'\n"
WIDE = Limits(cpu="10s", wall="900s")
Talk = Callable[..., tuple[Outcome, Finding | None]]


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Talk:
    """(The interactor's text, the submission's) → what `interact` says."""
    monkeypatch.setattr(answers, "TRUSTED", WIDE)
    monkeypatch.setattr("pyrootless.sandbox.interact.TRUSTED", WIDE)

    def let_talk(judge: str, student: str, limits: Limits = WIDE) -> object:
        files = {"TASK.toml": TASK, "talk.py": judge, "1.in": "", "1.ans": ""}
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        task = load_task(tmp_path)
        with Shelf(1) as shelf, Sandbox() as box:
            party = Party(box, box.compile({"main.py": student.encode()}), limits)
            return interact(Answers(task, shelf), "talk.py", party, task.groups[0].tests[0])

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


def test_idleness_may_be_left_out(talk: Talk) -> None:
    outcome, finding = talk(WAITS["read"], WAITS["read"], Limits(cpu="10s", wall="1s", idle=0))
    assert (outcome.verdict.name, outcome.flags, finding) == ("ILE", {"wall"}, None)
