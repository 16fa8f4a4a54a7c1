"""One run: a program that nobody trusts, in a box of its own.

What comes in: a command, files, limits. What goes out: an `Outcome`.
Must never: raise for what the program did; parse what it wrote; leave anything behind.
"""

from __future__ import annotations

import os
import posixpath
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from pyrootless.core import _boxes
from pyrootless.errors import UsageError
from pyrootless.printable import printable_name
from pyrootless.sandbox import box
from pyrootless.sandbox.collect import Collected, collect_files
from pyrootless.sandbox.files import FileLike, Row, file_rows
from pyrootless.sandbox.limits import Limits
from pyrootless.sandbox.network import Network, find_network
from pyrootless.sandbox.outcome import Enforced, Noise, Outcome
from pyrootless.sandbox.verdict import FLAGS, End, Verdict, judge

if TYPE_CHECKING:
    from pyrootless.sandbox.warm import Warm

_EXACT = frozenset({"cgroup2", "cgroup1", "rlimit-nproc", "rlimit", "tmpfs", "pipe", "timer"})
DEFAULT_LIMITS: Limits = Limits()
_BUSY_SHARE = 0.5
_TICKS_SHARE = 0.8
RUNGS = {"best": (True, True), "no-groups": (False, True), "least": (False, False)}
"""Name → may control groups, may perf's clock be used."""
SHARED_MEMORY: Row = ("dev/shm", None, 0o1777)


@dataclass(frozen=True, slots=True)
class Side:
    """One of two boxes that talk to each other; when both wait for ever, number 0 is ended."""

    pair: _boxes.Pair
    number: int


@dataclass(frozen=True, slots=True)
class Job:
    """One run, prepared.

    Attributes:
        base: What the box stands on.
        program: What is executed.
        rows: Files put in, as `file_rows` makes them.
        limits: What it may use.
        stdin: Bytes, or a descriptor to lend.
        collect: Patterns of files to hand back.
        exact: Refuse to run where a limit would not be held exactly.
        rungs: Which means may hold limits: a key of `RUNGS`.
        stdout: A descriptor to lend instead of keeping the output; -1: it is kept.
        stderr: The same for standard error.
        collect_in: Directory that patterns are relative to; "": the program's own.
        network: None: no protocol of any network.
        side: Of a pair, whose boxes talk to each other by stdin and stdout; None: of none.
        warm: The interpreter, its options among it, whose copy it may be; None: it is executed.
        root: The store's directory; None: the user's own.
    """

    base: box.Base
    program: box.Program
    rows: tuple[Row, ...] = ()
    limits: Limits = DEFAULT_LIMITS
    stdin: bytes | int = b""
    collect: tuple[str, ...] = ()
    exact: bool = False
    rungs: str = "best"
    stdout: int = -1
    stderr: int = -1
    collect_in: str = ""
    network: Network | None = None
    side: Side | None = None
    warm: Warm | None = None
    root: str | None = None


def run(  # noqa: PLR0913  # one keyword for each thing a run may be given
    args: Sequence[str],
    *,
    image: str = "host",
    rootfs: str | os.PathLike[str] | None = None,
    files: Mapping[str, FileLike] | None = None,
    stdin: bytes | int = b"",
    env: Mapping[str, str] | None = None,
    cwd: str = box.CWD,
    limits: Limits = DEFAULT_LIMITS,
    collect: Sequence[str] = (),
    exact: bool = False,
    rungs: str = "best",
    allow_hosts: Sequence[str] = (),
    warm: bool | Warm = False,
    root: str | None = None,
) -> Outcome:
    """Run one program in a fresh box and say how it went.

    Args:
        args: Program and arguments.
        image: What the box is made of; "host": this machine's own programs, read-only.
        rootfs: An unpacked tree to be used instead of an image.
        files: Name → bytes, path, File; None: a directory. Relative names lie in `cwd`.
        stdin: Bytes, or a descriptor to lend.
        env: The whole environment; None: PATH, HOME and LANG.
        cwd: Working directory in the box.
        limits: What it may use.
        collect: Files to hand back, by name or pattern ("out.txt", "logs/*", "maybe.txt?").
        exact: Refuse to run where a limit would not be held exactly; False: the strongest means
            there are hold it, and the outcome names them.
        rungs: "best"; "no-groups": as if no control group were delegated; "least": and the
            kernel had no clock either.
        allow_hosts: All that it may speak to: "example.org:443", "192.0.2.0/24"
            (docs/networks.md, "A list of destinations"). (): no network at all.
        warm: Begin as a copy of a Python that has started already, which this process keeps
            from one call to the next (docs/sandbox.md, "Warm boxes"). `Warm`: with modules
            imported.
        root: The store's directory; None: the user's own.

    Returns:
        The outcome, whatever the program did.

    Raises:
        UsageError: An argument has no meaning.
        LaunchError, HostUnsupportedError: The box could not be made: never the program's doing.
    """
    base = box.rootfs_base(rootfs, root) if rootfs else box.image_base(image, root)
    program = box.Program(box.check_program(args, cwd), box.environment(env, cwd), cwd)
    rows = tuple(file_rows(files, cwd, at_once=True))
    network, wanted = find_network(allow_hosts, root), tuple(collect)
    job = Job(
        base, program, rows, limits, stdin, wanted, exact, rungs, network=network, root=root
    )
    if warm:  # few want it, and it brings threads
        from pyrootless.sandbox.warm import Warm, run_kept

        return run_kept(job, Warm() if warm is True else warm)
    return run_job(job)


def run_job(job: Job) -> Outcome:
    """The same with everything prepared."""
    facts, found = run_for_facts(job)
    return to_outcome(job, facts, found)


def run_for_facts(job: Job) -> tuple[dict[str, Any], Collected]:
    """What the monitor reports, and the collected files with their modes."""
    base, rows, numbers = job.base, [*job.rows, SHARED_MEMORY], numbers_of(job.limits)
    if job.network:
        base = replace(base, notes=base.notes + job.network.notes)
        own = {row[0] for row in rows}
        rows += [row for row in job.network.rows if row[0] not in own]
        numbers["idle_ns"] = 0  # somebody outside may wake it
    with lend_stdin(job.stdin) as lent:
        facts, found = _boxes.run(
            host_for(job.rungs),
            box.box_config(base, job.program, job.limits, job.exact),
            (lent, job.stdout, job.stderr),
            _boxes.Files(sorted(rows)),
            numbers,
            gather_for(job),
            not base.lent,
            *((job.side.pair, job.side.number) if job.side else ()),
        )
    return facts, found or Collected()


def gather_for(job: Job) -> Callable[[int], Collected] | None:
    """What collects the files a job asks for; None: it asks for none."""
    if not job.collect:
        return None
    place = job.collect_in or job.program.cwd
    return lambda fd: collect_files(fd, place, job.collect, job.limits.disk_bytes)


async def run_async(args: Sequence[str], **options: Any) -> Outcome:
    """`run` in a thread; cancelling the task abandons the run, which ends by its limits."""
    import asyncio  # a fifth of what importing this room takes; few want it

    return await asyncio.to_thread(run, args, **options)


@cache
def host_for(rungs: str) -> _boxes.Host:
    """What may hold limits, of what this machine has."""
    if rungs not in RUNGS:
        raise UsageError(f"rungs={rungs!r}: write one of {', '.join(RUNGS)}")
    groups, clock = RUNGS[rungs]
    return _boxes.Host(groups, clock)


def numbers_of(limits: Limits) -> dict[str, int]:
    """What the monitor watches, as the core takes it."""
    processors = len(os.sched_getaffinity(0))
    return {
        "cpu_ns": limits.cpu_ns,
        "wall_ns": limits.wall_ns,
        "idle_ns": limits.idle_ns,
        "stdout_bytes": limits.output_bytes,
        "stderr_bytes": limits.output_bytes,
        "processors": min(processors, limits.procs or processors),
    }


@contextmanager
def lend_stdin(stdin: bytes | int) -> Iterator[int]:
    """A descriptor to lend: a sealed memory file holds the bytes, and nobody can change it."""
    if isinstance(stdin, int):
        yield stdin
        return
    if not stdin:
        yield -1
        return
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(stdin)
        while view:
            view = view[os.write(fd, view) :]
        _seal(fd)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _seal(fd: int) -> None:
    import fcntl

    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)


@cache
def _flags(bits: int) -> frozenset[str]:
    return frozenset(name for bit, name in enumerate(FLAGS) if bits >> bit & 1)


def killed_for(facts: dict[str, Any]) -> str:
    """The limit for which the box was ended; "" when the program ended by itself."""
    return "".join(_flags(facts["killed_for"]))


def to_outcome(job: Job, facts: dict[str, Any], found: Collected) -> Outcome:
    """The report of one run, judged."""
    flags = _flags(facts["touched"])
    status = facts["wait_status"]
    ended = status >= 0
    code = os.WEXITSTATUS(status) if ended and os.WIFEXITED(status) else None
    number = os.WTERMSIG(status) if ended and os.WIFSIGNALED(status) else None
    unfit = facts["unfit"]
    if not ended and not unfit:
        number = 9  # it lived until its box was ended
    if number == signal.SIGXFSZ:
        flags |= {"file_size"}
    if number in (signal.SIGKILL, signal.SIGXCPU) and _inherited_limit_met(facts["cpu_ns"]):
        flags |= {"cpu"}
    running = facts["running"] or facts["cpu_ns"] > _BUSY_SHARE * facts["wall_ns"]
    end = End(killed_for(facts), flags, code, number, running, bool(found.bad))
    verdict = judge(end)
    return Outcome(
        args=job.program.args,
        verdict=verdict,
        flags=flags,
        cause=_unfit(job, unfit, flags) if unfit else _cause(verdict, end, found),
        exit_code=code,
        signal=number,
        cpu_ns=facts["cpu_ns"],
        user_ns=facts["user_ns"],
        system_ns=facts["system_ns"],
        wall_ns=facts["wall_ns"],
        memory_peak_bytes=facts["memory_peak_bytes"],
        yields=facts["yields"],
        preemptions=facts["preemptions"],
        processes_peak=facts["processes_peak"] if facts["processes_exact"] else None,
        stdout=facts["stdout"],
        stderr=facts["stderr"],
        truncated=flags & {"stdout", "stderr"},
        files=found.files,
        files_bad=found.bad,
        enforced=_held_files() if unfit else _enforced(facts, job.limits),
        noise=_noise(facts),
        warm=facts.get("warm", False),
    )


def _inherited_limit_met(cpu_ns: int) -> bool:
    """The caller's own RLIMIT_CPU, which the kernel counts in ticks."""
    most_ns = box.inherited_cpu_ns()
    return most_ns is not None and cpu_ns >= _TICKS_SHARE * most_ns


def _unfit(job: Job, path: str, flags: frozenset[str]) -> str:
    name = posixpath.relpath(f"/{path}", job.program.cwd)
    limits = job.limits
    most = f"{limits.inodes} files" if "inodes" in flags else f"{limits.disk_bytes} bytes"
    return f"{', '.join(flags)}: the files put in are more than its {most}, at {name}"


def _cause(verdict: Verdict, end: End, found: Collected) -> str:
    if verdict is Verdict.FE:
        return "; ".join(f"{printable_name(name)}: {why}" for name, why in found.bad.items())
    if verdict is Verdict.DLE:
        return ", ".join(sorted(end.flags & {"disk", "inodes"})) or "file size"
    if verdict in (Verdict.RE, Verdict.SG):
        return ", ".join(f"{name} touched" for name in sorted(end.flags))
    return end.killed_for if verdict in (Verdict.OLE, Verdict.TLE, Verdict.ILE) else ""


def _enforced(facts: dict[str, Any], limits: Limits) -> dict[str, Enforced]:
    cpu = facts["clock"] if limits.cpu_ns else ""
    memory = facts["memory_rung"] if limits.memory_bytes else ""
    processes = facts["processes_rung"] if limits.procs is not None else ""
    return dict(_held(cpu, memory, processes, facts["clock_exact"]))


def _held_files() -> dict[str, Enforced]:
    """Of a program that did not begin: what held the files that were put in."""
    return {name: Enforced("tmpfs", "tmpfs" in _EXACT) for name in ("disk", "inodes")}


@cache
def _held(cpu: str, memory: str, processes: str, cpu_exact: bool) -> dict[str, Enforced]:
    """Name of a limit → what held it; "": there is no such limit."""
    rungs = {
        "wall": "timer",
        "stdout": "pipe",
        "stderr": "pipe",
        "disk": "tmpfs",
        "inodes": "tmpfs",
        "cpu": cpu,
        "memory": memory,
        "processes": processes,
        "file_size": "rlimit",
        "stack": "rlimit",
        "open_files": "rlimit",
    }
    return {
        name: Enforced(rung, cpu_exact if name == "cpu" else rung in _EXACT)
        for name, rung in rungs.items()
        if rung
    }


def _noise(facts: dict[str, Any]) -> Noise:
    return Noise(
        cpu_stall_ns=facts["cpu_stall_ns"],
        memory_stall_ns=facts["memory_stall_ns"],
        io_stall_ns=facts["io_stall_ns"],
        steal_ns=facts["steal_ns"],
        throttled_ns=facts["throttled_ns"],
    )
