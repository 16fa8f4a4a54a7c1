"""Results of a batch → documents for programs: JSON, CSV, JUnit.

What comes in: a BatchResult. What goes out: text, the same bytes for the same results.
Must never: judge, look at the clock, let what a program wrote become markup or a formula.
"""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET

from pyrootless.printable import printable_bytes
from pyrootless.sandbox.judge.results import (
    NOT_COMPILED,
    RIGHT,
    SKIPPED,
    BatchResult,
    CaseResult,
    SubmissionResult,
    to_document,
)

FORM = 2
"""Of the JSON document: 1 had all bytes as base64."""
_UNSEEN = re.compile(r"[^\n -~]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the begin of a formula (OWASP, "CSV Injection")."""


def to_json(batch: BatchResult) -> str:
    """Everything, machine-readable: outputs as text where they are UTF-8, else as base64."""
    document = {
        "form": FORM,
        "task": batch.task,
        "most": batch.most,
        "submissions": [to_document(result) for result in batch.submissions],
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    return _UNSEEN.sub(_as_json, text) + "\n"


def _as_json(match: re.Match[str]) -> str:
    """A character as JSON's escape: the output may be a terminal."""
    return match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1]


def to_csv(batch: BatchResult) -> str:
    """One row a submission: name, language, verdict, points, each group's points and tests."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    groups = [group.name for group in batch.submissions[0].groups] if batch.submissions else []
    writer.writerow(["submission", "language", "verdict", "points", "most", *groups])
    for result in batch.submissions:
        points = {group.name: _number(group.points) for group in result.groups}
        writer.writerow(
            [
                _cell(result.name),
                result.language,
                result.verdict,
                _number(result.points),
                _number(batch.most),
                *(points.get(name, "0") for name in groups),
            ]
        )
    return text.getvalue()


def to_junit(batch: BatchResult) -> str:
    """One suite a submission, one case a test; for the dashboards of CI systems."""
    root = ET.Element("testsuites", name=_text(batch.task))
    for result in batch.submissions:
        _suite(root, result)
    ET.indent(root)
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _suite(root: ET.Element, result: SubmissionResult) -> None:
    tests = result.tests
    counts = {
        "tests": len(tests) or 1,
        "failures": sum(test.verdict not in (RIGHT, SKIPPED, "IE") for test in tests),
        "errors": sum(test.verdict == "IE" for test in tests),
        "skipped": sum(test.verdict == SKIPPED for test in tests),
    }
    if result.verdict == NOT_COMPILED:
        counts["failures"] = 1
    attributes = {key: str(value) for key, value in counts.items()}
    suite = ET.SubElement(root, "testsuite", {"name": _text(result.name), **attributes})
    if result.verdict == NOT_COMPILED:
        case = ET.SubElement(suite, "testcase", name="compile", classname=_text(result.name))
        failure = ET.SubElement(case, "failure", type=NOT_COMPILED, message="did not compile")
        failure.text = printable_bytes(result.log)
    for test in tests:
        _case(suite, result, test)


def _case(suite: ET.Element, result: SubmissionResult, test: CaseResult) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        name=_text(test.name),
        classname=_text(result.name),
        time=f"{test.wall_ns / 1e9:.3f}",
    )
    if test.verdict == SKIPPED:
        ET.SubElement(case, "skipped")
    elif test.verdict != RIGHT:
        kind = "error" if test.verdict == "IE" else "failure"
        failure = ET.SubElement(case, kind, type=test.verdict, message=_text(test.text))
        failure.text = printable_bytes(test.stderr) or None


def _text(text: str) -> str:
    """What XML 1.0 can carry (section 2.2): other characters as escapes."""
    return "".join(char if _is_xml(ord(char)) else f"\\x{ord(char):02x}" for char in text)


def _is_xml(code: int) -> bool:
    return (
        code in (0x9, 0xA, 0xD)
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or code >= 0x10000
    )


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _number(value: float) -> str:
    return f"{value:g}"
