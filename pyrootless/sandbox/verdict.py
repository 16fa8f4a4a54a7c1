"""How a run is judged: one word, from facts the program cannot write.

What comes in: what ended the program and which limits were touched.
What goes out: a `Verdict`.
Must never: look at output, raise for what a program did.

The rule of precedence: what *we* ended the run for comes first; then a forbidden call, memory,
disk, the signal, the exit code; a missing output file last. A limit that was touched without
ending the run is a flag and no verdict, but for the disk, which a program meets as a failed
write.
"""

from __future__ import annotations

import enum
import signal
from collections.abc import Set as AbstractSet
from dataclasses import dataclass


class Verdict(enum.Enum):
    """The word for a run. The value is the sentence for people."""

    OK = "ran to its end and returned 0"
    RE = "returned another exit code than 0"
    SG = "ended by a signal"
    TLE = "used more processor time than allowed"
    ILE = "waited instead of working until nothing could go on, or the wall limit passed"
    MLE = "used more memory than allowed"
    OLE = "wrote more output than allowed"
    DLE = "filled its disk or used up its files"
    SV = "made a call that is forbidden"
    FE = "an output file is missing or unsafe"
    CE = "did not compile"
    IE = "the sandbox failed, not the program"

    def __str__(self) -> str:
        """The short word."""
        return self.name


FLAGS = (
    "cpu",
    "wall",
    "memory",
    "stdout",
    "stderr",
    "disk",
    "inodes",
    "processes",
    "idle",
    "file_size",
)
"""Names of enum prl_sandbox_flag's bits, in their order (csrc/sandbox/run.h); the last one is
told by the signal that ended the program."""


@dataclass(frozen=True, slots=True)
class End:
    """How a program ended.

    Attributes:
        killed_for: Flag for which the sandbox ended it, or did not begin it: the disk cannot
            hold the files that are put in; "" when it ended by itself.
        flags: Every limit that was touched.
        exit_code: 0 to 255; None when a signal ended it.
        signal: Number of that signal; None when it returned.
        running: At the wall limit its threads had used a processor, or waited for one, for at
            least half of the time: it was slow and not idle.
        files_bad: A file that was to be collected is missing or unsafe.
    """

    killed_for: str
    flags: AbstractSet[str]
    exit_code: int | None
    signal: int | None
    running: bool
    files_bad: bool


_KILLED = {
    "cpu": Verdict.TLE,
    "memory": Verdict.MLE,
    "stdout": Verdict.OLE,
    "stderr": Verdict.OLE,
    "idle": Verdict.ILE,
    "disk": Verdict.DLE,
    "inodes": Verdict.DLE,
}


def judge(end: End) -> Verdict:
    """The verdict of one run."""
    if end.killed_for in ("wall", "idle") and "memory" in end.flags:
        return Verdict.MLE  # the kernel ended a part of it, and the rest waited for that
    if end.killed_for == "wall":
        return Verdict.TLE if end.running else Verdict.ILE
    if end.killed_for:
        return _KILLED[end.killed_for]
    if end.signal == signal.SIGSYS:
        return Verdict.SV
    if "memory" in end.flags:
        return Verdict.MLE
    if end.signal == signal.SIGXCPU or "cpu" in end.flags:
        return Verdict.TLE
    if end.signal == signal.SIGXFSZ or end.flags & {"disk", "inodes"}:
        return Verdict.DLE
    if end.signal is not None:
        return Verdict.SG
    if end.exit_code != 0:
        return Verdict.RE
    return Verdict.FE if end.files_bad else Verdict.OK
