"""`pyrootless judge`: a small class of right, wrong, slow and broken submissions.

In: gcc and python3 of the machine.
Out: verdicts, points, reports, what an interruption leaves.
Never: a time asserted.
"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrootless.sandbox.judge.batch import task_digest
from pyrootless.sandbox.judge.journal import Journal, digest_files
from pyrootless.sandbox.judge.results import SubmissionResult
from pyrootless.sandbox.judge.submission import find_submissions, list_files
from pyrootless.sandbox.judge.task import load_task

pytestmark = pytest.mark.needs("user-namespaces", "gcc")
Runner = Callable[..., "subprocess.CompletedProcess[str]"]

TASK = """
[task]
name = "sum"
[limits]
cpu = "1s"
wall = "5s"
memory = "128M"
output = "64K"
[[group]]
name = "samples"
tests = "tests/s*.in"
[[group]]
name = "large"
points = 70
needs = ["samples"]
stop_at_first_failure = true
tests = "tests/l*.in"
[[group]]
name = "each"
points = 30
each = true
tests = "tests/[sl]*.in"
"""
TESTS = {"s1": (1, 2), "l1": (10, 20), "l2": (100, 200)}
C = '#include <stdio.h>\nint main(void) { long a, b; scanf("%ld %ld", &a, &b); '
SUBMISSIONS = {
    "ann/main.c": C + 'printf("%ld\\n", a + b); }',
    "bob/sum.py": "a, b = map(int, input().split())\nprint(a + b if a < 100 else a)\n",
    "cy/main.c": C + "return x; }",
    "dan/main.c": C + "for (;;) a++; }",
    "eve/main.py": "print('Accepted')\nraise SystemExit(3)\n",
    "fay/notes.txt": "no program\n",
    "gus/main.c": '#include "add.h"\n' + C + 'printf("%ld\\n", add(a, b)); }',
    "gus/add.h": "static long add(long a, long b) { return a + b; }\n",
}
EXPECTED = {
    "ann": ("c", "AC", 100),
    "bob": ("python", "WA", 20),
    "cy": ("c", "CE", 0),
    "dan": ("c", "TLE", 0),
    "eve": ("python", "RE", 0),
    "fay": ("", "CE", 0),
    "gus": ("c", "AC", 100),
}


@pytest.fixture
def task(tmp_path: Path) -> Path:
    write(tmp_path, {"TASK.toml": TASK})
    for name, (a, b) in TESTS.items():
        write(tmp_path, {f"tests/{name}.in": f"{a} {b}\n", f"tests/{name}.ans": f"{a + b}\n"})
    return tmp_path


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def judge(pyrootless: Runner, folder: Path, *words: str) -> dict[str, tuple[str, str, float]]:
    """Submission → language, verdict, points."""
    done = pyrootless("judge", str(folder), "--json", "-", *words, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["submissions"]
    return {row["name"]: (row["language"], row["verdict"], row["points"]) for row in rows}


def test_a_class(pyrootless: Runner, task: Path) -> None:
    write(task / "submissions", SUBMISSIONS)
    out = [f"--{kind}={task / kind}" for kind in ("report", "junit", "csv")]
    assert judge(pyrootless, task, "-j2", *out) == EXPECTED
    page = (task / "report").read_text()
    assert all(name in page for name in EXPECTED)
    table = list(csv.reader(io.StringIO((task / "csv").read_text())))
    assert table[1] == ["ann", "c", "AC", "100", "100", "0", "70", "30"]
    assert (task / "junit").read_text().count("<testsuite ") == len(EXPECTED)
    assert not list(task.glob(".judge-*"))


def test_a_report_that_cannot_be_written_stops_no_other(pyrootless: Runner, task: Path) -> None:
    """All others are written, the table is printed; then it is told."""
    write(task / "submissions", {name: SUBMISSIONS[name] for name in ("bob/sum.py",)})
    (task / "file").touch()
    out = ["--report", task / "file/page", "--csv", "/", "--junit", task / "junit"]
    done = pyrootless("judge", task, "-q", *out, "--json", task / "json")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.splitlines() == [
        f"pyrootless: cannot write {task}/file/page: Not a directory; "
        "cannot write /: Is a directory",
        "  remedy: name another place",
    ]
    [row] = json.loads((task / "json").read_text())["submissions"]
    assert row["name"] == "bob"
    assert "bob" in (task / "junit").read_text()


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">/dev/full"])
def test_nobody_reads_what_a_batch_says(
    redirection: str, launcher: Path, engine_environment: dict[str, str], task: Path
) -> None:
    write(task / "submissions", {name: SUBMISSIONS[name] for name in ("ann/main.c",)})
    line = f'exec "$@" {redirection}'
    words = ["sh", "-c", line, "sh", launcher, "judge", task, "--csv", task / "csv"]
    done = subprocess.run(
        [*words, "--json", "-"], env=engine_environment, capture_output=True, timeout=60
    )
    assert done.returncode == (125 if redirection.startswith(">") else 0), done.stderr
    assert (task / "csv").read_text().splitlines()[1].startswith("ann,c,AC,100")
    if redirection.startswith("2"):
        assert json.loads(done.stdout)["submissions"][0]["verdict"] == "AC"


def test_the_same_twice_whatever_runs_beside_it(pyrootless: Runner, task: Path) -> None:
    write(task / "submissions", SUBMISSIONS)
    one = judge(pyrootless, task, "-j1")
    assert one == judge(pyrootless, task, "-j4") == EXPECTED


def test_what_a_teacher_is_shown_of_failures(pyrootless: Runner, task: Path) -> None:
    noise = 'import sys\nfor n in range(99): print(n, "é<b>\\x1b", file=sys.stderr)\n'
    write(task / "submissions", {"a/main.py": f"{noise}1 / 0\n"})
    write(task / "submissions", {"b/main.c": C + "int x = y; int z = w; }"})
    text = '[[group]]\nname = "g"\ntests = ["tests/l1.in", "tests/[sl]1.in"]\n'
    write(task, {"TASK.toml": text})
    files = {kind: task / f".{kind}" for kind in ("json", "report", "junit")}
    done = pyrootless("judge", str(task), *(f"--{kind}={path}" for kind, path in files.items()))
    assert done.returncode == 0, done.stderr
    failed, broken = json.loads(files["json"].read_text())["submissions"]
    [group] = failed["groups"]
    assert [test["name"] for test in group["tests"]] == ["g/l1", "g/s1"]
    lines = group["tests"][0]["stderr"].splitlines()
    assert (len(lines), lines[-1]) == (40, "ZeroDivisionError: division by zero")
    assert "98 é<b>\x1b" in lines
    assert "error: ‘y’ undeclared" in broken["log"]
    shown = "98 é&lt;b&gt;\\x1b\n"
    assert all(shown in files[kind].read_text() for kind in ("report", "junit"))
    [row] = [line for line in done.stdout.splitlines() if line.startswith("b ")]
    assert "main.c:2:" in row and "error: ‘y’ undeclared" in row and "‘w’" not in row


def test_what_ends_a_batch_is_the_tasks(pyrootless: Runner, task: Path) -> None:
    write(task / "submissions", {"ann/main.c": C + "}"})
    write(task, {"TASK.toml": '[task]\nimage = "127.0.0.1:1/none"\n[[group]]\nname = "g"\n'})
    done = pyrootless("judge", str(task))
    assert done.returncode == 125
    assert "http://127.0.0.1:1 cannot be reached: Connection refused" in done.stderr
    assert "\n  remedy: check name" in done.stderr
    assert "submission" not in done.stderr and "IE" not in done.stderr
    text = '[check]\nkind = "program"\nprogram = "none.py"\n[[group]]\nname = "g"\n'
    write(task, {"TASK.toml": text})
    write(task / "submissions", {"ann/main.c": C + "return 0; }"})
    done = pyrootless("judge", str(task))
    assert done.returncode == 125
    assert "there is no program none.py in the task's folder" in done.stderr
    assert "ann" not in done.stderr


STRANGE = b"m\xfcller\x1b[2J\r\xc2\x9b\\n"
SHOWN = "m\\udcfcller\\x1b[2J\\r\\x9b\\\\n"


def test_names_that_are_no_text(pyrootless: Runner, task: Path) -> None:
    """As old zip files leave them: every report is written, and a terminal obeys none."""
    folder = Path(os.fsdecode(bytes(task / "submissions") + b"/" + STRANGE))
    write(folder, {os.fsdecode(b"\xe4\x1b.c"): C + 'printf("%ld\\n", a + b); }'})
    write(task / "submissions", {"ok/main.c": "int main(void) { return 1; }"})
    out = [f"--{kind}={task / kind}" for kind in ("json", "report", "junit", "csv")]
    done = pyrootless("judge", str(task), *out, timeout=300)
    assert done.returncode == 0, done.stderr
    reports = {kind: (task / kind).read_text() for kind in ("json", "report", "junit", "csv")}
    names = {row["name"]: row["verdict"] for row in json.loads(reports["json"])["submissions"]}
    assert names == {SHOWN: "AC", "ok": "RE"}
    assert all(SHOWN in reports[kind] for kind in ("report", "junit", "csv"))
    for text in (done.stdout, done.stderr, *reports.values()):
        assert not set(text) & set("\x1b\x9b\r\udcfc")
    assert SHOWN in done.stdout and f"{SHOWN}: AC" in done.stderr


def test_a_batch_with_such_a_name_goes_on(pyrootless: Runner, task: Path) -> None:
    """The journal finds its own lines again."""
    one = load_task(task)
    folder = Path(os.fsdecode(bytes(task / "submissions") + b"/" + STRANGE))
    write(folder, {"main.py": "print(sum(map(int, input().split())))"})
    [submission] = find_submissions(one, [])
    result = SubmissionResult(submission.name, "python", "AC", b"", ())
    with Journal(task / ".journal", task_digest(one)) as journal:
        journal.add(digest_files(list_files(submission)), result)
    found = judge(pyrootless, task, f"--journal={task / '.journal'}")
    assert found == {SHOWN: ("python", "AC", 0)}


def test_words_of_a_checker_program(pyrootless: Runner, task: Path) -> None:
    checker = (
        "import sys\n"
        "out, answer = (open(name).read().split() for name in sys.argv[2:4])\n"
        "if not out: raise SystemExit(7)\n"
        "if out[0] != answer[0]: print('not the sum'); raise SystemExit(1)\n"
    )
    text = '[check]\nkind = "program"\nprogram = "check.py"\n' + TASK
    write(task, {"TASK.toml": text, "check.py": checker})
    write(
        task / "submissions", {"a/main.py": "a, b = map(int, input().split())\nprint(a + b)\n"}
    )
    write(task / "submissions", {"b/main.py": "print(7)\n", "c/main.py": "pass\n"})
    found = judge(pyrootless, task)
    assert [row[1] for row in found.values()] == ["AC", "WA", "IE"]


def test_inputs_made_by_a_generator(pyrootless: Runner, task: Path) -> None:
    group = (
        '[[group]]\nname = "g"\npoints = 1\n[group.generate]\nprogram = "make.py"\n'
        'args = ["5"]\nseeds = [1, 2]\nsolution = "ref.py"\n'
    )
    write(task, {"TASK.toml": group, "ref.py": "print(sum(map(int, input().split())))\n"})
    write(task, {"make.py": "import sys\nprint(sys.argv[1], sys.argv[2])\n"})
    write(task / "submissions", {"a.py": "print(6 if '1' in input().split() else 7)\n"})
    assert judge(pyrootless, task) == {"a.py": ("python", "AC", 1.0)}


INTERACTOR = (
    "import sys\n"
    "secret = int(open('input').read())\n"
    "for _ in range(20):\n"
    "    line = sys.stdin.readline()\n"
    "    if not line.strip(): raise SystemExit(1)\n"
    "    guess = int(line)\n"
    "    if guess == secret: raise SystemExit(0)\n"
    "    print('<' if secret < guess else '>', flush=True)\n"
    "sys.stderr.write('too many guesses\\n')\n"
    "raise SystemExit(1)\n"
)
GUESSERS = {
    "a/main.py": (
        "low, high = 0, 1000\n"
        "while True:\n"
        "    middle = (low + high) // 2\n"
        "    print(middle, flush=True)\n"
        "    try: answer = input()\n"
        "    except EOFError: break\n"
        "    if answer == '<': high = middle\n"
        "    else: low = middle + 1\n"
    ),
    "b/main.py": "while True:\n    print(1, flush=True)\n    input()\n",
    "c/main.py": "import time\nprint(1)\ntime.sleep(1000)\n",
    "d/main.py": "raise SystemExit(9)\n",
    "e/main.py": "while True: print(5)\n",
    "f/main.py": "print(700, flush=True)\nwhile True: print(9 * '7')\n",
}


def test_programs_that_talk(pyrootless: Runner, task: Path) -> None:
    text = (
        '[limits]\nwall = "2s"\n[interactor]\nprogram = "talk.py"\n'
        '[[group]]\nname = "g"\npoints = 1\ntests = "tests/n.in"\n'
    )
    write(task, {"TASK.toml": text, "talk.py": INTERACTOR, "tests/n.in": "700\n"})
    write(task / "submissions", GUESSERS)
    found = {name: row[1] for name, row in judge(pyrootless, task).items()}
    assert found == {"a": "AC", "b": "WA", "c": "ILE", "d": "RE", "e": "WA", "f": "AC"}


def test_an_interrupted_batch_goes_on(
    launcher: Path, engine_environment: dict[str, str], pyrootless: Runner, task: Path
) -> None:
    write(task / "submissions", SUBMISSIONS)
    write(task / "submissions", {"zoe/main.py": "import time\ntime.sleep(1000)\n"})
    words = [str(launcher), "judge", str(task), "-j1", f"--csv={task / 'csv'}"]
    child = subprocess.Popen(words, env=engine_environment, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith("bob:"):
            child.send_signal(signal.SIGINT)
            break
    rest = child.stderr.read()
    assert child.wait(timeout=60) == 130, rest
    child.stderr.close()
    assert not (task / "csv").exists()
    done = pyrootless("judge", str(task), "-j2", f"--csv={task / 'csv'}", timeout=300)
    assert done.returncode == 0, done.stderr
    count = int(done.stderr.split("resumed: ")[1].split()[0])
    assert 2 <= count < len(EXPECTED)
    table = list(csv.reader(io.StringIO((task / "csv").read_text())))
    verdicts = {row[0]: row[2] for row in table[1:]}
    assert verdicts == {name: row[1] for name, row in EXPECTED.items()} | {"zoe": "ILE"}


@pytest.mark.parametrize(
    ("files", "words", "text"),
    [
        ({}, ["missing"], "there is no submission missing"),
        ({}, [], "there is no submission"),
        ({"TASK.toml": "x = 1"}, [], 'no key "x"'),
        ({"tests/s1.ans": None, "submissions/a.py": "print(1)"}, [], "no answer to compare"),
        ({"submissions/a.py": "1"}, ["--report=/nowhere/x"], "cannot write /nowhere/x"),
    ],
)
def test_what_a_teacher_got_wrong(
    pyrootless: Runner, task: Path, files: dict[str, str | None], words: list[str], text: str
) -> None:
    for name, content in files.items():
        if content is None:
            (task / name).unlink()
        else:
            write(task, {name: content})
    done = pyrootless("judge", str(task), *words, timeout=120)
    assert done.returncode == 125
    assert text in done.stderr
