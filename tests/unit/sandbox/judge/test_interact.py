"""pyrootless.sandbox.judge.interact, quiet: the rule of precedence, and turns."""

from __future__ import annotations

import threading

import pytest

from pyrootless.sandbox.concurrency import Quiet
from pyrootless.sandbox.judge.answers import TeacherError
from pyrootless.sandbox.judge.checkers import Finding
from pyrootless.sandbox.judge.interact import Ended, decide
from pyrootless.sandbox.outcome import Noise, Outcome
from pyrootless.sandbox.verdict import Verdict


def ended(
    at_ns: int,
    word: str,
    code: int | None = None,
    signal: int | None = None,
    *,
    missed: bool = False,
) -> Ended:
    outcome = Outcome(
        args=("x",), verdict=Verdict[word], flags=frozenset(), cause="", exit_code=code,
        signal=signal, cpu_ns=0, user_ns=0, system_ns=0, wall_ns=0, memory_peak_bytes=0,
        yields=0, preemptions=0,
        processes_peak=None, stdout=b"", stderr=b"why\n", truncated=frozenset(), files={},
        files_bad={}, enforced={}, noise=Noise(0, 0, 0, 0, 0),
    )  # fmt: skip
    return Ended(outcome, at_ns, missed)


YES, NO = Finding(True), Finding(False, "why")
CASES = [
    # the interactor ended first: its decision stands, whatever the submission does
    (ended(1, "OK", 0), ended(2, "TLE", None, 9), YES),
    (ended(1, "RE", 1), ended(2, "SG", None, 13), NO),
    (ended(1, "RE", 1), ended(2, "RE", 3), NO),
    # the submission ended first, by a fault of its own
    (ended(2, "RE", 1), ended(1, "RE", 3), None),
    (ended(2, "OK", 0), ended(1, "ILE", None, 9), None),
    # ... or without one: the interactor decides
    (ended(2, "OK", 0), ended(1, "OK", 0), YES),
    (ended(2, "RE", 43), ended(1, "OK", 0), NO),
    (ended(2, "RE", 1), ended(1, "SG", None, 13), NO),
    # both waited until a limit: the submission did not say what it should
    (ended(2, "ILE", None, 9), ended(1, "ILE", None, 9), None),
]


@pytest.mark.parametrize(("judge", "student", "finding"), CASES)
def test_precedence(judge: Ended, student: Ended, finding: Finding | None) -> None:
    assert decide("talk.py", judge, student) == (student.outcome, finding)


@pytest.mark.parametrize("judge", [ended(1, "SG", None, 11), ended(1, "RE", 7)])
def test_an_interactor_that_breaks_is_the_teachers(judge: Ended) -> None:
    with pytest.raises(TeacherError, match="talk.py failed"):
        decide("talk.py", judge, ended(2, "OK", 0))


FAILED = [("SG", None, 13), ("SG", None, 6), ("RE", 120), ("RE", 3), ("TLE", None, 9)]
OWN_FAULTS = [("RE", 1), ("SG", None, 11), ("TLE", None, 9), ("MLE", None, 9)]
LEFT = Finding(False, "it ended while talk.py waited for it")


@pytest.mark.parametrize("judge", FAILED)
def test_an_interactor_that_had_to_wait_is_not_to_blame(judge: tuple[str, int]) -> None:
    """Who missed somebody was reaped later: the submission was over when it was asked about."""
    broken = ended(2, *judge)
    left = ended(1, "OK", 0, missed=True)
    assert decide("talk.py", broken, left) == (left.outcome, LEFT)
    for fault in OWN_FAULTS:
        student = ended(1, *fault, missed=True)
        assert decide("talk.py", broken, student) == (student.outcome, None)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
@pytest.mark.parametrize("judge", FAILED)
@pytest.mark.parametrize("student", [("OK", 0), ("SG", None, 13), *OWN_FAULTS])
def test_one_that_fails_without_waiting_is(
    judge: tuple[str, int], student: tuple[str, int], order: tuple[int, int]
) -> None:
    with pytest.raises(TeacherError, match="talk.py failed"):
        decide("talk.py", ended(order[0], *judge), ended(order[1], *student))


def test_a_quiet_run_waits_for_others_and_keeps_new_ones_out() -> None:
    quiet, seen = Quiet(), []
    begun, let_go = threading.Event(), threading.Event()

    def beside(name: str) -> None:
        with quiet.beside():
            seen.append(name)
            if name == "first":
                begun.set()
                let_go.wait()

    def alone() -> None:
        with quiet.alone():
            seen.append("alone")

    first = threading.Thread(target=beside, args=("first",))
    first.start()
    begun.wait()
    second = threading.Thread(target=alone)
    second.start()
    while not quiet._waiting:
        pass
    third = threading.Thread(target=beside, args=("third",))
    third.start()
    let_go.set()
    for thread in (first, second, third):
        thread.join()
    assert seen == ["first", "alone", "third"]
