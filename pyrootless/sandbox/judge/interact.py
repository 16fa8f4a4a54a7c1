"""Interactive problems: two programs, each in its box, talking through two pipes.

What comes in: the submission and the teacher's interactor.
What goes out: how the submission's run went, and what the interactor decided.
Must never: stand between the two (the pipes are direct), let one wait for the other beyond its
limits, place them on two processors: a line then costs a wake-up of another processor.

Precedence, written down once: who ends first decides. An interactor that ended with a decision
keeps it, whatever the submission does afterwards. A submission that ended first by a fault of
its own (a limit, a signal, an exit code) has that fault. Else the interactor decides.

An interactor that fails (SIGPIPE, an abort at the end of its input, any other exit code) has
decided nothing. Whose doing that is depends on one fact: did it have to wait for a submission
that had ended? The ends of the pipes are in this process's hands, so nothing of the
submission's end reaches the interactor before it is seen to wait for more (`Pair.ask`). Did it
wait, then the submission left early, and is wrong. Did it fail without waiting, then it failed
by itself (IE), whichever of the two was reaped first.

When both wait for each other neither can end: then the submission is ended, as a single program
that is stuck (ILE). Who of them should have written is nobody's to know. Who waits when the
other has left is ended too.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from pyrootless.core import _boxes
from pyrootless.sandbox import Built, Limits, Outcome, Sandbox, Side, Verdict
from pyrootless.sandbox.judge.answers import TRUSTED, Answers, finding_of, has_decided
from pyrootless.sandbox.judge.checkers import Finding
from pyrootless.sandbox.judge.task import Case

_turn = itertools.count()


@dataclass(frozen=True, slots=True)
class Ended:
    """One side's end.

    Attributes:
        outcome: How it went.
        at_ns: When that was known (CLOCK_MONOTONIC).
        missed: The submission alone: the interactor had to wait for it, and it had ended.
    """

    outcome: Outcome
    at_ns: int
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Party:
    """The submission's side: where it runs, what, and what it may use."""

    box: Sandbox
    program: Built
    limits: Limits


def interact(
    answers: Answers, interactor: str, party: Party, case: Case
) -> tuple[Outcome, Finding | None]:
    """Let a submission talk to the interactor.

    Returns:
        The submission's outcome; the interactor's decision, or None where the outcome decides.

    Raises:
        TeacherError: The interactor decided nothing, and that is not the submission's doing.
    """
    judge = answers.build(interactor)
    files = {"input": answers.input(case), "answer": answers.expected(case) or b""}
    pair = _boxes.Pair()
    (to_student, from_judge), (to_judge, from_student) = _two_pipes()
    ours, theirs = Side(pair, 1), Side(pair, 0)

    def run_judge() -> Outcome:
        words = ("input", "answer")
        return answers.box.run(
            judge,
            args=words,
            files=files,
            stdin=to_judge,
            stdout=from_judge,
            side=ours,
            limits=TRUSTED,
        )

    def run_student() -> Outcome:
        return party.box.run(
            party.program,
            args=case.args,
            stdin=to_student,
            stdout=from_student,
            side=theirs,
            limits=party.limits,
        )

    place = _processor()
    judging = _Speaker(run_judge, (to_judge, from_judge), ours, place)
    tried = _Speaker(run_student, (to_student, from_student), theirs, place)
    _speak(judging, tried)
    return decide(interactor, judging.ended(), tried.ended())


def decide(interactor: str, judge: Ended, student: Ended) -> tuple[Outcome, Finding | None]:
    """The rule of precedence (above).

    Raises:
        TeacherError: See `interact`.
    """
    first, at_fault = judge.at_ns <= student.at_ns, _at_fault(student.outcome)
    decided, stuck = has_decided(judge.outcome), judge.outcome.verdict is Verdict.ILE
    if at_fault and not first and (decided or student.missed or stuck):
        return student.outcome, None
    left = Finding(False, f"it ended while {interactor} waited for it")
    if student.missed and not decided:
        return student.outcome, left
    finding = finding_of(interactor, judge.outcome)
    broke_off = student.missed and finding.text.startswith("Traceback ")
    return student.outcome, left if broke_off else finding


def _at_fault(outcome: Outcome) -> bool:
    """By a limit, an exit code or a signal, but not by writing to somebody who has left."""
    return outcome.verdict is not Verdict.OK and outcome.signal != signal.SIGPIPE


class _Speaker(threading.Thread):
    """One side, in a thread of its own on the common processor.

    Its ends of the pipes are closed when it is over, so that the other side sees that; the
    submission's not before the interactor needs to.
    """

    def __init__(
        self, body: Callable[[], Outcome], ends: tuple[int, int], side: Side, processor: int
    ) -> None:
        super().__init__(name="interact")
        self._body, self._ends, self._side, self._processor = body, ends, side, processor
        self._ended: Future[Ended] = Future()

    def run(self) -> None:
        """All of it."""
        try:
            os.sched_setaffinity(0, {self._processor})
            outcome, at_ns = self._body(), time.monotonic_ns()
            missed = self._side.number == 0 and self._side.pair.ask()
            self._ended.set_result(Ended(outcome, at_ns, missed))
        except BaseException as error:  # raised again by `ended`
            self._ended.set_exception(error)
        finally:
            self.leave()

    def leave(self) -> None:
        """What its end means for the other side; once, also where it never began."""
        for end in self._ends:
            os.close(end)
        self._side.pair.leave(self._side.number)

    def ended(self) -> Ended:
        """How it ended.  Raises what it raised."""
        return self._ended.result()


def _speak(*speakers: _Speaker) -> None:
    """Let all speak to their ends; where one cannot begin, those after it leave at once.

    Raises:
        RuntimeError: There is no thread for one of them.
    """
    begun = 0
    try:
        for speaker in speakers:
            speaker.start()
            begun += 1
    finally:
        for speaker in speakers[begun:]:
            speaker.leave()
        for speaker in speakers[:begun]:
            speaker.join()


def _two_pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """Both or none.  Raises OSError."""
    first = os.pipe2(os.O_CLOEXEC)
    try:
        return first, os.pipe2(os.O_CLOEXEC)
    except OSError:
        for end in first:
            os.close(end)
        raise


def _processor() -> int:
    """The processors in turn, one for each pair."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[next(_turn) % len(allowed)]
