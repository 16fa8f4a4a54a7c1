"""The judge: a task, its submissions, their tests, a report.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.sandbox.judge.batch import judge_batch as judge_batch
    from pyrootless.sandbox.judge.excerpts import first_error as first_error
    from pyrootless.sandbox.judge.page import to_page as to_page
    from pyrootless.sandbox.judge.report import to_csv as to_csv
    from pyrootless.sandbox.judge.report import to_json as to_json
    from pyrootless.sandbox.judge.report import to_junit as to_junit
    from pyrootless.sandbox.judge.results import NOT_COMPILED as NOT_COMPILED
    from pyrootless.sandbox.judge.results import BatchResult as BatchResult
    from pyrootless.sandbox.judge.results import SubmissionResult as SubmissionResult
    from pyrootless.sandbox.judge.submission import find_submissions as find_submissions
    from pyrootless.sandbox.judge.task import load_task as load_task

_HOME = {
    "BatchResult": "results",
    "NOT_COMPILED": "results",
    "SubmissionResult": "results",
    "find_submissions": "submission",
    "first_error": "excerpts",
    "judge_batch": "batch",
    "load_task": "task",
    "to_csv": "report",
    "to_json": "report",
    "to_junit": "report",
    "to_page": "page",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
