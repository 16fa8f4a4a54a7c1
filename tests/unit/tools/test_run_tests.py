"""How the contexts' outcomes become an exit status."""

from __future__ import annotations

import pytest
import run_tests
from run_tests import Outcome


@pytest.mark.parametrize(
    ("states", "strict", "status"),
    [
        (["passed", "passed"], True, 0),
        (["passed", "failed"], False, 1),
        (["not run", "passed"], False, 0),
        (["not run", "passed"], True, 1),
        ([], True, 0),
    ],
)
def test_exit_status(states: list[str], strict: bool, status: int) -> None:
    outcomes = [Outcome("name", state) for state in states]
    assert run_tests.exit_status(outcomes, strict=strict) == status


def test_only_the_user_context_runs_everything() -> None:
    assert "-m" not in run_tests.pytest_words(run_tests.ROOT, "user")[3:]
    assert "context_single" in run_tests.pytest_words(run_tests.ROOT, "single")


def test_tests_are_shared_out_where_there_are_processors() -> None:
    assert run_tests.shared_out(1) == []
    assert run_tests.shared_out(2) == ["--numprocesses=2", "--dist=loadfile"]
    assert run_tests.shared_out(64) == ["--numprocesses=4", "--dist=loadfile"]
