"""How a container ended: a value.

What comes in: the C core's status record and the captured streams.
What goes out: `Result`, frozen, the same fields however the container was started.
Must never: wait, read, decide; a program that failed is a Result and not an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EndedBy = Literal["exit", "signal", "timeout", "killed"]
"""exit: the program returned; signal: a signal ended it; timeout: the wall limit passed;
killed: the caller killed it (csrc/prl.h, enum prl_ended_by)."""


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
