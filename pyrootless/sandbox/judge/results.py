"""What a judge found: values.

What comes in: outcomes and findings of runs.
What goes out: results that reports and the journal write, and read back.
Must never: run, compare, format for people.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SKIPPED = "SK"
"""The word for a test that was not run: its group stopped, or a group it needs failed."""
RIGHT = "AC"
WRONG = "WA"
NOT_COMPILED = "CE"
FAILED = "IE"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One test of one submission.

    Attributes:
        name: The test's, "GROUP/STEM".
        verdict: AC, WA, SK, or the word of the run (RE TLE MLE …).
        text: What more there is to say, for a person.
        points: What it earned by itself (groups with `each`).
        cpu_ns, wall_ns: Of the run that counted.
        memory_peak_bytes: The same.
        cpu_limit_ns: What its CPU time was measured against; 0: none.
        runs: How often it was run.
        stable: All of these runs had the same verdict.
        output, expected: Begins of both, for a wrong answer; b"" otherwise.
        stderr: The last lines of standard error of a program that failed; b"" otherwise.
        rungs: Limit → what held it.
        warm: The run began as a copy of an interpreter.
    """

    name: str
    verdict: str
    text: str = ""
    points: float = 0.0
    cpu_ns: int = 0
    wall_ns: int = 0
    memory_peak_bytes: int = 0
    cpu_limit_ns: int = 0
    runs: int = 0
    stable: bool = True
    output: bytes = b""
    expected: bytes = b""
    rungs: Mapping[str, str] | None = None
    warm: bool = False
    stderr: bytes = b""


@dataclass(frozen=True, slots=True)
class GroupResult:
    """One group: its points are those of a group that is right, or the sum of its tests'."""

    name: str
    points: float
    most: float
    tests: tuple[CaseResult, ...]

    @property
    def right(self) -> bool:
        """Every test of it."""
        return all(test.verdict == RIGHT for test in self.tests)


@dataclass(frozen=True, slots=True)
class SubmissionResult:
    """One submission.

    Attributes:
        name: Folder or file, as it is shown.
        language: The profile it was judged with; "" when none fits.
        verdict: AC when every test is right, CE, or the first other word in the order of tests.
        log: Begin of the compiler's output.
        groups: In the task's order.
    """

    name: str
    language: str
    verdict: str
    log: bytes
    groups: tuple[GroupResult, ...]

    @property
    def points(self) -> float:
        """Of all groups together."""
        return sum(group.points for group in self.groups)

    @property
    def failed(self) -> bool:
        """The judge failed, or a program of the teacher's, at a test of it or before."""
        return any(test.verdict == FAILED for test in self.tests)

    @property
    def tests(self) -> tuple[CaseResult, ...]:
        """Of all groups, in order."""
        return tuple(test for group in self.groups for test in group.tests)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """All submissions of a task, in the order of their names.

    Attributes:
        task: Its name.
        most: Points that can be had.
        submissions: What was found.
    """

    task: str
    most: float
    submissions: tuple[SubmissionResult, ...]


def overall(groups: tuple[GroupResult, ...]) -> str:
    """The word for a submission: the first test that is neither right nor left out decides."""
    words = [test.verdict for group in groups for test in group.tests]
    wrong = [word for word in words if word not in (RIGHT, SKIPPED)]
    return wrong[0] if wrong else (RIGHT if RIGHT in words else SKIPPED)


def to_document(result: SubmissionResult) -> dict[str, Any]:
    """The result as JSON takes it: bytes as text where they are UTF-8, else {"base64": …}."""
    document: dict[str, Any] = _encoded(asdict(result))
    document["points"] = result.points
    return document


def from_document(document: Mapping[str, Any]) -> SubmissionResult:
    """The inverse of `to_document`.

    Raises:
        KeyError, TypeError, ValueError: It was not written by it.
    """
    groups = tuple(
        GroupResult(
            row["name"],
            row["points"],
            row["most"],
            tuple(_test(test) for test in row["tests"]),
        )
        for row in document["groups"]
    )
    log = _bytes(document["log"])
    return SubmissionResult(
        document["name"], document["language"], document["verdict"], log, groups
    )


def _test(row: Mapping[str, Any]) -> CaseResult:
    texts = {key: _bytes(row[key]) for key in ("output", "expected", "stderr")}
    return CaseResult(**{**row, **texts})


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return base64.b64decode(value["base64"], validate=True)


def _encoded(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, dict):
        return {key: _encoded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encoded(item) for item in value]
    return value
