"""pyrootless.sandbox.judge.report, report_page: the same bytes again, nothing unescaped."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

from pyrootless.printable import printable_bytes
from pyrootless.sandbox.judge.page import Line, difference, state_of, to_page
from pyrootless.sandbox.judge.report import to_csv, to_json, to_junit
from pyrootless.sandbox.judge.results import (
    BatchResult,
    CaseResult,
    GroupResult,
    SubmissionResult,
    from_document,
)

EVIL = b'</pre><script>alert(1)</script>{{ 7 * 7 }}\x1b[31m\x00\xff"&\n'
CASES = (
    CaseResult(
        "g/1", "AC", cpu_ns=2_500_000, wall_ns=3_000_000, cpu_limit_ns=10_000_000, runs=1
    ),
    CaseResult(
        "g/2", "WA", 'word 1 is "<b>"', output=EVIL, expected=b"42\n", runs=3, stable=False
    ),
    CaseResult("g/3", "TLE", "cpu", cpu_ns=12_000_000, wall_ns=12_000_000, runs=1),
    CaseResult("g/4", "SK", "the group stopped"),
    CaseResult("g/5", "IE", "could not start"),
    CaseResult("g/6", "RE", "exit code 1", stderr="Größe <b>\x9b\u202e\x1b\n".encode()),
)
BATCH = BatchResult(
    'sum & "co" <x>',
    10,
    (
        SubmissionResult("=ann", "c", "WA", b"", (GroupResult("g", 4, 10, CASES),)),
        SubmissionResult("bob<script>", "c", "CE", EVIL, ()),
        SubmissionResult("eve", "", "CE", b"", ()),
    ),
)


class Tags(HTMLParser):
    """Names of all tags, and whether they nest."""

    VOID = ("meta", "link", "rect", "line", "br")

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_json_holds_everything() -> None:
    document = json.loads(to_json(BATCH))
    assert (document["task"], document["most"]) == (BATCH.task, 10)
    assert tuple(map(from_document, document["submissions"])) == BATCH.submissions


def test_json_has_text_where_it_is_text() -> None:
    text = to_json(BATCH)
    document = json.loads(text)
    tests = document["submissions"][0]["groups"][0]["tests"]
    assert (document["form"], tests[1]["expected"]) == (2, "42\n")
    assert tests[1]["output"] == {"base64": base64.b64encode(EVIL).decode()}
    assert tests[5]["stderr"] == "Größe <b>\x9b\u202e\x1b\n"
    assert '"stderr": "Größe <b>\\u009b\\u202e\\u001b\\n"' in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_csv_has_no_formulas() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(BATCH))))
    assert rows == [
        ["submission", "language", "verdict", "points", "most", "g"],
        ["'=ann", "c", "WA", "4", "10", "4"],
        ["bob<script>", "c", "CE", "0", "10", "0"],
        ["eve", "", "CE", "0", "10", "0"],
    ]
    assert to_csv(BatchResult("t", 0, ())) == "submission,language,verdict,points,most\n"


def test_junit_is_xml_with_counts() -> None:
    root = ET.fromstring(to_junit(BATCH))
    suites = [suite.attrib for suite in root]
    assert suites[0] == {
        "name": "=ann", "tests": "6", "failures": "3", "errors": "1", "skipped": "1",
    }  # fmt: skip
    assert (suites[1]["tests"], suites[1]["failures"]) == ("1", "1")
    failure = root[1][0][0]
    assert failure.get("type") == "CE"
    assert "\\x1b[31m\\x00" in (failure.text or "")
    assert root[0][2].find("failure").get("message") == "cpu"  # type: ignore[union-attr]
    assert root[0][5][0].text == "Größe <b>\\x9b\\u202e\\x1b\n"


def test_the_page_holds_what_programs_wrote_as_text_alone() -> None:
    page = to_page(BATCH)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "script" not in tags.names and "img" not in tags.names
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}\\x1b[31m\\x00\\xff" in page
    assert "sum &amp; &#34;co&#34; &lt;x&gt;" in page
    assert "<pre>Größe &lt;b&gt;\\x9b\\u202e\\x1b\n</pre>" in page
    assert not re.search(r"(src|href)=\"(?!#)", page)
    assert page == to_page(BATCH)


def test_the_page_says_every_verdict_and_time() -> None:
    page = to_page(BATCH)
    for text in (
        "g/1",
        "2.5 ms",
        "12 ms",
        "(3 runs, not all the same)",
        "4 of 10",
        "no language",
    ):
        assert text in page, text
    assert page.count('class="mark slow"') == 2  # matrix and table
    assert 'width="100.00"' in page and 'x1="83.33"' in page


def test_a_difference_line_by_line() -> None:
    test = CaseResult("t", "WA", output=b"a\nx\n", expected=b"a\nb\n")
    assert difference(test) == [Line("same", "a"), Line("theirs", "b"), Line("ours", "x")]
    long = CaseResult("t", "WA", output=b"y\n" * 100, expected=b"y\n" * 100)
    assert difference(long) == [*([Line("same", "y")] * 40), Line("cut", "…")]


def test_states_and_escapes() -> None:
    words = ["AC", "SK", "WA", "TLE", "MLE", "RE", "CE", "IE"]
    assert [state_of(word) for word in words] == [
        "right", "skipped", "wrong", "slow", "slow", "broken", "broken", "broken",
    ]  # fmt: skip
    assert printable_bytes("é\t\x7f\u202e".encode() + b"\xfe\r\n") == "é\\t\\x7f\\u202e\\xfe\n"
