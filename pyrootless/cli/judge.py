"""`pyrootless judge TASK.toml [SUBMISSION…]`: judge submissions and write reports.

What comes in: a task's file, paths of submissions.
What goes out: a table, files, an exit code: 0 when all were judged, whatever the verdicts are.
Must never: write a report half; print what a program wrote unescaped.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyrootless.cli.arguments import Parser
from pyrootless.cli.table import format_rows
from pyrootless.cli.values import positive
from pyrootless.errors import StoreError
from pyrootless.sandbox.judge import (
    NOT_COMPILED,
    BatchResult,
    SubmissionResult,
    find_submissions,
    first_error,
    judge_batch,
    load_task,
)


def main(args: list[str]) -> int:
    """Judge; an interrupted batch goes on where it stopped when it is called again."""
    words = _parse(args)
    task = load_task(words.task)
    submissions = find_submissions(task, words.submission)
    journal = words.journal or task.folder / f".judge-{os.getuid()}.jsonl"
    total = len(submissions) * sum(len(group.tests) for group in task.groups)
    with _watcher(total, words.quiet) as watcher:
        batch = judge_batch(
            task, submissions, jobs=words.jobs, journal=journal, watcher=watcher
        )
    failed = _write_reports(batch, words)
    if not words.quiet and words.json != Path("-"):
        _print(batch)
    if failed:
        raise StoreError("; ".join(failed), remedy="name another place")
    return 0


def _parse(args: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="pyrootless judge", description="Judge submissions of a task, each in a sandbox."
    )
    add = parser.add_argument
    add("task", type=Path, metavar="TASK.toml", help="the task, or its folder")
    add("submission", nargs="*", help="folders or files; default: those that the task names")
    add("-j", "--jobs", type=positive, metavar="N", help="at once (default: processors)")
    add("--report", type=Path, metavar="FILE", help="write a page for people (HTML)")
    add("--json", type=Path, metavar="FILE", help="write everything as JSON; - for the output")
    add("--junit", type=Path, metavar="FILE", help="write JUnit's XML")
    add("--csv", type=Path, metavar="FILE", help="write a table of points")
    add("--journal", type=Path, metavar="FILE", help="where results are kept until the end")
    add("-q", "--quiet", action="store_true", help="print neither progress nor table")
    return parser.parse_args(args)


def _write_reports(batch: BatchResult, words: argparse.Namespace) -> list[str]:
    """All that can be written.  Returns what could not: one sentence each."""
    from pyrootless.sandbox.judge import to_csv, to_json, to_junit, to_page

    wanted = ((words.report, to_page), (words.json, to_json), (words.junit, to_junit),
              (words.csv, to_csv))  # fmt: skip
    failed = []
    for path, make in wanted:
        if path is None:
            continue
        try:
            if path == Path("-"):
                _put_out(make(batch))
            else:
                _write(path, make(batch))
        except OSError as error:
            failed.append(f"cannot write {path}: {error.strerror}")
    return failed


def _put_out(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        _close_off(1)
        raise


def _close_off(descriptor: int) -> None:
    """What is left in its buffer goes nowhere: the interpreter would try again at the end."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, descriptor)
    os.close(null)


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    if not path.name:
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _print(batch: BatchResult) -> None:
    rows = [("SUBMISSION", "LANGUAGE", "VERDICT", "POINTS", "FIRST")]
    for row in batch.submissions:
        points = f"{row.points:g}/{batch.most:g}"
        rows.append((row.name, row.language or "-", row.verdict, points, _first(row)))
    print(format_rows(rows), end="")


def _first(row: SubmissionResult) -> str:
    """The first test that was not right, and why; the compiler's first error."""
    if row.verdict == NOT_COMPILED:
        return first_error(row.log)
    for test in row.tests:
        if test.verdict not in ("AC", "SK"):
            return f"{test.name} {test.verdict} {test.text}".strip()
    return ""


class _Lines:
    """Plain lines for logs: one for a submission that is done.

    Nobody may be there to read them: a pipe without a reader, a terminal that hung up.
    """

    def _say(self, text: str) -> None:
        try:
            print(text, file=sys.stderr, flush=True)
        except OSError:
            _close_off(2)

    def resumed(self, count: int) -> None:
        """See judging.Watcher."""
        if count:
            self._say(f"resumed: {count} were judged before")

    def tested(self) -> None:
        """See judging.Watcher.  Nothing: a log is not a bar."""

    def judged(self, result: SubmissionResult) -> None:
        """See judging.Watcher."""
        self._say(f"{result.name}: {result.verdict} {result.points:g}")

    def cold(self, why: str) -> None:
        """See judging.Watcher."""
        self._say(f"programs began cold: {why}")


class _Bar(_Lines):
    """A bar on a terminal that counts tests."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = (BarColumn(), MofNCompleteColumn(), "tests", TimeRemainingColumn())
        self.progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self.progress.add_task("judge", total=total)

    def tested(self) -> None:
        """See judging.Watcher."""
        with suppress(OSError):
            self.progress.advance(self._task)

    def judged(self, result: SubmissionResult) -> None:
        """See judging.Watcher.  The bar counts tests."""


@contextmanager
def _watcher(total: int, quiet: bool) -> Iterator[_Lines | None]:
    """Progress, and Ctrl-C as an interrupt of the batch alone."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if quiet:
        yield None
    elif sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        bar = _Bar(total)
        with suppress(OSError):
            bar.progress.start()
        try:
            yield bar
        finally:
            with suppress(OSError):
                bar.progress.stop()
    else:
        yield _Lines()
