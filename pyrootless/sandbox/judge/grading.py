"""One submission on its trial: compiled once, run on every test, measured and compared.

What comes in: a task, a submission. What goes out: a SubmissionResult.
Must never: put an answer, a checker or another submission into the box of the submission; raise
for what the submission is or does, or for what befell its boxes; decide by anything a program
wrote but its answer.

Precedence: what ended the run (TLE, MLE, RE, …) stands before the answer, which is compared
only after a run that is OK. A verdict near a time limit is looked at again with nothing beside
it: noise only adds time, so the best of these runs counts. What failed by no fault of the
submission's is tried once more with nothing beside it, and is IE when it fails again: another
submission's programs may have been the cause.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from pyrootless.errors import (
    HostUnsupportedError,
    IntegrityError,
    RegistryError,
    UsageError,
)
from pyrootless.sandbox import Built, Limits, Outcome, Quiet, Sandbox, Verdict
from pyrootless.sandbox.judge.answers import Answers, TaskError, TeacherError
from pyrootless.sandbox.judge.checkers import Check, Finding
from pyrootless.sandbox.judge.excerpts import begin_of, end_of
from pyrootless.sandbox.judge.interact import Party, interact
from pyrootless.sandbox.judge.results import (
    NOT_COMPILED,
    RIGHT,
    SKIPPED,
    WRONG,
    CaseResult,
    GroupResult,
    SubmissionResult,
    overall,
)
from pyrootless.sandbox.judge.submission import (
    Sources,
    Submission,
    Unfit,
    read_sources,
    task_languages,
)
from pyrootless.sandbox.judge.task import Case, Group, Task, Tuning
from pyrootless.sandbox.judge.threads import Hands
from pyrootless.sandbox.warm import Shelf

SHOWN_BYTES = 4096
LOG_BYTES = 64 << 10
Told = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Court:
    """What all trials of a batch share.

    Attributes:
        task: What is judged.
        answers: Inputs, expected outputs and the checkers that are programs.
        quiet: Who may run beside whom.
        told: Called after each test.
        shelf: Ready boxes.
        hands: Threads that help with tests.
    """

    task: Task
    answers: Answers
    quiet: Quiet
    told: Told
    shelf: Shelf
    hands: Hands = field(default_factory=Hands)


def try_submission(court: Court, submission: Submission) -> SubmissionResult:
    """Judge one submission, and once more where that failed by no fault of its own.

    Returns:
        The result. What fails twice is IE: one test of it, or all where it never came so far.

    Raises:
        TaskError: Nothing can be judged with this task.
    """
    for last in (False, True):
        try:
            return _judged(court, submission)
        except TaskError:
            raise
        except Exception as error:
            if last:
                return _failed(court.task, submission, "", error)
    raise AssertionError("the second time returns")


def _judged(court: Court, submission: Submission) -> SubmissionResult:
    task = court.task
    try:
        sources = read_sources(task, submission)
    except Unfit as reason:
        return _not_compiled(task, submission, "", str(reason).encode())
    language = sources.language
    hosts, warm, shelf = task.allow_hosts, task.warm or False, court.shelf
    with Sandbox(image=task.image, allow_hosts=hosts, warm=warm, shelf=shelf) as box:
        box.put(sources.others)
        limits = _compile_limits(task, sources)
        try:
            built = court.quiet.twice(
                lambda: box.compile(sources.sources, language, limits, sources.others)
            )
        except Exception as error:
            return _failed(task, submission, language.name, error)
        log = begin_of(built.log, LOG_BYTES)
        if not built.ok:
            cause = built.outcome.cause if built.outcome else ""
            return _not_compiled(task, submission, language.name, log or cause.encode())
        groups = tuple(_Trial(court, submission, box, built, sources).groups())
    return SubmissionResult(submission.name, language.name, overall(groups), log, groups)


def _failed(
    task: Task, submission: Submission, language: str, error: Exception
) -> SubmissionResult:
    """No test of it could be judged."""
    groups = tuple(
        GroupResult(
            group.name,
            0.0,
            group.points,
            tuple(_failure(task, submission, case.name, error) for case in group.tests),
        )
        for group in task.groups
    )
    return SubmissionResult(submission.name, language, Verdict.IE.name, b"", groups)


def _failure(task: Task, submission: Submission, name: str, error: Exception) -> CaseResult:
    text = " ".join(str(error).split()) or type(error).__name__
    alone = shlex.join(["pyrootless", "judge", str(task.folder), str(submission.path)])
    cause = f"the judge failed: {text}; try it alone: {alone}"
    return CaseResult(name, Verdict.IE.name, cause, runs=1)


def _not_compiled(
    task: Task, submission: Submission, language: str, log: bytes
) -> SubmissionResult:
    groups = tuple(
        GroupResult(group.name, 0.0, group.points, tuple(_skipped(group, "it did not compile")))
        for group in task.groups
    )
    return SubmissionResult(submission.name, language, NOT_COMPILED, log, groups)


def _skipped(group: Group, why: str, start: int = 0) -> Iterable[CaseResult]:
    return (CaseResult(case.name, SKIPPED, why) for case in group.tests[start:])


def check_task(task: Task) -> None:
    """What a task says of its boxes, before anybody is judged by it.

    Raises:
        UsageError: It has no meaning, or there is no such image.
        RegistryError, IntegrityError: Its image cannot be fetched, or is damaged.
        HostUnsupportedError: No box can be made here.
    """
    for group in task.groups:
        for tuning in (None, *task.languages.values()):
            group_limits(task, group, tuning)
    for language in task_languages(task).values():
        changed_limits(language.compile_limits, task.compile_limits)
    for last in (False, True):
        try:
            with Sandbox(image=task.image, allow_hosts=task.allow_hosts) as box:
                box.run(["true"])
        except (UsageError, RegistryError, IntegrityError):
            raise
        except HostUnsupportedError:  # once it may be the doing of another process
            if last:
                raise
        except Exception:  # the submissions will say
            return
        else:
            return


def _compile_limits(task: Task, sources: Sources) -> Limits | None:
    if not task.compile_limits:
        return None
    return changed_limits(sources.language.compile_limits, task.compile_limits)


def changed_limits(limits: Limits, values: object) -> Limits:
    """Limits with some of them written anew.

    Raises:
        UsageError: There is no such limit, or a value has no meaning.
    """
    try:
        return replace(limits, **values)  # type: ignore[arg-type]
    except TypeError as error:
        raise UsageError(
            f"limits: {error}",
            remedy="there are cpu wall memory procs output disk inodes file_size stack "
            "open_files idle",
        ) from error


def group_limits(task: Task, group: Group, tuning: Tuning | None) -> Limits:
    """What a run of this group may use, in this language."""
    limits = changed_limits(changed_limits(Limits(), task.limits), group.limits)
    if tuning is None:
        return limits
    scaled = {
        name: round(value * tuning.cpu_times + tuning.cpu_plus_ns)
        for name, value in (("cpu", limits.cpu_ns), ("wall", limits.wall_ns))
        if value
    }
    written = {name: f"{value}ns" for name, value in scaled.items()}
    return changed_limits(changed_limits(limits, written), tuning.limits)


class _Trial:
    """A program that compiled, before the groups of its task."""

    def __init__(
        self, court: Court, submission: Submission, box: Sandbox, built: Built, sources: Sources
    ) -> None:
        self._court = court
        self._submission = submission
        self._task = court.task
        self._box = box
        self._built = built
        self._tuning = court.task.languages.get(sources.language.name)
        self._explained = False

    def groups(self) -> Iterable[GroupResult]:
        """All groups, in order."""
        right: dict[str, bool] = {}
        for group in self._task.groups:
            missing = [need for need in group.needs if not right[need]]
            if missing:
                text = f"needs {', '.join(missing)}"
                result = GroupResult(
                    group.name, 0.0, group.points, tuple(_skipped(group, text))
                )
                for _ in group.tests:
                    self._court.told()
            else:
                result = self._group(group)
            right[group.name] = result.right
            yield result

    def _group(self, group: Group) -> GroupResult:
        limits = group_limits(self._task, group, self._tuning)
        share = group.points / len(group.tests) if group.each else 0.0

        def measure(case: Case) -> CaseResult:
            result = self._case(group, case, limits)
            self._court.told()
            return replace(result, points=share if result.verdict == RIGHT else 0.0)

        if group.stop:
            tests = tuple(self._until_wrong(group, measure))
        else:
            tests = tuple(self._court.hands.map(measure, group.tests))
        right = all(test.verdict == RIGHT for test in tests)
        points = sum(test.points for test in tests) if group.each else group.points * right
        return GroupResult(group.name, points, group.points, tests)

    def _until_wrong(
        self, group: Group, measure: Callable[[Case], CaseResult]
    ) -> Iterable[CaseResult]:
        """One after the other: what comes after a wrong one is not run."""
        for number, case in enumerate(group.tests, start=1):
            result = measure(case)
            yield result
            if result.verdict == RIGHT:
                continue
            for left_out in _skipped(group, "the group stopped at its first failure", number):
                self._court.told()
                yield left_out
            return

    def _case(self, group: Group, case: Case, limits: Limits) -> CaseResult:
        try:
            return self._measured(group, case, limits)
        except TaskError:
            raise
        except Exception as error:
            return _failure(self._task, self._submission, case.name, error)

    def _measured(self, group: Group, case: Case, limits: Limits) -> CaseResult:
        quiet = self._court.quiet

        def once() -> CaseResult:
            return self._once(group, case, limits)

        results = [quiet.twice(once, TaskError)]
        while len(results) <= self._task.reruns and self._is_near(results[-1], limits):
            results.append(quiet.twice(once, TaskError, beside=False))
        best = min(results[1:] or results, key=lambda one: (one.verdict != RIGHT, one.cpu_ns))
        stable = len({one.verdict for one in results}) == 1
        return replace(best, runs=len(results), stable=stable)

    def _is_near(self, result: CaseResult, limits: Limits) -> bool:
        """Its time lies so near the limit that the machine's noise may have decided."""
        if result.verdict not in (RIGHT, "TLE") or not limits.cpu_ns:
            return False
        near_ns = self._task.near * limits.cpu_ns
        return abs(result.cpu_ns - limits.cpu_ns) <= near_ns

    def _once(self, group: Group, case: Case, limits: Limits) -> CaseResult:
        answers, interactor = self._court.answers, self._task.interactor
        try:
            if interactor:
                party = Party(self._box, self._built, limits)
                outcome, finding = interact(answers, interactor, party, case)
            else:
                outcome = self._run(case, answers.input(case), limits)
                finding = self._finding(group.check, case, outcome)
        except TeacherError as error:
            return CaseResult(case.name, Verdict.IE.name, str(error), runs=1)
        return _result(case, outcome, finding, limits, answers)

    def _run(self, case: Case, given: bytes, limits: Limits) -> Outcome:
        """One run; of the first one that a forbidden call ends, which that was."""
        outcome = self._box.run(
            self._built,
            args=case.args,
            stdin=given,
            limits=limits,
            explain=not self._explained,
        )
        self._explained |= outcome.verdict is Verdict.SV
        return outcome

    def _finding(self, check: Check, case: Case, outcome: Outcome) -> Finding | None:
        if outcome.verdict is not Verdict.OK:
            return None
        return self._court.answers.check(check, case, outcome.stdout)


def _result(
    case: Case, outcome: Outcome, finding: Finding | None, limits: Limits, answers: Answers
) -> CaseResult:
    measured = CaseResult(
        case.name,
        outcome.verdict.name,
        _why(outcome),
        0.0,
        outcome.cpu_ns,
        outcome.wall_ns,
        outcome.memory_peak_bytes,
        limits.cpu_ns,
        rungs={name: held.rung for name, held in sorted(outcome.enforced.items())},
        warm=outcome.warm,
        stderr=_end_of_stderr(outcome),
    )
    if finding is None:
        return measured
    if finding.accepted:
        return replace(measured, verdict=RIGHT, text=finding.text)
    expected = answers.expected(case)
    measured = replace(measured, verdict=WRONG, text=finding.text)
    if not expected:
        return measured
    output = begin_of(outcome.stdout, SHOWN_BYTES)
    return replace(measured, output=output, expected=begin_of(expected, SHOWN_BYTES))


def _end_of_stderr(outcome: Outcome) -> bytes:
    """Of a program that failed by itself: there a runtime says what was wrong."""
    failed = outcome.verdict in (Verdict.RE, Verdict.SG)
    return end_of(outcome.stderr, SHOWN_BYTES) if failed else b""


def _why(outcome: Outcome) -> str:
    if outcome.verdict is Verdict.RE:
        return ", ".join(filter(None, (f"exit code {outcome.exit_code}", outcome.cause)))
    if outcome.verdict is Verdict.SG:
        return ", ".join(filter(None, (f"signal {outcome.signal}", outcome.cause)))
    if outcome.verdict is Verdict.SV and outcome.cause:
        return f"forbidden call: {outcome.cause}"
    return outcome.cause
