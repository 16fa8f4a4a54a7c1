"""pyrootless.sandbox.judge.task: what a TASK.toml means, and what is wrong with a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrootless.errors import UsageError
from pyrootless.sandbox.judge.checkers import Check
from pyrootless.sandbox.judge.task import Case, load_task

FULL = """
[task]
name = "week3-sum"
allow_hosts = ["example.org:443"]
near = 0.2
reruns = 3
[limits]
cpu = "1s"
memory = "128M"
[compile]
wall = "20s"
[check]
kind = "lines"
[languages.python]
run = ["python3", "{main}"]
cpu_times = 3
cpu_plus = "250ms"
limits = { memory = "256M" }
[[group]]
name = "samples"
tests = "tests/s-*.in"
[[group]]
name = "large"
points = 70
needs = ["samples"]
stop_at_first_failure = true
tests = "tests/l-*.in"
args = ["-x"]
limits = { cpu = "2s" }
check = { kind = "float", abs = 1e-6 }
[submissions]
path = "submissions/*/"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tests = tmp_path / "tests"
    tests.mkdir()
    for name in ("s-1.in", "s-1.ans", "l-2.in", "l-2.out", "l-10.in", "l-1.in", "l-1.a"):
        (tests / name).write_text(name)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    (folder / "TASK.toml").write_text(text)
    return folder


def test_everything_a_task_says(folder: Path) -> None:
    task = load_task(write(folder, FULL))
    assert (task.name, task.image, task.near, task.reruns) == ("week3-sum", "host", 0.2, 3)
    assert task.allow_hosts == ("example.org:443",)
    assert task.limits == {"cpu": "1s", "memory": "128M"}
    assert task.compile_limits == {"wall": "20s"}
    assert (task.points, task.submissions, task.interactor) == (70, "submissions/*/", "")
    samples, large = task.groups
    tests = folder / "tests"
    assert samples.tests == (Case("samples/s-1", tests / "s-1.in", tests / "s-1.ans"),)
    assert (samples.points, samples.stop, samples.check) == (0, False, Check("lines"))
    assert [(t.name, t.answer and t.answer.name, t.args) for t in large.tests] == [
        ("large/l-1", "l-1.a", ("-x",)),
        ("large/l-10", None, ("-x",)),
        ("large/l-2", "l-2.out", ("-x",)),
    ]
    assert (large.needs, large.stop, large.limits) == (("samples",), True, {"cpu": "2s"})
    assert large.check == Check("float", absolute=1e-6)
    python = task.languages["python"]
    assert python.profile == {"run": ["python3", "{main}"]}
    assert (python.cpu_times, python.cpu_plus_ns) == (3.0, 250_000_000)
    assert python.limits == {"memory": "256M"}


def test_the_least_a_task_says(folder: Path) -> None:
    task = load_task(write(folder, '[[group]]\nname = "only"\n') / "TASK.toml")
    assert task.name == folder.name
    assert task.groups[0].tests == (Case("only/1", None, None),)
    assert task.groups[0].check == Check("tokens")


GROUP = '[[group]]\nname = "a"\n'
WRONG = {
    "a = 1": 'the file has no key "a"',
    "": "[[group]] is missing",
    "[task": "Expected ']'",
    "[[group]]\n": '[[group]] 1 needs a name of letters and digits, not ""',
    '[[group]]\nname = "../x"': "needs a name of letters and digits",
    GROUP + GROUP: '[[group]] 2 has the name "a" again',
    GROUP + 'needs = ["b"]': 'group "a" needs "b", which does not stand above it',
    GROUP + 'tests = "tests/none-*"': 'group "a" finds no test: nothing matches "tests/none-*"',
    GROUP + 'tests = "../*"': "looks for tests outside of the task's folder",
    GROUP + 'tests = ["tests/*.in", "tests/none-*"]': 'nothing matches "tests/none-*"',
    GROUP + 'tests = ["tests/*.in", 5]': "is no list of texts",
    GROUP + 'tests = "/etc/passwd"': "looks for tests outside of the task's folder",
    GROUP + "points = -1": "points is no number from 0 on",
    GROUP + "points = nan": "points is no number from 0 on",
    GROUP + "points = true": "points is no number from 0 on",
    GROUP + "limits = { cpu = [1] }": "limits.cpu is no limit",
    GROUP + 'check = { kind = "magic" }': 'has no kind "magic"',
    GROUP + 'check = { kind = "program" }': "names a program where",
    GROUP + 'check = { kind = "exact", program = "x" }': "names a program where",
    GROUP + "check = 3": "is no table",
    GROUP + "needs = [1]": "needs is no list of texts",
    GROUP + "each = 1": "each is neither true nor false",
    GROUP + '[languages.c]\ncpu_plus = "soon"': "[languages.c], cpu_plus",
    'group = "a"': "[[group]] is missing",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_has_no_meaning(folder: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_task(write(folder, text))
    assert WRONG[text] in str(caught.value)
    assert str(folder / "TASK.toml") in str(caught.value)


def test_a_task_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the task"):
        load_task(tmp_path)
    (tmp_path / "TASK.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="can't decode"):
        load_task(tmp_path)


def test_tests_of_several_patterns(tmp_path: Path) -> None:
    for name in ("a/1.in", "a/2.in", "b/1.in", "b/3.in", "c.in"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    text = '[[group]]\nname = "g"\ntests = ["c.in", "b/*.in", "a/1.in", "a/*.in"]\n'
    (tmp_path / "TASK.toml").write_text(text)
    [group] = load_task(tmp_path).groups
    assert [case.name for case in group.tests] == ["g/c", "g/b/1", "g/3", "g/a/1", "g/2"]
    assert [case.input for case in group.tests] == [
        tmp_path / name for name in ("c.in", "b/1.in", "b/3.in", "a/1.in", "a/2.in")
    ]
