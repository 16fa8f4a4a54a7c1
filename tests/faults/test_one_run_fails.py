"""A batch of ten in which one step around one box fails: nobody else's verdict changes.

Each system call that a judge makes around its boxes fails once, or a process of its own is
killed there: the run is tried once more alone, and all ten verdicts are right. What fails
whenever one submission is judged is that submission's IE, with the reason, and nine are right.

In: once.c, which counts the calls of a judge, the children that set boxes up and their inits.
PYROOTLESS_TEST_FAULTS=all (`make test-faults`): every call, each of its occurrences; else a
sample.
Out: verdicts; no process, mount or file left.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Place

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.needs("gcc", "user-namespaces")

ALL = os.environ.get("PYROOTLESS_TEST_FAULTS") == "all"
SECONDS = 120
JUDGE = """
import json, sys, warnings
from pathlib import Path
from pyrootless.sandbox.judge.batch import judge_batch
from pyrootless.sandbox.judge.submission import find_submissions
from pyrootless.sandbox.judge.task import load_task
warnings.simplefilter("ignore")
task = load_task(Path("TASK.toml"))
submissions = find_submissions(task, ())
assert len(submissions) == 10
judge_batch(task, submissions[-1:], jobs=1)  # imports, caches
Path("go").touch()
result = judge_batch(task, submissions, jobs=int(sys.argv[1]))
Path("go").unlink()
found = result.submissions
rows = {each.name: [each.verdict, [test.text for test in each.tests]] for each in found}
print(json.dumps(rows))
"""
TASK = """
[limits]
cpu = "5s"
wall = "20s"
open_files = 64
[[group]]
name = "a"
points = 1
tests = "*.in"
"""
SUM = "read a b; echo $((a + b))"
SUBMISSIONS = {
    "a.sh": SUM,
    "b.sh": "echo 7",
    "c.sh": "exit 3",
    "d.py": "print(sum(map(int, input().split())))",
    "e.c": "int main(void) { return x; }",
    "f.sh": "kill -SEGV $$",
    "g.sh": "while echo; do :; done",
    "h.sh": SUM,
    "i.sh": "sleep 1000",
    "j.sh": SUM,
}
RIGHT = dict(
    zip(
        SUBMISSIONS, ["AC", "WA", "RE", "AC", "CE", "SG", "OLE", "AC", "ILE", "AC"], strict=True
    )
)

ERRORS = {
    "capset": "EPERM", "chdir": "EIO", "clone3": "EAGAIN", "close_range": "EIO",
    "dup3": "EMFILE", "execve": "EIO", "execveat": "ENOMEM", "fchmod": "EIO",
    "fcntl": "EMFILE", "fstatfs": "EIO", "ioctl": "EIO", "memfd_create": "EMFILE",
    "mkdirat": "EIO", "mount": "ENOMEM", "mount_setattr": "EIO", "move_mount": "EIO",
    "open_tree": "EMFILE", "openat": "EMFILE", "openat2": "ENFILE", "perf_event_open": "EMFILE",
    "pipe2": "EMFILE", "pivot_root": "EIO", "poll": "ENOMEM", "ppoll": "ENOMEM",
    "prctl": "EIO", "prlimit64": "EPERM", "read": "EIO", "recvmsg": "ENOMEM",
    "seccomp": "ENOMEM", "sendfile": "EIO", "sendmsg": "ENOBUFS", "sethostname": "EPERM",
    "setns": "ENOMEM", "setsid": "EPERM", "socket": "EMFILE", "socketpair": "EMFILE",
    "symlinkat": "EIO", "umount2": "EIO", "unlinkat": "EIO", "wait4": "ECHILD",
    "waitid": "ECHILD", "write": "EIO",
}  # fmt: skip
"""Call → what it fails with: mostly what it says where something is used up."""


@dataclass(frozen=True)
class Told:
    """What a batch came to, and the calls that it made and that failed."""

    status: int
    rows: dict[str, Any]
    errors: str
    seen: int
    failed: int


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """once.c, compiled once."""
    path = tmp_path_factory.mktemp("once") / "once"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-static"]
    subprocess.run(["gcc", *flags, str(HERE / "once.c"), "-o", str(path)], check=True)
    return path


@pytest.fixture
def batch(place: Place) -> Place:
    """A task of ten submissions."""
    files = {"TASK.toml": TASK, "1.in": "20 22\n", "1.ans": "42\n", "judge.py": JUDGE}
    files |= {f"submissions/{name}": text for name, text in SUBMISSIONS.items()}
    (place.base / "submissions").mkdir()
    for name, text in files.items():
        (place.base / name).write_text(text)
    return place


def judge(batch: Place, once: Path, call: str, nth: int, answer: str, jobs: int = 2) -> Told:
    """The batch, with this call answered so."""
    (batch.base / "go").unlink(missing_ok=True)
    words = [once, call, nth, answer, batch.base / "go", batch.base / "found"]
    done = subprocess.run(
        [*map(str, words), "--", sys.executable, "judge.py", str(jobs)],
        env=batch.environment,
        cwd=batch.base,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    seen, failed = map(int, (batch.base / "found").read_text().split())
    rows = json.loads(done.stdout) if done.returncode == 0 else {}
    return Told(done.returncode, rows, done.stderr[-2000:], seen, failed)


def verdicts(told: Told) -> dict[str, str]:
    assert told.status == 0, told.errors
    return {name: row[0] for name, row in told.rows.items()}


def fail_once(batch: Place, once: Path, call: str, nth: int, answer: str) -> bool:
    """False: it was not made so often."""
    told = judge(batch, once, call, nth, answer)
    assert (call, nth, verdicts(told)) == (call, nth, RIGHT), told
    assert batch.left() == []
    return told.failed == 1


def occurrences(count: int) -> list[int]:
    """All of them, or two of a sample."""
    return list(range(1, count + 1)) if ALL else sorted({max(1, count // 2), max(1, count - 1)})


SAMPLE = ("clone3", "openat2", "read")


@pytest.mark.parametrize("call", ERRORS if ALL else SAMPLE)
def test_a_call_that_fails_once(batch: Place, once: Path, call: str) -> None:
    answer = str(getattr(errno, ERRORS[call]))
    count = judge(batch, once, call, 0, answer).seen
    if count == 0:
        pytest.skip(f"no judge calls {call} here")
    done = [fail_once(batch, once, call, nth, answer) for nth in occurrences(count)]
    # Of the looks at /proc there are as many as time allows: perhaps fewer than counted.
    assert any(done) or fail_once(batch, once, call, 1, answer)


@pytest.mark.parametrize(
    "call", ("mount", "openat2", "write", "seccomp") if ALL else ("mount",)
)
def test_a_process_that_is_killed_once(batch: Place, once: Path, call: str) -> None:
    count = judge(batch, once, call, 0, "KILL").seen
    done = [fail_once(batch, once, call, nth, "KILL") for nth in occurrences(count)]
    assert any(done)


def test_what_fails_for_one_submission_is_that_ones(batch: Place, once: Path) -> None:
    """The file it is put in by cannot be made, whenever that is tried."""
    (batch.base / "submissions/h.sh").rename(batch.base / "submissions/marked.sh")
    told = judge(batch, once, "openat2", 0, "TEXT:marked.sh")
    assert told.failed == 2  # and once more alone
    found = verdicts(told)
    assert found.pop("marked.sh") == "IE"
    assert found == {name: word for name, word in RIGHT.items() if name != "h.sh"}
    assert told.rows["marked.sh"][1] == [
        "the judge failed: box: open(box/marked.sh): Input/output error "
        "remedy: look at the name of the file given; try it alone: "
        f"pyrootless judge {batch.base} {batch.base}/submissions/marked.sh"
    ]
    assert batch.left() == []


LOST = """
import os, signal, threading, time
from pathlib import Path
from pyrootless.errors import LaunchError
from pyrootless.sandbox import run
def children(pid: str) -> list[str]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for path in found for child in path.read_text().split()]
def is_sleep(pid: str) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep")
def kill() -> None:
    while True:
        for init in children("self"):
            if any(map(is_sleep, children(init))):
                os.kill(int(init), signal.SIGKILL)
                return
        time.sleep(0.01)
threading.Thread(target=kill).start()
try:
    print(run(["sleep", "1000"]).verdict)
except LaunchError as error:
    print(str(error).splitlines()[0])
"""


def test_a_box_that_is_lost_is_nobodys_fault(place: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST],
        env=place.environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    said = "monitor: read(how the program ended: its init was killed from outside): No such "
    assert done.stdout == said + "process\n"
    assert place.left() == []
