"""A generated class in four languages, right, wrong and slow, between attacks, judged twice.

In: compilers of the machine, the hostile corpus; PYROOTLESS_TEST_CLASS: how many submissions
(8; `make test-class`: 400), PYROOTLESS_TEST_PAGE: a file for the page that a teacher reads.
Out: the verdicts, which are the same both times, and those of a run alone.
Never: a time asserted; a verdict of an attack, but that it is not right.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyrootless.sandbox.languages.table import find_language
from pyrootless.sandbox.selftest.attacks import Attack, find_attacks

pytestmark = [pytest.mark.alone, pytest.mark.needs("user-namespaces", "gcc", "g++")]
Runner = Callable[..., "subprocess.CompletedProcess[str]"]

MANY = int(os.environ.get("PYROOTLESS_TEST_CLASS", "8"))
REPORT = os.environ.get("PYROOTLESS_TEST_PAGE")
TASK = """
[task]
name = "sum"
[limits]
cpu = "1s"
wall = "10s"
memory = "256M"
procs = 16
output = "64K"
disk = "4M"
[[group]]
name = "all"
points = 100
each = true
tests = "tests/*.in"
"""
TESTS = {"small": (1, 2), "large": (40000, 2000)}

C_HEAD = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"
C_HEAD += 'int main(void) { long a, b; if (scanf("%ld %ld", &a, &b) != 2) return 9; '
CPP_HEAD = "#include <cstdlib>\n#include <cstring>\n#include <iostream>\n#include <vector>\n"
CPP_HEAD += "#include <unistd.h>\nint main() { long a, b; std::cin >> a >> b; "
PYTHON_HEAD = "import os\na, b = map(int, input().split())\n"
SHELL_HEAD = "#!/bin/sh\nread a b\n"
FORKS = """
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
LANGUAGES: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "c": (
        "main.c",
        "/* NUMBER */\n" + C_HEAD,
        " }\n",
        {
            "right": 'printf("%ld\\n", a + b);',
            "wrong": 'printf("%ld\\n", a - b);',
            "slow": "for (volatile long i = 0;; i++) a += i;",
            "memory": "for (;;) memset(malloc(1 << 20), 1, 1 << 20);",
            "flood": 'for (;;) puts("flood");',
            "forks": "for (;;) fork();",
            "crash": "*(volatile int *)0 = 1;",
            "asleep": "for (;;) pause();",
        },
    ),
    "c++": (
        "main.cpp",
        "// NUMBER\n" + CPP_HEAD,
        " }\n",
        {
            "right": "std::cout << a + b << std::endl;",
            "wrong": "std::cout << a * b << std::endl;",
            "slow": "for (volatile long i = 0;; i = i + 1) a += i;",
            "memory": "std::vector<char *> v; for (;;) { v.push_back(new char[1 << 20]);"
            " std::memset(v.back(), 1, 1 << 20); }",
            "flood": 'for (;;) std::cout << "flood\\n";',
            "forks": "for (;;) if (fork() == 0) for (;;) fork();",
            "crash": "std::abort();",
            "asleep": "sleep(1000);",
        },
    ),
    "python": (
        "main.py",
        "# NUMBER\n" + PYTHON_HEAD,
        "\n",
        {
            "right": "print(a + b)",
            "wrong": "print(a or b)",
            "slow": "while True:\n    a += 1",
            "memory": "x = []\nwhile True:\n    x.append(bytearray(1 << 20))",
            "flood": "while True:\n    print('flood' * 100)",
            "forks": FORKS,
            "crash": "raise SystemExit(3)",
            "asleep": "import time\ntime.sleep(1000)",
        },
    ),
    "shell": (
        "main.sh",
        SHELL_HEAD + "# NUMBER\n",
        "\n",
        {
            "right": "echo $((a + b))",
            "wrong": "echo $a",
            "slow": "while :; do :; done",
            "memory": "exec sort /dev/zero",
            "flood": "while :; do echo flood; done",
            "forks": "while :; do sleep 1000 & done",
            "crash": "kill -SEGV $$",
            "asleep": "sleep 1000",
        },
    ),
}
KINDS = (
    "right",
    "wrong",
    "slow",
    "memory",
    "right",
    "flood",
    "forks",
    "right",
    "crash",
    "asleep",
)
KNOWN = {"right": "AC", "wrong": "WA", "slow": "TLE"}


# Each ends within a second or two.
SMALL = (
    "answer-hunt.py",
    "cpu-rlimit.c",
    "files-many.c",
    "flood-both.c",
    "fork-bomb.c",
    "fork-comet.c",
    "kill-all.c",
    "memory-shared.c",
)
SHARED = [Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")]
MARK = "pyrootless-hostile-mark"
PR_SET_CHILD_SUBREAPER = 36


def corpus() -> list[Attack]:
    """What this machine has a compiler for; of a small class those of SMALL."""
    return [
        attack
        for attack in find_attacks()
        if all(shutil.which(need) for need in find_language(attack.name).needs)
        and (MANY >= len(find_attacks()) or attack.name in SMALL)
    ]


def left_groups() -> set[str]:
    """Control groups of sandboxes of this user's whose maker is gone."""
    return {
        f"{folder}/{name}"
        for folder, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if name.startswith("pyrootless-5a4db0c5")
        and not Path(f"/proc/{int(name[27:35], 16)}").exists()
    }


def write_ordinary(folder: Path, number: int) -> tuple[str, str]:
    """Submission and its kind; every language has every kind in turn."""
    language = list(LANGUAGES)[number % len(LANGUAGES)]
    kind = KINDS[(number // len(LANGUAGES) + 2 * (number % len(LANGUAGES))) % len(KINDS)]
    file, head, tail, bodies = LANGUAGES[language]
    name = f"{number:03}-{kind}-{language.replace('+', 'p')}"
    (folder / name).mkdir(parents=True)
    (folder / name / file).write_text(head.replace("NUMBER", str(number)) + bodies[kind] + tail)
    return name, kind


def write_hostile(folder: Path, number: int, attack: Attack) -> None:
    """Between two ordinary ones; a comment makes it another program each time."""
    place = folder / f"{number:03}-then-{attack.path.stem}"
    place.mkdir(parents=True)
    text = attack.path.read_bytes()
    comment = (
        b"// %d\n" if attack.path.suffix in (".c", ".cpp", ".go", ".java", ".js") else b"# %d\n"
    )
    (place / attack.name).write_bytes(text + b"\n" + comment % number)


def write_task(folder: Path) -> Path:
    """The task alone; answers its folder of submissions."""
    (folder / "tests").mkdir(parents=True)
    (folder / "TASK.toml").write_text(TASK)
    for name, (a, b) in TESTS.items():
        (folder / f"tests/{name}.in").write_text(f"{a} {b}\n")
        (folder / f"tests/{name}.ans").write_text(f"{a + b}\n")
    return folder / "submissions"


def judge(pyrootless: Runner, folder: Path, *words: str) -> dict[str, list[str]]:
    """Submission → its verdict, and that of each test."""
    done = pyrootless("judge", str(folder), "--json", "-", *words, timeout=3600)
    assert done.returncode == 0, done.stderr
    return {
        row["name"]: [row["verdict"]]
        + [test["verdict"] for group in row["groups"] for test in group["tests"]]
        for row in json.loads(done.stdout)["submissions"]
    }


def children() -> set[int]:
    """Of every thread of this process; servers of the whole run are among them."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(pid) for found in lists for pid in found.read_text().split()}


def left_processes(before: set[int]) -> set[int]:
    """New children that live on half a minute later."""
    deadline = time.monotonic() + 30
    while (left := children() - before) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)
    return left


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """What a judge leaves becomes this process's: nothing may; nor a group, nor a file."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    groups, before = left_groups(), children()
    assert prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    left = left_processes(before)
    assert prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0
    assert left == set()
    assert left_groups() - groups == set()
    assert [place for place in SHARED for _ in place.glob(f"{MARK}*")] == []


@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("nothing_left")
def test_hostile_neighbours_change_no_verdict(pyrootless: Runner, tmp_path: Path) -> None:
    """Every second submission is an attack; the others are judged as they are alone."""
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    kinds = {}
    attacks = corpus()
    for folder in (alone, beside):
        submissions = write_task(folder)
        for number in range(MANY // 2):
            name, kind = write_ordinary(submissions, number)
            kinds[name] = kind
            if folder == beside:
                write_hostile(submissions, number, attacks[number % len(attacks)])
    expected = judge(pyrootless, alone, "-j1")
    first = judge(pyrootless, beside, "-j4", f"--report={REPORT or tmp_path / 'page'}")
    second = judge(pyrootless, beside, "-j4")
    assert (len(first), len(second)) == (2 * len(kinds), 2 * len(kinds))
    wrong = {
        name: (row, first[name], second[name])
        for name, row in expected.items()
        if not row == first[name] == second[name]
    }
    assert wrong == {}
    known = {name: KNOWN[kind] for name, kind in kinds.items() if kind in KNOWN}
    assert {name: expected[name][0] for name in known} == known
    assert [name for name in first if name not in known and first[name][0] == "AC"] == []


def test_what_is_left_is_seen(nothing_left: None, tmp_path: Path) -> None:
    """An orphan of a judge's becomes a child of this process."""
    subprocess.run(
        ["sh", "-c", "sleep 600 & echo $! >pid"], cwd=tmp_path, check=True, timeout=60
    )
    left = int((tmp_path / "pid").read_text())
    found = children()
    os.kill(left, signal.SIGKILL)
    assert left in found
