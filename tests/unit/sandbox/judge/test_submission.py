"""sandbox.judge.submission: which files, which language, and what no submission may be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrootless.errors import UsageError
from pyrootless.sandbox.judge import submission
from pyrootless.sandbox.judge.submission import (
    Submission,
    Unfit,
    find_submissions,
    list_files,
    read_sources,
    task_languages,
)
from pyrootless.sandbox.judge.task import Task, load_task

GROUP = '[[group]]\nname = "g"\n'


def task(folder: Path, text: str = "") -> Task:
    (folder / "TASK.toml").write_text(text + GROUP)
    return load_task(folder)


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_names_are_as_long_as_they_must_be(tmp_path: Path) -> None:
    put(tmp_path, "submissions/b/x.c", "submissions/a/x.c", "submissions/.hidden/x.c")
    one = task(tmp_path)
    assert [s.name for s in find_submissions(one, [])] == ["a", "b"]
    put(tmp_path, "1/main.c", "2/main.c")
    words = [str(tmp_path / "2/main.c"), str(tmp_path / "1/main.c")]
    assert [s.name for s in find_submissions(one, words)] == ["1/main.c", "2/main.c"]


def test_links_and_pipes_are_no_files(tmp_path: Path) -> None:
    put(tmp_path, "s/main.c", "s/.git/config", "secret")
    (tmp_path / "s" / "link.c").symlink_to(tmp_path / "secret")
    (tmp_path / "s" / "folder").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "s" / "pipe.c")
    found = list_files(Submission("s", tmp_path / "s"))
    assert [name for name, _ in found] == ["main.c"]


def test_the_main_file_comes_first(tmp_path: Path) -> None:
    put(tmp_path, "s/a.c", "s/main.c", "s/a.h", "s/data/in.txt")
    sources = read_sources(task(tmp_path), Submission("s", tmp_path / "s"))
    assert sources.language.name == "c"
    assert list(sources.sources) == ["main.c", "a.c"]
    assert sorted(sources.others) == ["a.h", "data/in.txt"]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "there is no file"),
        (["notes.txt"], "no file is in a language of this task"),
        (["a.c", "b.py"], "files of several languages: c, python"),
    ],
)
def test_what_cannot_be_judged(tmp_path: Path, names: list[str], text: str) -> None:
    (tmp_path / "s").mkdir()
    put(tmp_path / "s", *names)
    with pytest.raises(Unfit, match=text):
        read_sources(task(tmp_path), Submission("s", tmp_path / "s"))


def test_one_main_file_among_several_languages(tmp_path: Path) -> None:
    put(tmp_path, "s/main.py", "s/helper.c")
    found = read_sources(task(tmp_path), Submission("s", tmp_path / "s"))
    assert (found.language.name, list(found.others)) == ("python", ["helper.c"])


def test_too_many_and_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "s/a.c", "s/b.c")
    monkeypatch.setattr(submission, "MAX_FILES", 1)
    with pytest.raises(Unfit, match="more than 1 files"):
        list_files(Submission("s", tmp_path / "s"))
    monkeypatch.setattr(submission, "MAX_FILES", 9)
    monkeypatch.setattr(submission, "MAX_BYTES", 5)
    with pytest.raises(Unfit, match="MiB of files"):
        list_files(Submission("s", tmp_path / "s"))


def test_languages_of_a_task(tmp_path: Path) -> None:
    text = (
        '[languages.c]\ncompile = ["cc", "{sources}"]\nextra_memory = "8M"\n'
        '[languages.mine]\nrun = ["./it"]\nextensions = [".m"]\n'
    )
    found = task_languages(task(tmp_path, text))
    assert sorted(found) == ["c", "mine"]
    assert found["c"].compile == ("cc", "{sources}")
    assert (found["c"].extensions, found["c"].extra_memory_bytes) == ((".c",), 8 << 20)
    assert found["mine"].run == ("./it",)


def test_a_profile_without_meaning(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\[languages.c\]: wrong: not known"):
        task_languages(task(tmp_path, "[languages.c]\nwrong = 1\n"))
    with pytest.raises(UsageError, match=r"\[languages.new\]: run: the command is missing"):
        task_languages(task(tmp_path, '[languages.new]\nextensions = [".n"]\n'))
