"""pyrootless.sandbox.judge.batch: what makes an interrupted batch another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrootless.sandbox.judge.batch import task_digest
from pyrootless.sandbox.judge.task import load_task

TASK = """
[interactor]
program = "programs/talk.py"
[check]
kind = "program"
program = "programs/check.py"
[[group]]
name = "a"
tests = "tests/*.in"
[[group]]
name = "b"
generate = { program = "programs/make.py", solution = "programs/ref.py" }
"""
FILES = ("tests/1.in", "tests/1.ans", *(f"programs/{n}.py" for n in ("talk", "check", "make")))


@pytest.mark.parametrize("changed", ["TASK.toml", *FILES, "programs/ref.py"])
def test_every_file_of_the_task_counts(tmp_path: Path, changed: str) -> None:
    for name in (*FILES, "programs/ref.py", "TASK.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(TASK if name == "TASK.toml" else name)
    before = task_digest(load_task(tmp_path))
    assert task_digest(load_task(tmp_path)) == before
    with (tmp_path / changed).open("a") as stream:
        stream.write("\n")
    assert task_digest(load_task(tmp_path)) != before
