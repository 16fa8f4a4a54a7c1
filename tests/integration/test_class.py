"""A generated class in four languages, right, wrong, slow and hostile, judged twice.

In: compilers of the machine; PYROOTLESS_TEST_CLASS: how many submissions (20; `make
test-class`: 200), PYROOTLESS_TEST_PAGE: a file for the page that a teacher reads.
Out: the verdicts, which are the same both times.
Never: a time asserted.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("user-namespaces", "gcc", "g++")
Runner = Callable[..., "subprocess.CompletedProcess[str]"]

MANY = int(os.environ.get("PYROOTLESS_TEST_CLASS", "20"))
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


def write_class(folder: Path) -> dict[str, str]:
    """Submission → its kind; every language has every kind in turn."""
    kinds = {}
    for number in range(MANY):
        language = list(LANGUAGES)[number % len(LANGUAGES)]
        kind = KINDS[number // len(LANGUAGES) % len(KINDS)]
        file, head, tail, bodies = LANGUAGES[language]
        name = f"{number:03}-{kind}-{language.replace('+', 'p')}"
        (folder / name).mkdir(parents=True)
        (folder / name / file).write_text(
            head.replace("NUMBER", str(number)) + bodies[kind] + tail
        )
        kinds[name] = kind
    return kinds


def judge(pyrootless: Runner, folder: Path, *words: str) -> dict[str, list[str]]:
    """Submission → its verdict, and that of each test."""
    done = pyrootless("judge", str(folder), "--json", "-", *words, timeout=1200)
    assert done.returncode == 0, done.stderr
    return {
        row["name"]: [row["verdict"]]
        + [test["verdict"] for group in row["groups"] for test in group["tests"]]
        for row in json.loads(done.stdout)["submissions"]
    }


def test_a_class_is_judged_twice_with_the_same_verdicts(
    pyrootless: Runner, tmp_path: Path
) -> None:
    (tmp_path / "TASK.toml").write_text(TASK)
    (tmp_path / "tests").mkdir()
    for name, (a, b) in TESTS.items():
        (tmp_path / f"tests/{name}.in").write_text(f"{a} {b}\n")
        (tmp_path / f"tests/{name}.ans").write_text(f"{a + b}\n")
    kinds = write_class(tmp_path / "submissions")
    first = judge(pyrootless, tmp_path, "-j2", f"--report={REPORT or tmp_path / 'page'}")
    second = judge(pyrootless, tmp_path, "-j2")
    assert len(first) == MANY
    assert {
        name: (row, second[name]) for name, row in first.items() if second[name] != row
    } == {}
    known = {name: KNOWN[kind] for name, kind in kinds.items() if kind in KNOWN}
    assert {name: first[name][0] for name in known} == known
    assert [name for name in first if name not in known and first[name][0] == "AC"] == []
