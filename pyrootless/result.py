"""How a container ended: a value.

What comes in: the C core's status record and the captured streams.
What goes out: `Result`, frozen, the same fields however the container was started.
Must never: wait, read, decide; a program that failed is a Result and not an exception.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

EndedBy = Literal["exit", "signal", "timeout", "killed", "oom", "cpu-time"]
"""exit: the program returned; signal: a signal ended it; timeout: the wall limit passed;
killed: the caller killed it; oom: killed for its memory limit; cpu-time: killed when its
processor time was used up (csrc/prl.h, enum prl_ended_by).
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """What control groups and the watchdog saw of the whole container; 0: not seen.

    Attributes:
        memory_peak_bytes: Most memory of all processes together.
        cpu_ns: Processor time of all processes, whoever waited for them.
        io_read_bytes, io_write_bytes: Carried from and to disks.
        throttled_ns: Kept waiting by the processor quota.
        memory_stall_ns, cpu_stall_ns, io_stall_ns: Some task waited for it (PSI).
        pids_peak: Most processes and threads at once.
        oom_kills: Processes killed for the memory limit.
        pids_refused: Processes and threads refused for the limit on them.
    """

    memory_peak_bytes: int = 0
    cpu_ns: int = 0
    io_read_bytes: int = 0
    io_write_bytes: int = 0
    throttled_ns: int = 0
    memory_stall_ns: int = 0
    cpu_stall_ns: int = 0
    io_stall_ns: int = 0
    pids_peak: int = 0
    oom_kills: int = 0
    pids_refused: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """One finished run.

    Attributes:
        args: The program and its arguments as they were executed.
        ended_by: What ended it.
        exit_code: 0 to 255; None when a signal ended it.
        signal: The signal's number; None when the program returned.
        stdout: What it wrote to standard output, b"" when that was not captured.
        stderr: The same for standard error.
        wall_ns: Nanoseconds from just before the start to the end.
        user_ns: CPU nanoseconds in user mode, of all processes that were waited for.
        system_ns: CPU nanoseconds in the kernel, of the same.
        max_rss_bytes: Largest resident set of any single process, in bytes.
        enforced: Limit ("memory", "pids", …) → what held it: "cgroup2", "cgroup1", "tmpfs",
            "rlimit-nproc", "rlimit-fsize", "perf-clock", "affinity", "watchdog", "none". A
            limit that was not asked for is not in it.
        exactness: The same limits → "exact", "late", "each", "changeable", "none"
            (docs/limits.md).
        usage: What was used, as far as it was seen.
        verified: verify=True was given, and everything was read back from the kernel before
            the program began (a difference is a LaunchError of stage "verify").
    """

    args: tuple[str, ...]
    ended_by: EndedBy
    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    wall_ns: int
    user_ns: int
    system_ns: int
    max_rss_bytes: int
    enforced: Mapping[str, str] = field(default_factory=dict, hash=False)
    exactness: Mapping[str, str] = field(default_factory=dict, hash=False)
    usage: Usage = Usage()
    verified: bool = False

    @property
    def ok(self) -> bool:
        """True when the program returned 0."""
        return self.ended_by == "exit" and self.exit_code == 0

    @property
    def shell_code(self) -> int:
        """What a shell would show: the program's own code, or 128 plus the signal's number."""
        if self.exit_code is not None:
            return self.exit_code
        return 128 + (self.signal or 0)

    @property
    def cpu_ns(self) -> int:
        """User and system CPU time together, in nanoseconds."""
        return self.user_ns + self.system_ns

    @property
    def text(self) -> str:
        """Standard output as text: UTF-8, undecodable bytes replaced by U+FFFD."""
        return self.stdout.decode("utf-8", errors="replace")
