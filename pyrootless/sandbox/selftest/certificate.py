"""The hostile corpus, run on this machine in several ways, and what that showed.

What comes in: attacks, ways. What goes out: a `Certificate`: each case, each limit with what
enforced it and how far it was exceeded, and what failed.
Must never: call a limit enforced that was not reached, leave out an attack silently.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from pyrootless.errors import LaunchError, UsageError
from pyrootless.sandbox import Built, Enforced, Limits, Outcome, Sandbox, Verdict, run
from pyrootless.sandbox.languages import find_language
from pyrootless.sandbox.selftest.attacks import Attack
from pyrootless.sandbox.selftest.outside import Outside, own_groups

_WARM_RUNS = 4
_LEAST_BILLED = {True: 0.97, False: 0.9}
"""Share of burnt processor time on the bill, by whether the clock is exact."""
_HIDDEN_NS = 20_000_000
"""Of what a hypervisor took, and a bill that is not exact leaves out: two ticks (steal.c)."""


@dataclass(frozen=True, slots=True)
class Way:
    """A manner of running an attack: what may hold limits (`RUNGS`), how many at once.

    Warm: programs in Python alone, each a copy of an interpreter.
    """

    rungs: str
    at_once: int = 1
    warm: bool = False


WAYS = {
    "groups": Way("best"),
    "no-groups": Way("no-groups"),
    "least": Way("least"),
    "eight": Way("best", 8),
    "warm": Way("best", warm=True),
}
USUAL_WAYS = ("groups", "no-groups", "eight", "warm")
MEASURED = ("cpu", "wall", "memory", "processes", "stdout", "stderr", "disk", "inodes")


@dataclass(frozen=True, slots=True)
class Case:
    """One attack in one way.

    Attributes:
        attack: Its name.
        way: Key of `WAYS`.
        verdict: Of its last run.
        wrong: What did not hold; () when all did.
        enforced: What held each limit.
        over: Limit that was met → by how much it was exceeded: nanoseconds, bytes, a number.
        billed: Share of the burnt processor time on the bill; None: it burns no known amount.
    """

    attack: str
    way: str
    verdict: Verdict
    wrong: tuple[str, ...]
    enforced: dict[str, Enforced] = field(default_factory=dict)
    over: dict[str, int] = field(default_factory=dict)
    billed: float | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """One limit in one way: what enforced it, attacks that reached it, the worst excess.

    Attributes:
        over: None: no attack met it, or nothing measured it.
    """

    limit: str
    way: str
    rungs: tuple[str, ...]
    exact: bool
    met: int
    over: int | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """All that the run showed.

    Attributes:
        cases: Each attack in each way.
        held: Each limit in each way.
        not_tried: Attack or way → why it was left out.
        left: What was still there at the end.
        good_ns: A good program's time before all attacks.
        slowest_ns: The same, the slowest after any of them.
        growth_bytes: The most that this process was larger than before.
        took_ns: All of it.
    """

    cases: tuple[Case, ...]
    held: tuple[Held, ...]
    not_tried: dict[str, str]
    left: tuple[str, ...]
    good_ns: int
    slowest_ns: int
    growth_bytes: int
    took_ns: int

    @property
    def ok(self) -> bool:
        """Something was tried, and everything held."""
        return bool(self.cases) and not self.left and not any(c.wrong for c in self.cases)


def certify(
    attacks: Sequence[Attack],
    ways: Sequence[str] = USUAL_WAYS,
    watcher: Callable[[Case], None] = lambda case: None,
) -> Certificate:
    """Run every attack in every way.

    Args:
        attacks: What is tried.
        ways: Keys of `WAYS`.
        watcher: Told each case.

    Raises:
        HostUnsupportedError, LaunchError: No box can be made here at all.
    """
    start_ns, groups = time.monotonic_ns(), own_groups()
    not_tried = _without_tools(attacks) | _without_groups(ways) | _without_warm(ways)
    attacks = [each for each in attacks if each.name not in not_tried]
    cases: list[Case] = []
    with Outside() as outside:
        built = _compile_all(attacks)
        for way in (way for way in ways if way not in not_tried):
            mine = [each for each in attacks if not WAYS[way].warm or _is_python(each)]
            for case in _run_way(way, [(each, built[each.name]) for each in mine], outside):
                watcher(case)
                cases.append(case)
    return Certificate(
        cases=tuple(cases),
        held=tuple(_held(cases)),
        not_tried=not_tried,
        left=tuple(
            f"the control group {path} is left" for path in sorted(own_groups() - groups)
        ),
        good_ns=outside.good_ns,
        slowest_ns=outside.slowest_ns,
        growth_bytes=outside.growth_bytes,
        took_ns=time.monotonic_ns() - start_ns,
    )


def _without_tools(attacks: Sequence[Attack]) -> dict[str, str]:
    missing = {}
    for attack in attacks:
        lacks = [need for need in find_language(attack.name).needs if not shutil.which(need)]
        if lacks:
            missing[attack.name] = f"{', '.join(lacks)} is not installed"
    return missing


def _without_groups(ways: Sequence[str]) -> dict[str, str]:
    rungs = {each.rung for each in run(["true"]).enforced.values()}
    if rungs & {"cgroup1", "cgroup2"}:
        return {}
    return {"groups": "no control group is delegated to you"} if "groups" in ways else {}


def _without_warm(ways: Sequence[str]) -> dict[str, str]:
    if "warm" not in ways:
        return {}
    try:
        with Sandbox(warm=True) as box:
            began = box.run(["python3", "-c", ""]).warm
    except (LaunchError, UsageError) as error:
        return {"warm": str(error)}
    return {} if began else {"warm": "the kernel lacks what warm runs need"}


def _is_python(attack: Attack) -> bool:
    return find_language(attack.name).name == "python"


def _compile_all(attacks: Sequence[Attack]) -> dict[str, Built]:
    """Every program, by its name; what attacks the compiler is not a program yet."""

    def compile_one(attack: Attack) -> Built:
        box = Sandbox()
        return box.compile({attack.name: attack.path}, language=find_language(attack.name))

    wanted = [attack for attack in attacks if not attack.at_compile]
    empty = {a.name: Built(find_language(a.name), (a.name,)) for a in attacks if a.at_compile}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(compile_one, wanted)
        return empty | {a.name: each for a, each in zip(wanted, made, strict=True)}


def _run_way(
    way: str, programs: Sequence[tuple[Attack, Built]], outside: Outside
) -> Iterator[Case]:
    size = WAYS[way].at_once
    with ThreadPoolExecutor(size) as pool:
        list(pool.map(lambda _: outside.warm(), range(_WARM_RUNS * size)))
        outside.settle()
        for at in range(0, len(programs), size):
            batch = programs[at : at + size]
            cases = list(
                pool.map(lambda each: _run_case(way, each[0], each[1], outside), batch)
            )
            broken = tuple(outside.broken())
            for case in cases:
                yield _with(case, broken)


def _with(case: Case, broken: tuple[str, ...]) -> Case:
    wrong = case.wrong + broken
    return Case(
        case.attack, case.way, case.verdict, wrong, case.enforced, case.over, case.billed
    )


def _run_case(way: str, attack: Attack, built: Built, outside: Outside) -> Case:
    if not built.ok:
        log = built.log.decode(errors="replace")[-300:]
        return Case(attack.name, way, Verdict.CE, (f"it does not compile: {log}",))
    limits = built.language.program_limits(attack.limits)
    rungs, warm = WAYS[way].rungs, WAYS[way].warm
    wrong: list[str] = []
    with Sandbox(limits=attack.limits, rungs=rungs, warm=warm) as box:
        for _ in range(attack.repeat):
            outcome = _run_once(box, attack, built, outside)
            wrong += [*_judged(attack, outcome), *outside.told(outcome)]
            wrong += ["it did not begin warm"] * (warm and not outcome.warm)
    clock = outcome.enforced.get("cpu")
    exact = clock is not None and clock.exact
    missing_ns = 0 if exact else outcome.noise.steal_ns + _HIDDEN_NS
    billed = (outcome.cpu_ns + missing_ns) / attack.burns_ns if attack.burns_ns else None
    if billed is not None and billed < _LEAST_BILLED[exact]:
        wrong.append(f"only {100 * billed:.1f} % of its processor time is on the bill")
    return Case(
        attack.name,
        way,
        outcome.verdict,
        tuple(dict.fromkeys(wrong)),
        dict(outcome.enforced),
        _over(limits, outcome),
        billed,
    )


def _run_once(box: Sandbox, attack: Attack, built: Built, outside: Outside) -> Outcome:
    if attack.at_compile:
        others = {"directions": outside.directions()}
        result = box.compile(
            {attack.name: attack.path}, built.language, limits=attack.limits, others=others
        )
        assert result.outcome is not None
        return result.outcome
    if not attack.held_open:
        return box.run(built, stdin=outside.directions(), collect=attack.collect)
    with _silent_pipe() as fd:
        return box.run(built, stdin=fd, collect=attack.collect)


@contextmanager
def _silent_pipe() -> Iterator[int]:
    ends = os.pipe2(os.O_CLOEXEC)
    try:
        yield ends[0]
    finally:
        for end in ends:
            os.close(end)


def _judged(attack: Attack, outcome: Outcome) -> list[str]:
    wrong = [text for bound in attack.holds if (text := bound.wrong(outcome))]
    if outcome.verdict not in attack.verdicts:
        wanted = " or ".join(sorted(verdict.name for verdict in attack.verdicts))
        said = (outcome.stdout[-300:] + outcome.stderr[-300:]).decode(errors="replace").strip()
        wrong.insert(0, f"{outcome.verdict} and not {wanted} {outcome.cause} {said}".rstrip())
    return wrong


def _over(limits: Limits, outcome: Outcome) -> dict[str, int]:
    """By how much the limits that were met were exceeded."""
    peak = outcome.processes_peak
    measured = {
        "cpu": outcome.cpu_ns - limits.cpu_ns,
        "wall": outcome.wall_ns - limits.wall_ns,
        "memory": outcome.memory_peak_bytes - limits.memory_bytes,
        "stdout": len(outcome.stdout) - limits.output_bytes,
        "stderr": len(outcome.stderr) - limits.output_bytes,
        "disk": 0,  # the file system has no more blocks
        "inodes": 0,
    }
    if peak is not None and limits.procs is not None:
        measured["processes"] = peak - limits.procs
    return {name: max(0, measured[name]) for name in outcome.flags & set(measured)}


def _held(cases: Sequence[Case]) -> Iterator[Held]:
    for way in dict.fromkeys(case.way for case in cases):
        mine = [case for case in cases if case.way == way]
        for limit in MEASURED:
            found = [case.enforced[limit] for case in mine if limit in case.enforced]
            over = [case.over[limit] for case in mine if limit in case.over]
            if found:
                yield Held(
                    limit,
                    way,
                    tuple(sorted({each.rung for each in found})),
                    all(each.exact for each in found),
                    len(over),
                    max(over, default=None),
                )
