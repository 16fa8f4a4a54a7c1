"""How a run ended: a value.

What comes in: the report of the sandbox's monitor. What goes out: `Outcome`, frozen and typed.
Must never: wait, read, decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyrootless.sandbox.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Enforced:
    """What held one limit.

    Attributes:
        rung: cgroup2, cgroup1, perf, proc, rlimit-nproc, rlimit, tmpfs, pipe, timer, watchdog
            or none (docs/sandbox.md, "What holds a limit").
        exact: It holds the limit for the whole box; else it may be late or count too little.
    """

    rung: str
    exact: bool

    def __str__(self) -> str:
        """The name of the enforcement."""
        return self.rung


@dataclass(frozen=True, slots=True)
class Noise:
    """What the machine did to the run, in nanoseconds: all of it, not of this run alone.

    Attributes:
        cpu_stall_ns: Some task of the machine waited for a processor (PSI).
        memory_stall_ns: The same for memory.
        io_stall_ns: The same for disks.
        steal_ns: Taken by the hypervisor, summed over processors.
        throttled_ns: The box itself was kept from a processor by its own quota.
    """

    cpu_stall_ns: int
    memory_stall_ns: int
    io_stall_ns: int
    steal_ns: int
    throttled_ns: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finished run.

    Attributes:
        args: The program and its arguments.
        verdict: The one word.
        flags: Every limit that was seen to be touched, by name (`verdict.FLAGS`).
        cause: More about the verdict, in words: which limit ended it (cpu, wall, idle, stdout,
            …), what was touched by a program that failed, which call was forbidden (where that
            was asked for); "" when there is nothing to add.
        exit_code: 0 to 255; None when a signal ended it.
        signal: The signal's number; None when it returned.
        cpu_ns: Processor time of the whole tree, reaped or not.
        user_ns: That part of it in user mode; of what nobody reaped in proportion.
        system_ns: That part of it in the kernel.
        wall_ns: Time from the program's start to the end of its last process.
        memory_peak_bytes: Most memory of the whole box; without a control group of its largest
            process, or of all as far as the watchdog saw.
        yields: How often a processor was given up to wait, by the program and what it reaped.
        preemptions: How often it was taken away for others.
        processes_peak: Most processes and threads at once; None when nothing counted them.
        stdout: What it wrote to standard output, up to the limit.
        stderr: The same for standard error.
        truncated: Streams of which more was written than kept ("stdout", "stderr").
        files: Collected files, by name.
        files_bad: Why files that were asked for are not among them, by name or pattern.
        enforced: Name of a limit → what held it; of a program that did not begin only what
            held the files that were put in.
        noise: What the machine did meanwhile.
        warm: It began as a copy of an interpreter that had started already.
    """

    args: tuple[str, ...]
    verdict: Verdict
    flags: frozenset[str]
    cause: str
    exit_code: int | None
    signal: int | None
    cpu_ns: int
    user_ns: int
    system_ns: int
    wall_ns: int
    memory_peak_bytes: int
    yields: int
    preemptions: int
    processes_peak: int | None
    stdout: bytes
    stderr: bytes
    truncated: frozenset[str]
    files: Mapping[str, bytes]
    files_bad: Mapping[str, str]
    enforced: Mapping[str, Enforced]
    noise: Noise
    warm: bool = False

    @property
    def ok(self) -> bool:
        """True when the verdict is OK."""
        return self.verdict is Verdict.OK

    @property
    def text(self) -> str:
        """Standard output as text: UTF-8, undecodable bytes replaced by U+FFFD."""
        return self.stdout.decode("utf-8", errors="replace")
