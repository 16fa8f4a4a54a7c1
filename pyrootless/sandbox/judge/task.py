"""TASK.toml → a Task: what is judged, how, and for how many points.

What comes in: a file a teacher wrote, and the files it names.
What goes out: a Task, frozen and complete: every pattern, need and number looked at.
Must never: run anything, guess what an unknown key means, look at a submission.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pyrootless.errors import UsageError
from pyrootless.printable import printable_name
from pyrootless.sandbox.judge.checkers import Check, Kind
from pyrootless.sandbox.warm import Warm
from pyrootless.units import parse_duration_ns

Values = Mapping[str, str | int | float]
"""Limits as written: name → "1s", "256M", 16."""

ANSWERS = (".ans", ".out", ".a")
"""Ends of answer files beside an input file, the first that is there."""
DEFAULT_NEAR = 0.1
DEFAULT_RERUNS = 2
_TUNING_KEYS = ("limits", "cpu_times", "cpu_plus")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True, slots=True)
class Case:
    """One input and its answer.

    Attributes:
        name: Group's name and the input's stem, as in "large/07"; with its folders where
            several inputs of the group have one stem.
        input: File given on standard input; None: nothing is given.
        answer: File of the expected output; None: the interactor or checker needs none.
        args: Further words of the program's command line.
        generator: Program that writes the input; "": none.
        generator_args: Its command line: the seed, after the group's own words.
        solution: Program that writes the answer to a generated input; "": none.
    """

    name: str
    input: Path | None
    answer: Path | None
    args: tuple[str, ...] = ()
    generator: str = ""
    generator_args: tuple[str, ...] = ()
    solution: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Tests that earn their points together.

    Attributes:
        name: Unique in the task.
        points: For a group whose tests are all right.
        each: The points are shared out evenly, a test at a time.
        needs: Groups that must be right before this one is run.
        stop: The first wrong test ends the group.
        tests: In the order in which they run.
        limits: Over the task's.
        check: How answers are compared.
    """

    name: str
    points: float
    each: bool
    needs: tuple[str, ...]
    stop: bool
    tests: tuple[Case, ...]
    limits: Values
    check: Check


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a task changes of a language's profile.

    Attributes:
        name: The profile's.
        profile: Keys of a language's profile (languages.py), over those of its name.
        limits: Over the group's, for this language alone.
        cpu_times, cpu_plus_ns: CPU and wall limits become limit x times + plus.
    """

    name: str
    profile: Mapping[str, Any]
    limits: Values
    cpu_times: float = 1.0
    cpu_plus_ns: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """A task, ready to be judged.

    Attributes:
        name: For reports.
        folder: Where TASK.toml lies; all its paths are below or beside it.
        image: What boxes are made of.
        allow_hosts: All that submissions may speak to while they run; (): no network.
        limits: Of every run.
        compile_limits: Of every compilation.
        near: A verdict within this part of a time limit is run again, quietly...
        reruns: ...so many times at most.
        groups: In the order in which they run.
        languages: Tunings by name; empty: every profile as it is.
        interactor: Program that talks to the submission; "": none.
        submissions: Pattern of folders and files, used when the command line names none.
        warm: How programs in Python begin; None: cold.
    """

    name: str
    folder: Path
    image: str
    allow_hosts: tuple[str, ...]
    limits: Values
    compile_limits: Values
    near: float
    reruns: int
    groups: tuple[Group, ...]
    languages: Mapping[str, Tuning]
    interactor: str
    submissions: str
    warm: Warm | None = None

    @property
    def points(self) -> float:
        """Most a submission can get."""
        return sum(group.points for group in self.groups)


def load_task(path: Path) -> Task:
    """Read a task.

    Args:
        path: TASK.toml, or the folder it lies in.

    Raises:
        UsageError: It cannot be read, or says something that has no meaning; the text names
            file and key.
    """
    file = path / "TASK.toml" if path.is_dir() else path
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot read the task {file}: {error.strerror}",
            remedy="name the file: pyrootless judge TASK.toml",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}", remedy="mend the line it names") from error
    return _Reader(file.resolve()).task(document)


class _Reader:
    """One file being read; every complaint names it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._folder = file.parent

    def task(self, document: dict[str, Any]) -> Task:
        known = "task limits compile check group languages interactor submissions"
        self._only(document, known, "the file")
        head = self._table(document, "task", "name image allow_hosts near reruns warm imports")
        limits = self._limits(document, "limits")
        check = self._check(document.get("check", {}), "check", Check())
        groups = self._groups(document.get("group"), check)
        languages = self._entries(document, "languages")
        return Task(
            name=printable_name(self._text(head, "name", self._folder.name)),
            folder=self._folder,
            image=self._text(head, "image", "host"),
            allow_hosts=self._texts(head, "allow_hosts"),
            limits=limits,
            compile_limits=self._limits(document, "compile"),
            near=self._number(head, "near", DEFAULT_NEAR),
            reruns=int(self._number(head, "reruns", DEFAULT_RERUNS)),
            groups=groups,
            languages={name: self._tuning(name, row) for name, row in languages.items()},
            interactor=self._text(
                self._table(document, "interactor", "program"), "program", ""
            ),
            submissions=self._text(self._table(document, "submissions", "path"), "path", ""),
            warm=self._warm(head),
        )

    def _warm(self, head: dict[str, Any]) -> Warm | None:
        imports, warm = self._texts(head, "imports"), self._flag(head, "warm")
        if imports and not warm:
            raise self._error("imports", "needs warm = true")
        return Warm(imports) if warm else None

    def _groups(self, rows: Any, check: Check) -> tuple[Group, ...]:
        if not isinstance(rows, list) or not rows:
            raise self._error("[[group]]", "is missing: a task has one group of tests at least")
        groups: list[Group] = []
        for number, row in enumerate(rows, start=1):
            group = self._group(row, f"[[group]] {number}", check)
            seen = [other.name for other in groups]
            if group.name in seen:
                raise self._error(f"[[group]] {number}", f'has the name "{group.name}" again')
            for need in group.needs:
                if need not in seen:
                    raise self._error(
                        f'group "{group.name}"',
                        f'needs "{need}", which does not stand above it',
                    )
            groups.append(group)
        return tuple(groups)

    def _group(self, row: Any, where: str, check: Check) -> Group:
        if not isinstance(row, dict):
            raise self._error(where, "is no table")
        keys = "name points each needs stop_at_first_failure tests generate args limits check"
        self._only(row, keys, where)
        name = self._text(row, "name", "")
        if not _NAME.fullmatch(name):
            raise self._error(where, f'needs a name of letters and digits, not "{name}"')
        return Group(
            name=name,
            points=self._number(row, "points", 0.0),
            each=self._flag(row, "each"),
            needs=self._texts(row, "needs"),
            stop=self._flag(row, "stop_at_first_failure"),
            tests=self._tests(row, name),
            limits=self._limits(row, "limits"),
            check=self._check(row.get("check", {}), f'check of "{name}"', check),
        )

    def _tests(self, row: dict[str, Any], group: str) -> tuple[Case, ...]:
        given, args = row.get("tests", []), self._texts(row, "args")
        patterns = (given,) if isinstance(given, str) else self._texts(row, "tests")
        if "generate" in row:
            return self._generated(row, group, args)
        if not any(patterns):
            return (Case(f"{group}/1", None, None, args),)
        inputs = {path: None for pattern in patterns for path in self._inputs(pattern, group)}
        stems = Counter(path.stem for path in inputs)
        return tuple(
            Case(f"{group}/{self._test_name(path, stems)}", path, _answer_of(path), args)
            for path in inputs
        )

    def _inputs(self, pattern: str, group: str) -> list[Path]:
        where = f'group "{group}"'
        if pattern.startswith("/") or ".." in pattern.split("/"):
            raise self._error(where, "looks for tests outside of the task's folder")
        found = sorted(path for path in self._folder.glob(pattern) if path.is_file())
        if not found:
            raise self._error(where, f'finds no test: nothing matches "{pattern}"')
        return found

    def _test_name(self, path: Path, stems: Counter[str]) -> str:
        """The input's stem; with its folders where others of the group are called so too."""
        alone = stems[path.stem] == 1
        return printable_name(
            path.stem if alone else str(path.relative_to(self._folder).with_suffix(""))
        )

    def _generated(
        self, row: dict[str, Any], group: str, args: tuple[str, ...]
    ) -> tuple[Case, ...]:
        table = self._table(row, "generate", "program args seeds solution")
        if "tests" in row:
            raise self._error(f'group "{group}"', "has both tests and generate")
        program, seeds = self._text(table, "program", ""), table.get("seeds", [1])
        if not program:
            raise self._error(f'group "{group}"', "generates without a program")
        if not isinstance(seeds, list) or not seeds or not all(type(s) is int for s in seeds):
            raise self._error(f'group "{group}"', "has seeds that are no list of numbers")
        words, solution = self._texts(table, "args"), self._text(table, "solution", "")
        return tuple(
            Case(f"{group}/{seed}", None, None, args, program, (*words, str(seed)), solution)
            for seed in seeds
        )

    def _check(self, row: Any, where: str, default: Check) -> Check:
        if not isinstance(row, dict):
            raise self._error(where, 'is no table: write { kind = "tokens" }')
        if not row:
            return default
        self._only(row, "kind abs rel program", where)
        kind = self._text(row, "kind", default.kind)
        if kind not in get_args(Kind):
            raise self._error(where, f'has no kind "{kind}": {", ".join(get_args(Kind))}')
        program = self._text(row, "program", "")
        if (kind == "program") != bool(program):
            raise self._error(where, 'names a program where kind = "program", and only there')
        absolute, relative = self._number(row, "abs", 0.0), self._number(row, "rel", 0.0)
        return Check(kind, absolute, relative, program)  # type: ignore[arg-type]

    def _tuning(self, name: str, row: Any) -> Tuning:
        where = f"[languages.{name}]"
        if not isinstance(row, dict):
            raise self._error(where, "is no table")
        profile = {key: value for key, value in row.items() if key not in _TUNING_KEYS}
        try:
            plus_ns = parse_duration_ns(row.get("cpu_plus", 0))
        except UsageError as error:
            raise self._error(f"{where}, cpu_plus", str(error)) from error
        times = self._number(row, "cpu_times", 1.0)
        limits = self._limits(row, "limits")
        return Tuning(name, profile, limits, times, plus_ns)

    def _limits(self, row: dict[str, Any], key: str) -> Values:
        found = self._entries(row, key)
        for name, value in found.items():
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise self._error(f"{key}.{name}", 'is no limit: write "1s", "64M" or a number')
        return found

    # --- values ------------------------------------------------------------------------------

    def _table(self, row: dict[str, Any], key: str, known: str) -> dict[str, Any]:
        found = self._entries(row, key)
        self._only(found, known, f"[{key}]")
        return found

    def _entries(self, row: dict[str, Any], key: str) -> dict[str, Any]:
        found = row.get(key, {})
        if not isinstance(found, dict):
            raise self._error(key, "is no table")
        return found

    def _only(self, row: dict[str, Any], known: str, where: str) -> None:
        for key in row:
            if key not in known.split():
                raise self._error(where, f'has no key "{key}"; there are {known}')

    def _text(self, row: dict[str, Any], key: str, default: str) -> str:
        found = row.get(key, default)
        if not isinstance(found, str):
            raise self._error(key, "is no text")
        return found

    def _texts(self, row: dict[str, Any], key: str) -> tuple[str, ...]:
        found = row.get(key, [])
        if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
            raise self._error(key, "is no list of texts")
        return tuple(found)

    def _number(self, row: dict[str, Any], key: str, default: float) -> float:
        found = row.get(key, default)
        if isinstance(found, bool) or not isinstance(found, int | float) or not found >= 0:
            raise self._error(key, "is no number from 0 on")
        return float(found)

    def _flag(self, row: dict[str, Any], key: str) -> bool:
        found = row.get(key, False)
        if not isinstance(found, bool):
            raise self._error(key, "is neither true nor false")
        return found

    def _error(self, where: str, what: str) -> UsageError:
        return UsageError(f"{self._file}: {where} {what}", remedy="see docs/judging.md")


def _answer_of(path: Path) -> Path | None:
    """The answer beside an input: the same name with another end."""
    candidates = (path.with_suffix(end) for end in ANSWERS)
    return next((found for found in candidates if found != path and found.is_file()), None)
