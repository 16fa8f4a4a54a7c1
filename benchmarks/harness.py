"""Measure commands beside each other, in turns.

In: candidates (a command line, or a worker that starts things itself when asked).
Out: series of wall and CPU times, and their summary (report.py writes it down).
Never: a candidate dropped in silence, a mean, a shell, anything between the two clock readings
but the start, the wait and the reaping.

How and why it is measured so stands in method.md.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import resource
import select
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import FrameType

START_SECONDS = 60.0
"""A start that takes longer has failed."""

ORPHAN_SECONDS = 2.0
"""How long what a start left behind may take to end, outside of the timing."""

ERROR_BYTES = 2000
_PR_SET_CHILD_SUBREAPER = 36


class BenchError(Exception):
    """A candidate could not be measured; the text is for the report."""


@dataclass(frozen=True)
class Candidate:
    """One thing to measure.

    Attributes:
        name: key in the report; unique.
        argv: command; argv[0] is a path.  With `worker`, a program that makes one start for
            each line on its standard input and answers "WALL_NS CPU_NS", or "error TEXT".
        leaves_out: what of a full container this does not do.
        worker: see argv.
        unavailable: why it cannot be measured here, when that is known beforehand.
    """

    name: str
    argv: tuple[str, ...]
    leaves_out: str = ""
    worker: bool = False
    unavailable: str = ""


@dataclass(frozen=True)
class Sample:
    """One start: nanoseconds from the call to reaped, CPU nanoseconds of the whole tree."""

    wall_ns: int
    cpu_ns: int


@dataclass(frozen=True)
class Plan:
    """How often and how closely.

    Attributes:
        rounds: measured rounds; each runs every candidate once.
        warmup: rounds before them, thrown away (but a failure there is told).
        pause_ms: idle milliseconds before each start; 0: back to back.
        sync: write back before each start, outside of the timing, what earlier ones left dirty:
            else who flushes pays for who does not.
    """

    rounds: int = 100
    warmup: int = 5
    pause_ms: float = 0.0
    sync: bool = False


@dataclass
class Series:
    """What was gathered of one candidate; grows while the rounds run.

    Attributes:
        samples: of the starts that worked.
        failures: number of starts that did not.
        error: text of the first failure; "": none.
        left_behind: processes that ran on for longer than ORPHAN_SECONDS; the CPU time lacks
            what they used.
        max_rss_bytes: largest resident set of any process of the tree; None: not measured.
    """

    candidate: Candidate
    samples: list[Sample] = field(default_factory=list)
    failures: int = 0
    error: str = ""
    left_behind: int = 0
    max_rss_bytes: int | None = None

    @property
    def status(self) -> str:
        """measured, failed (it is here and does not work), or absent."""
        if self.candidate.unavailable:
            return "absent"
        return "measured" if self.samples else "failed"


@dataclass(frozen=True)
class Summary:
    """Of one series, nanoseconds.  Percentiles are nearest-rank: always a measured value."""

    starts: int
    min_ns: int
    median_ns: int
    p90_ns: int
    p99_ns: int
    cpu_median_ns: int


def percentile(values: Sequence[int], share: float) -> int:
    """The smallest value that at least `share` (0 < share ≤ 1) of the values do not exceed.

    Raises:
        ValueError: no values, or a share out of range.
    """
    if not values or not 0 < share <= 1:
        raise ValueError(f"percentile: {len(values)} values, share {share}")
    # Decimal shares are not binary ones: 0.55 * 100 must be rank 55, not 56.
    rank = math.ceil(round(share * len(values), 9))
    return sorted(values)[rank - 1]


def summarise(samples: Sequence[Sample]) -> Summary:
    """The numbers of the report.  Raises ValueError without samples."""
    walls = [sample.wall_ns for sample in samples]
    cpus = [sample.cpu_ns for sample in samples]
    return Summary(
        starts=len(samples),
        min_ns=min(walls),
        median_ns=round(statistics.median(walls)),
        p90_ns=percentile(walls, 0.90),
        p99_ns=percentile(walls, 0.99),
        cpu_median_ns=round(statistics.median(cpus)),
    )


def order_of_round(number: int, count: int) -> list[int]:
    """Which candidate comes when in a round, as indices.

    What a start leaves to the kernel (network namespaces are taken down later) burdens its
    successor, so everyone follows everyone equally often: within `count` rounds when it is
    even, within twice as many when it is odd.  Source: E. J. Williams, 1949, designs balanced
    for the estimation of residual effects.
    """
    zigzag = [(at + 1) // 2 if at % 2 else (count - at // 2) % count for at in range(count)]
    order = [(index + number) % count for index in zigzag]
    backwards = count % 2 == 1 and (number // count) % 2 == 1
    return order[::-1] if backwards else order


def become_subreaper() -> None:
    """What a candidate leaves without a parent comes to us, so that its CPU time is counted.

    Source: prctl(2), PR_SET_CHILD_SUBREAPER.  Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def child_pids() -> list[int]:
    """Our children, adopted ones and zombies among them; empty where the kernel does not tell.

    Source: proc_tid_children(5).
    """
    try:
        return [int(word) for word in Path("/proc/thread-self/children").read_text().split()]
    except OSError:
        return []


class Orphans:
    """Collects what candidates leave running when they end.

    bubblewrap answers before its process 1 has ended; podman's monitor ends after it.  Their
    CPU time belongs to the start, and their end must not fall into somebody else's.
    """

    def __init__(self) -> None:
        self._ignored = set(child_pids())

    def ignore(self, pid: int) -> None:
        """This child is somebody else's to reap."""
        self._ignored.add(pid)

    def collect(self) -> tuple[int, int]:
        """Wait for all of them, ORPHAN_SECONDS at most; the rest is ignored from then on.

        Returns: their CPU nanoseconds, and how many are still running.
        """
        cpu_ns = 0
        try:
            with alarm(ORPHAN_SECONDS):
                while waited := [pid for pid in child_pids() if pid not in self._ignored]:
                    for pid in waited:
                        _, _, usage = os.wait4(pid, 0)
                        cpu_ns += rusage_cpu_ns(usage)
        except TimeoutError:
            left = set(child_pids()) - self._ignored
            self._ignored |= left
            return cpu_ns, len(left)
        return cpu_ns, 0


def rusage_cpu_ns(usage: resource.struct_rusage) -> int:
    """User and system time, nanoseconds (the kernel counts microseconds)."""
    return round((usage.ru_utime + usage.ru_stime) * 1e9)


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block when it takes longer."""

    def ring(signum: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Spawner:
    """Starts command lines, all of them in the same way, and times them.

    Standard input and output are /dev/null, standard error is kept for the report.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env)
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._errors = os.open(tempfile.gettempdir(), os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the two descriptors."""
        os.close(self._null)
        os.close(self._errors)

    def measure(self, argv: tuple[str, ...]) -> Sample:
        """One start, until it is reaped.

        Raises:
            BenchError: it could not be started, failed, or did not end in START_SECONDS.
        """
        os.ftruncate(self._errors, 0)
        os.lseek(self._errors, 0, os.SEEK_SET)
        actions = [
            (os.POSIX_SPAWN_DUP2, self._null, 0),
            (os.POSIX_SPAWN_DUP2, self._null, 1),
            (os.POSIX_SPAWN_DUP2, self._errors, 2),
        ]
        program, env = argv[0], self.env
        with alarm(START_SECONDS):
            begin = time.perf_counter_ns()
            try:
                pid = os.posix_spawn(program, argv, env, file_actions=actions, setpgroup=0)
            except OSError as error:
                raise BenchError(f"{program}: {error.strerror}") from None
            status, usage = self._wait(pid)
            wall_ns = time.perf_counter_ns() - begin
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            raise BenchError(self._failure(argv, code))
        return Sample(wall_ns, rusage_cpu_ns(usage))

    def _wait(self, pid: int) -> tuple[int, resource.struct_rusage]:
        """wait4, or the end of our patience and of the process group."""
        try:
            _, status, usage = os.wait4(pid, 0)
        except TimeoutError:
            os.killpg(pid, signal.SIGKILL)
            os.wait4(pid, 0)
            raise BenchError(f"did not end within {START_SECONDS:g} s; killed") from None
        return status, usage

    def _failure(self, argv: Sequence[str], code: int) -> str:
        text = os.pread(self._errors, ERROR_BYTES, 0).decode(errors="replace").strip()
        how = f"exit status {code}" if code > 0 else f"signal {-code}"
        return f"{Path(argv[0]).name}: {how}: {text or 'it said nothing'}"


class Worker:
    """A long-lived process that makes one start for each line it gets.  A context manager.

    Raises (all methods):
        BenchError: it ended, said something else than two numbers, or took too long.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                argv, env=dict(env), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0
            )
        except OSError as error:
            raise BenchError(f"{argv[0]}: {error.strerror}") from None
        self._name = Path(argv[0]).name

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def measure(self) -> Sample:
        """Ask for one start."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"\n")
        except BrokenPipeError:
            raise BenchError(self._last_words()) from None
        line = self._read_line()
        words = line.split()
        if len(words) != 2 or not all(word.isascii() and word.isdigit() for word in words):
            raise BenchError(line.removeprefix("error ") or self._last_words())
        return Sample(int(words[0]), int(words[1]))

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        if not ready:
            raise BenchError(f"{self._name}: no answer within {START_SECONDS:g} s")
        # One write, one line: the worker has nothing else to say.
        return self._process.stdout.read(ERROR_BYTES).decode(errors="replace").strip()

    def _last_words(self) -> str:
        assert self._process.stderr is not None
        self._process.kill()
        text = self._process.stderr.read(ERROR_BYTES).decode(errors="replace").strip()
        return f"{self._name}: ended: {text or 'it said nothing'}"

    def close(self) -> None:
        """End it: it leaves when its input ends; it is killed when it does not."""
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class _Entry:
    series: Series
    measure: Callable[[], Sample]
    orphans: Orphans


def run_rounds(
    candidates: Sequence[Candidate],
    plan: Plan,
    env: Mapping[str, str],
    progress: Callable[[str], None] = lambda text: None,
) -> list[Series]:
    """Measure all candidates in turns.

    A candidate that fails in its trial start is left out of the rounds and has its error in
    its series; one that fails later keeps its good samples and the number of its failures.

    Args:
        env: the environment of everything that is started, the same for all.
        progress: called with a line before what may take long.
    """
    gathered = [Series(candidate) for candidate in candidates]
    orphans = Orphans()
    with ExitStack() as stack:
        spawner = Spawner(env)
        stack.callback(spawner.close)
        entries = []
        for series in gathered:
            try:
                measure = _opened(series.candidate, spawner, orphans, stack)
            except BenchError as error:
                series.error = str(error)
                series.failures = 0 if series.candidate.unavailable else 1
            else:
                entries.append(_Entry(series, measure, orphans))
        progress(f"{len(entries)} candidates, {plan.warmup} + {plan.rounds} rounds")
        _go_round(entries, plan)
    return gathered


def _opened(
    candidate: Candidate, spawner: Spawner, orphans: Orphans, stack: ExitStack
) -> Callable[[], Sample]:
    """How a candidate is measured, after a trial start.  Raises BenchError."""
    if candidate.unavailable:
        raise BenchError(candidate.unavailable)
    measure: Callable[[], Sample] = partial(spawner.measure, candidate.argv)
    if candidate.worker:
        worker = stack.enter_context(Worker(candidate.argv, spawner.env))
        orphans.ignore(worker.pid)
        measure = worker.measure
    try:
        measure()
    finally:
        orphans.collect()
    return measure


def _go_round(entries: Sequence[_Entry], plan: Plan) -> None:
    """All rounds, with the garbage collector off: it would strike one candidate or another."""
    gc.collect()
    gc.disable()
    try:
        for number in range(plan.warmup + plan.rounds):
            for index in order_of_round(number, len(entries)):
                _measure_one(entries[index], plan, kept=number >= plan.warmup)
    finally:
        gc.enable()


def _measure_one(entry: _Entry, plan: Plan, *, kept: bool) -> None:
    if plan.sync:
        os.sync()
    if plan.pause_ms:
        time.sleep(plan.pause_ms / 1000)
    series = entry.series
    try:
        sample = entry.measure()
    except BenchError as error:
        series.failures += 1
        series.error = series.error or str(error)
        sample = None
    cpu_ns, left = entry.orphans.collect()
    series.left_behind += left
    if sample is not None and kept:
        series.samples.append(replace(sample, cpu_ns=sample.cpu_ns + cpu_ns))


def measure_memory(series: Series, floor: Path, env: Mapping[str, str], times: int = 3) -> None:
    """Fill series.max_rss_bytes, apart from the timed rounds; workers have none.

    A process that shares its parent's memory until exec inherits the parent's peak, so a
    Python parent would put its own 10 MiB on all; floor is a static program of a few KiB.
    """
    if series.status != "measured" or series.candidate.worker:
        return
    argv = [str(floor), "--spawn", "--usage", *series.candidate.argv]
    peaks = []
    for _ in range(times):
        done = subprocess.run(
            argv, env=dict(env), capture_output=True, timeout=START_SECONDS, check=False
        )
        last = done.stdout.split()[-1:]
        if done.returncode == 0 and last and last[0].isdigit():
            peaks.append(int(last[0]) * 1024)
    series.max_rss_bytes = max(peaks, default=None)


def ratio(series: Series, base: Series) -> float | None:
    """Median by median, three decimals; None when either was not measured."""
    if series.status != "measured" or base.status != "measured":
        return None
    over, under = summarise(series.samples), summarise(base.samples)
    return round(over.median_ns / under.median_ns, 3)
