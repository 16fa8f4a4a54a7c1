"""pyrootless.sandbox.judge.journal, judged: what survives an interruption."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from pyrootless.errors import StoreError, UsageError
from pyrootless.sandbox.judge.journal import Journal, digest_files
from pyrootless.sandbox.judge.results import (
    CaseResult,
    GroupResult,
    SubmissionResult,
    from_document,
    overall,
    to_document,
)

TESTS = (
    CaseResult("a/1", "AC", points=1.0, cpu_ns=5, runs=2, rungs={"cpu": "perf"}),
    CaseResult("a/2", "WA", "word 1", output=b"\xff\x00<b>", expected=b"1\n"),
)
RESULT = SubmissionResult(
    "ann", "c", "WA", b"warning: \x1b[31m", (GroupResult("a", 1.0, 2.0, TESTS),)
)


def test_a_result_comes_back_as_it_was() -> None:
    assert from_document(json.loads(json.dumps(to_document(RESULT)))) == RESULT


@pytest.mark.parametrize(
    ("words", "verdict"),
    [("AC AC", "AC"), ("AC TLE WA", "TLE"), ("SK SK", "SK"), ("AC SK", "AC"), ("SK WA", "WA")],
)
def test_the_word_for_a_submission(words: str, verdict: str) -> None:
    tests = tuple(CaseResult("t", word) for word in words.split())
    assert overall((GroupResult("g", 0, 0, tests),)) == verdict


def test_results_are_found_again(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", "task") as journal:
        assert journal.find("ann", "1") is None
        journal.add("1", RESULT)
    with Journal(tmp_path / "j", "task") as journal:
        assert journal.find("ann", "1") == RESULT
        assert (journal.find("ann", "2"), journal.find("bob", "1")) == (None, None)
        journal.close_batch()
    assert not (tmp_path / "j").exists()


def test_another_task_half_a_line_and_noise_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with Journal(path, "task") as journal:
        journal.add("1", RESULT)
    whole = path.read_bytes()
    nested = b"[" * 100_000 + b"\n"
    path.write_bytes(b'\x00\n{"form": 1}\n[]\n' + nested + whole + whole[: len(whole) // 2])
    with Journal(path, "task") as journal:
        assert journal.find("ann", "1") == RESULT
        journal.add("2", RESULT)
    with Journal(path, "task") as journal:
        assert journal.find("ann", "2") == RESULT
    with Journal(path, "other") as journal:
        assert journal.find("ann", "1") is None


def test_one_judge_at_a_time(tmp_path: Path) -> None:
    with (
        Journal(tmp_path / "j", "task"),
        pytest.raises(UsageError, match="another judge"),
        Journal(tmp_path / "j", "task"),
    ):
        pass


def test_a_journal_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    for path in (tmp_path / "missing" / "j", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(StoreError, match="cannot write the journal"), Journal(path, "task"):
            pass
    assert not (tmp_path / "elsewhere").exists()


def test_the_digest_knows_names_and_contents(tmp_path: Path) -> None:
    (one, two) = (tmp_path / "1", tmp_path / "2")
    one.write_text("x")
    two.write_text("y")
    pairs = [("a", one), ("b", two)]
    assert digest_files(pairs) == digest_files(reversed(pairs))
    others = ([("a", one)], [("a", two), ("b", one)], [("a", one), ("b", one)])
    assert len({digest_files(pairs), *map(digest_files, others)}) == 4


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(tmp_path / "j", "task") as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
        try:
            with pytest.raises(StoreError, match="cannot write the journal"):
                journal.add("1", RESULT)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
