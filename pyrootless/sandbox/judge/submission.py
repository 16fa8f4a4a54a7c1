"""Submissions: folders and files of students → what is put into a box.

What comes in: paths.
What goes out: names and contents of regular files, and the language they are written in.
Must never: follow a link, read anything but regular files, take more than the limits below.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pyrootless.errors import UsageError
from pyrootless.printable import printable_name
from pyrootless.sandbox import File
from pyrootless.sandbox.judge.task import Task
from pyrootless.sandbox.languages import Language, languages, parse_language

MAX_FILES = 1000
MAX_BYTES = 64 << 20
_MAIN_STEMS = ("main", "solution", "program", "submission")
_HIDDEN = (".git", "__pycache__", "node_modules")


@dataclass(frozen=True, slots=True)
class Submission:
    """One student's files.

    Attributes:
        name: As it is shown, printable: unique in a batch.
        path: A file, or a folder.
    """

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Sources:
    """What a submission is made of.

    Attributes:
        language: What it is written in.
        sources: Sources by name, the main one first; bytes that are no UTF-8 are U+FFFD.
        others: Further files (headers, data), by name.
    """

    language: Language
    sources: Mapping[str, File]
    others: Mapping[str, File]


class Unfit(Exception):
    """A submission that cannot be judged, for a reason of its own; told to the student."""


def find_submissions(task: Task, named: Sequence[str]) -> list[Submission]:
    """The submissions of a batch, sorted by name.

    Args:
        named: Of the command line; empty: the task's own pattern.

    Raises:
        UsageError: There is none, or one that is not there.
    """
    if named:
        paths = [Path(word) for word in named]
        for path in paths:
            if not path.exists():
                raise UsageError(f"there is no submission {path}", remedy="check the path")
    else:
        pattern = task.submissions or "submissions/*"
        paths = [path for path in task.folder.glob(pattern) if not path.name.startswith(".")]
    if not paths:
        raise UsageError(
            f"{task.name}: there is no submission",
            remedy="name some: pyrootless judge TASK.toml PATH…; or set path in [submissions]",
        )
    return _named(sorted({path.absolute() for path in paths}))


def _named(paths: list[Path]) -> list[Submission]:
    """The last part of each path, or as many as tell them apart."""
    parts = 1
    while parts < 64:
        names = [printable_name("/".join(path.parts[-parts:])) for path in paths]
        if len(set(names)) == len(names):
            break
        parts += 1
    return sorted(
        (Submission(name, path) for name, path in zip(names, paths, strict=True)),
        key=lambda submission: submission.name,
    )


def list_files(submission: Submission) -> list[tuple[str, Path]]:
    """Name and path of each regular file, sorted.

    Raises:
        Unfit: They are too many or too large, or there is none.
    """
    found = sorted(_walk(submission.path))
    if len(found) > MAX_FILES:
        raise Unfit(f"more than {MAX_FILES} files")
    if sum(path.lstat().st_size for _, path in found) > MAX_BYTES:
        raise Unfit(f"more than {MAX_BYTES >> 20} MiB of files")
    if not found:
        raise Unfit("there is no file")
    return found


def _walk(top: Path) -> Iterator[tuple[str, Path]]:
    if stat.S_ISREG(top.lstat().st_mode):
        yield top.name, top
        return
    for folder, below, names in os.walk(top, followlinks=False):
        below[:] = sorted(name for name in below if name not in _HIDDEN)
        for name in names:
            path = Path(folder) / name
            if stat.S_ISREG(path.lstat().st_mode):
                yield str(path.relative_to(top)), path


def read_sources(task: Task, submission: Submission) -> Sources:
    """The files of a submission and its language.

    Raises:
        Unfit: No language fits, several do, or a file cannot be read.
    """
    files = {name: _read(path) for name, path in list_files(submission)}
    candidates = [
        (language, [name for name in files if Path(name).suffix in language.extensions])
        for language in task_languages(task).values()
    ]
    fitting = [(language, names) for language, names in candidates if names]
    if len(fitting) > 1:
        mains = [row for row in fitting if any(map(_is_main, row[1]))]
        fitting = mains if len(mains) == 1 else fitting
    if not fitting:
        raise Unfit("no file is in a language of this task")
    if len(fitting) > 1:
        raise Unfit("files of several languages: " + ", ".join(row[0].name for row in fitting))
    language, names = fitting[0]
    ordered = sorted(names, key=lambda name: (not _is_main(name), name))
    sources = {_as_text(name): files[name] for name in ordered}
    if len(sources) < len(ordered):
        raise Unfit("several files have one name where what is no UTF-8 is left out")
    others = {name: file for name, file in files.items() if name not in ordered}
    return Sources(language, sources, others)


def _as_text(name: str) -> str:
    """A name that may stand on a command line, which is UTF-8."""
    return os.fsencode(name).decode(errors="replace")


def _is_main(name: str) -> bool:
    return Path(name).stem.lower() in _MAIN_STEMS


def _read(path: Path) -> File:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            return File(stream.read(MAX_BYTES + 1), mode & 0o755 | 0o444)
    except OSError as error:
        name = printable_name(path.name)
        raise Unfit(f"{name} cannot be read: {error.strerror}") from error


def task_languages(task: Task) -> dict[str, Language]:
    """The languages a task takes: those it names, or all there are.

    Raises:
        UsageError: A profile has no meaning.
    """
    known = languages()
    if not task.languages:
        return known
    return {name: _tuned(task, known, name) for name in task.languages}


def _tuned(task: Task, known: Mapping[str, Language], name: str) -> Language:
    profile = dict(task.languages[name].profile)
    try:
        if name not in known:
            return parse_language(name, profile)
        given = parse_language(name, {"run": list(known[name].run), **profile})
    except UsageError as error:
        raise UsageError(
            f"{task.folder}/TASK.toml: [languages.{name}]: {error.args[0]}",
            remedy="see docs/judging.md",
        ) from None
    fields = {"extra_memory": "extra_memory_bytes"}
    changes = {fields.get(key, key): getattr(given, fields.get(key, key)) for key in profile}
    return replace(known[name], **changes)
