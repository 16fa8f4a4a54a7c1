"""A batch: many submissions of one task, some at once, in a stable order.

What comes in: a task, submissions, how many at once, a journal.
What goes out: a BatchResult; meanwhile, what to show of the progress.
Must never: let the order of finishing be seen in the results; start work after an interrupt.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from pyrootless.sandbox import Quiet
from pyrootless.sandbox.judge.answers import Answers
from pyrootless.sandbox.judge.grading import Court, check_task, try_submission
from pyrootless.sandbox.judge.journal import Journal, digest_files
from pyrootless.sandbox.judge.results import BatchResult, SubmissionResult
from pyrootless.sandbox.judge.submission import Submission, Unfit, list_files
from pyrootless.sandbox.judge.task import Task
from pyrootless.sandbox.judge.threads import Hands, Work
from pyrootless.sandbox.warm import Shelf


class Watcher(Protocol):
    """Who wants to know how a batch goes on; called from several threads."""

    def resumed(self, count: int) -> None:
        """So many results were found in the journal."""

    def tested(self) -> None:
        """One more test is done."""

    def judged(self, result: SubmissionResult) -> None:
        """One more submission is done."""

    def cold(self, why: str) -> None:
        """The task asks for warm runs, and there were none: this machine lacks something."""


class Silence:
    """A Watcher that says nothing."""

    def resumed(self, count: int) -> None:
        """See Watcher."""

    def tested(self) -> None:
        """See Watcher."""

    def judged(self, result: SubmissionResult) -> None:
        """See Watcher."""

    def cold(self, why: str) -> None:
        """See Watcher."""


def judge_batch(
    task: Task,
    submissions: Sequence[Submission],
    *,
    jobs: int | None = None,
    journal: Path | None = None,
    watcher: Watcher | None = None,
) -> BatchResult:
    """Judge submissions.

    Args:
        jobs: How many at once; None: as many as there are processors. More disturb each other.
            Where there are fewer submissions, tests of one take place at once.
        journal: Where finished results are kept until the batch is done; None: nowhere.
        watcher: None: nobody is told.

    Raises:
        UsageError: Task, checker or generator cannot be used.
        RegistryError, IntegrityError: The task's image cannot be fetched, or is damaged.
        HostUnsupportedError: No box can be made here.
        StoreError: The journal cannot be written.
    """
    told = watcher or Silence()
    check_task(task)
    count = jobs or len(os.sched_getaffinity(0))
    with Shelf(count) as shelf:
        court = Court(task, Answers(task, shelf), Quiet(), told.tested, shelf)
        result = _judge_batch(court, submissions, count, journal, told)
        if shelf.cold_because:
            told.cold(shelf.cold_because)
        return result


def _judge_batch(
    court: Court,
    submissions: Sequence[Submission],
    count: int,
    journal: Path | None,
    told: Watcher,
) -> BatchResult:
    task = court.task
    if journal is None:
        results = _judge_all(court, submissions, count, told.judged)
        return BatchResult(task.name, task.points, tuple(results))
    with Journal(journal, task_digest(task)) as book:
        digests = [_digest(submission) for submission in submissions]
        pairs = zip(submissions, digests, strict=True)
        known = [book.find(submission.name, digest) for submission, digest in pairs]
        told.resumed(sum(result is not None for result in known))
        of = dict(zip((s.name for s in submissions), digests, strict=True))

        def keep(result: SubmissionResult) -> None:
            if not result.failed:  # who goes on with this batch judges it again
                book.add(of[result.name], result)
            told.judged(result)

        todo = [s for s, result in zip(submissions, known, strict=True) if result is None]
        fresh = iter(_judge_all(court, todo, count, keep))
        results = [result if result is not None else next(fresh) for result in known]
        book.close_batch()
    return BatchResult(task.name, task.points, tuple(results))


def task_digest(task: Task) -> str:
    """Of every file in the task's folder, all inputs, answers and programs of the teacher."""
    cases = [case for group in task.groups for case in group.tests]
    paths = {path for case in cases for path in (case.input, case.answer) if path is not None}
    programs = {task.interactor, *(group.check.program for group in task.groups)}
    programs |= {name for case in cases for name in (case.generator, case.solution)}
    found = (task.folder / name for name in programs if name)
    paths |= {path for path in found if path.is_file()}
    paths |= {path for path in task.folder.iterdir() if path.is_file()}
    kept = (path for path in paths if not path.name.startswith("."))
    return digest_files((str(path.relative_to(task.folder)), path) for path in kept)


def _digest(submission: Submission) -> str:
    try:
        return digest_files(list_files(submission))
    except (Unfit, OSError):
        return ""


def _judge_all(
    court: Court,
    submissions: Sequence[Submission],
    jobs: int,
    done: Callable[[SubmissionResult], None],
) -> list[SubmissionResult]:
    """All results, in the order of the submissions; what the task lacks ends the batch."""
    with ThreadPoolExecutor(jobs, "judge") as pool:
        court = replace(court, hands=Hands(pool, jobs))
        works = [Work(partial(try_submission, court, one)) for one in submissions]
        futures = [work.future for work in works]
        pending: set[Future[SubmissionResult]] = set(futures)
        try:
            for work in works:
                if not work.queue(pool):
                    work()
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in sorted(finished, key=futures.index):
                    done(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]
