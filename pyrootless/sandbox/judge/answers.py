"""The teacher's side of a test: inputs, expected outputs, checkers, generators.

What comes in: a task. What goes out: bytes of inputs and answers, findings about outputs.
Must never: run a teacher's program outside a box (it reads what students wrote), let two
threads build the same thing, keep an answer where a submission's box could see it.

A program of the teacher's is given the names of files in its box: a checker `input output
answer`, an interactor `input answer`, a generator its seed. It returns 0 (or 42) for right and
1, 2 (or 43) for wrong; the first line it writes is shown.
Source: testlib.h, exit codes; DOMjudge's manual, "Output validators".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from pyrootless.errors import UsageError
from pyrootless.sandbox import Built, FileLike, Limits, Outcome, Sandbox, Verdict
from pyrootless.sandbox.judge.checkers import Check, Finding, compare
from pyrootless.sandbox.judge.task import Case, Task
from pyrootless.sandbox.warm import Shelf

TRUSTED = Limits(cpu="10s", wall="30s", memory="1G", procs=64, output="64M", disk="256M")
_ACCEPTED = (0, 42)
_REFUSED = (1, 2, 43)
_SAID_BYTES = 200


class TaskError(UsageError):
    """The task cannot be used as it is: what ends a batch, whoever is judged."""


class TeacherError(Exception):
    """A program of the teacher's failed: the verdict is IE, and this is why."""


class Answers:
    """Inputs and answers of one task; used by all threads of a batch."""

    def __init__(self, task: Task, shelf: Shelf) -> None:
        self._task = task
        self._shelf = shelf
        self._lock = threading.RLock()
        self._built: dict[str, Built] = {}
        self._made: dict[str, bytes] = {}

    @cached_property
    def box(self) -> Sandbox:
        """Where the teacher's programs run."""
        task, shelf = self._task, self._shelf
        return Sandbox(image=task.image, limits=TRUSTED, warm=task.warm or False, shelf=shelf)

    def input(self, case: Case) -> bytes:
        """What the program reads.

        Raises:
            TaskError: The file cannot be read, or its generator failed.
        """
        if case.generator:
            return self._once(f"input {case.name}", lambda: self._generated(case))
        return b"" if case.input is None else _read(case.input)

    def expected(self, case: Case) -> bytes | None:
        """What it should write; None: a checker or interactor knows.

        Raises:
            TaskError: The file cannot be read, or the reference solution failed.
        """
        if case.generator and case.solution:
            return self._once(f"answer {case.name}", lambda: self._solved(case))
        return None if case.answer is None else _read(case.answer)

    def check(self, check: Check, case: Case, output: bytes) -> Finding:
        """Whether an output is right.

        Raises:
            TeacherError: The checker failed.
            TaskError: There is no answer to compare with.
        """
        expected = self.expected(case)
        if check.kind != "program":
            if expected is None:
                raise TaskError(
                    f"test {case.name} has no answer to compare with",
                    remedy="put it beside the input, with the end .ans; or use a checker "
                    "program",
                )
            return compare(check, output, expected)
        files = {"input": self.input(case), "output": output, "answer": expected or b""}
        outcome = self.run(check.program, ("input", "output", "answer"), files)
        return finding_of(check.program, outcome)

    def run(
        self, program: str, args: tuple[str, ...], files: Mapping[str, FileLike]
    ) -> Outcome:
        """Run a program of the teacher's in a box of its own."""
        return self.box.run(self.build(program), args=args, files=files, limits=TRUSTED)

    def build(self, program: str) -> Built:
        """A program of the task's folder, compiled once.

        Raises:
            TaskError: It is not there, or does not compile.
        """
        with self._lock:
            if program not in self._built:
                self._built[program] = self._compiled(program)
            return self._built[program]

    def _compiled(self, program: str) -> Built:
        path = (self._task.folder / program).resolve()
        if not path.is_relative_to(self._task.folder.resolve()) or not path.is_file():
            raise TaskError(
                f"{self._task.name}: there is no program {program} in the task's folder",
                remedy="name it as it lies beside TASK.toml",
            )
        built = self.box.compile({path.name: path})
        if not built.ok:
            log = built.log.decode(errors="replace")
            raise TaskError(f"{program} does not compile:\n{log}", remedy="mend it")
        return built

    def _once(self, key: str, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]

    def _generated(self, case: Case) -> bytes:
        return self._wanted(case.generator, self.run(case.generator, case.generator_args, {}))

    def _solved(self, case: Case) -> bytes:
        built = self.build(case.solution)
        outcome = self.box.run(built, args=case.args, stdin=self.input(case), limits=TRUSTED)
        return self._wanted(case.solution, outcome)

    def _wanted(self, program: str, outcome: Outcome) -> bytes:
        if outcome.verdict is not Verdict.OK:
            raise TaskError(
                f"{program} failed: {outcome.verdict}: {said(outcome)}", remedy="mend it"
            )
        return outcome.stdout


def has_decided(outcome: Outcome) -> bool:
    """A checker or interactor returned one of the codes that say something."""
    if outcome.exit_code in _REFUSED:
        return outcome.verdict is Verdict.RE
    return outcome.exit_code in _ACCEPTED


def finding_of(program: str, outcome: Outcome) -> Finding:
    """What a checker or interactor decided.

    Raises:
        TeacherError: It decided nothing.
    """
    if has_decided(outcome):
        accepted = outcome.exit_code in _ACCEPTED
        return Finding(accepted, "" if accepted else said(outcome) or f"{program} says no")
    raise TeacherError(f"{program} failed: {outcome.verdict}: {said(outcome)}")


def said(outcome: Outcome) -> str:
    """The first line that a program of the teacher's wrote."""
    text = (outcome.stderr or outcome.stdout).strip().split(b"\n", 1)[0]
    return repr(text[:_SAID_BYTES])[2:-1]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TaskError(f"cannot read {path}: {error.strerror}") from error
