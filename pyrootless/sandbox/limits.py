"""What one run may use: a value with explicit units.

What comes in: texts and numbers as people write them ("1s", "256M", 16).
What goes out: `Limits`, frozen, with whole nanoseconds and bytes beside what was written.
Must never: leave a run without a deadline, round, look at the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyrootless.errors import UsageError
from pyrootless.units import parse_duration_ns, parse_size

Duration = str | int | float
"""A number of seconds, or text with a unit: "250ms", "1.5s"."""
Size = str | int
"""Bytes, or text with a unit of 1024: "64K", "256M"."""

_WALL_FACTOR = 3
_WALL_LEAST_NS = 1_000_000_000
_WALL_WITHOUT_CPU_NS = 10_000_000_000
_MEMORY_LEAST_BYTES = 4 << 20
_NONE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run. None: no limit, but for `wall`, which always is one.

    Attributes:
        cpu: Processor time of the whole tree, user and kernel.
        wall: Time from the program's start; None: three times `cpu`, at least a second, and ten
            seconds without `cpu`.
        memory: Memory of the whole tree together.
        procs: Processes and threads at once.
        output: Bytes of standard output, and as many of standard error.
        disk: Bytes of everything the run writes, and of the files put in.
        inodes: Files and directories.
        file_size: Bytes of any single file.
        stack: Bytes of the first thread's stack; others have as much unless they say more.
        open_files: Descriptors of a process.
        idle: A box that was quiet for about twice this is looked at, and ended if nothing in it
            can ever go on; 0: never.
    """

    cpu: Duration | None = "1s"
    wall: Duration | None = None
    memory: Size | None = "256M"
    procs: int | None = 32
    output: Size | None = "1M"
    disk: Size = "16M"
    inodes: int = 1024
    file_size: Size | None = None
    stack: Size = "64M"
    open_files: int = 256
    idle: Duration = "100ms"
    cpu_ns: int = field(init=False, repr=False, compare=False)
    wall_ns: int = field(init=False, repr=False, compare=False)
    idle_ns: int = field(init=False, repr=False, compare=False)
    memory_bytes: int = field(init=False, repr=False, compare=False)
    output_bytes: int = field(init=False, repr=False, compare=False)
    disk_bytes: int = field(init=False, repr=False, compare=False)
    file_size_bytes: int = field(init=False, repr=False, compare=False)
    stack_bytes: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out whole numbers; 0 stands for "no limit" in those of cpu and memory.

        Raises:
            UsageError: A value has no meaning, or leaves a program nothing to run with.
        """
        cpu_ns = 0 if self.cpu is None else _positive("cpu", parse_duration_ns(self.cpu))
        values = {
            "cpu_ns": cpu_ns,
            "wall_ns": _wall_ns(self.wall, cpu_ns),
            "idle_ns": parse_duration_ns(self.idle),
            "memory_bytes": _memory_bytes(self.memory),
            "output_bytes": _NONE if self.output is None else parse_size(self.output),
            "disk_bytes": _positive("disk", parse_size(self.disk)),
            "file_size_bytes": _NONE if self.file_size is None else parse_size(self.file_size),
            "stack_bytes": _positive("stack", parse_size(self.stack)),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        for name in ("procs", "inodes", "open_files"):
            count = getattr(self, name)
            if count is not None:
                _positive(name, count)


def _wall_ns(wall: Duration | None, cpu_ns: int) -> int:
    if wall is not None:
        return _positive("wall", parse_duration_ns(wall))
    return max(_WALL_FACTOR * cpu_ns, _WALL_LEAST_NS) if cpu_ns else _WALL_WITHOUT_CPU_NS


def _memory_bytes(memory: Size | None) -> int:
    if memory is None:
        return 0
    size = parse_size(memory)
    if size < _MEMORY_LEAST_BYTES:
        raise UsageError(f"memory={memory!r} is less than 4M, with which no program starts")
    return size


def _positive(name: str, value: int) -> int:
    if value <= 0:
        raise UsageError(
            f"{name} must be more than 0; None is no limit where there may be none"
        )
    return value
