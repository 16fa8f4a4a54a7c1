"""`--cpu-time`: processor time of all processes of a container together, on every rung.

In: programs that burn it alone, together, in processes that nobody waits for, and in programs
that perf's clock loses; control groups of either version, perf's clock, /proc alone.
Out: what ended them, what had been used by then, what is told of it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import facts
import pytest
import stolen_time
from rungs import NO_GROUPS, WEAKER, Rung, environment_for

import pyrootless as package

Runner = Callable[..., "subprocess.CompletedProcess[str]"]
Compile = Callable[[str], Path]

pytestmark = [pytest.mark.alone, pytest.mark.needs("user-namespaces")]
DENY = Path(__file__).resolve().parents[1] / "faults" / "deny.c"
LIMIT_NS, LIMIT = 400_000_000, "--cpu-time=400ms"
# Nobody looks more often than once in 0.2 ms; on a busy machine the monitor waits its turn.
SLACK_NS = 100_000_000

TOGETHER = """
import os
for _ in range(4):
    if os.fork() == 0:
        while True: pass
while True: pass
"""
# Children that nobody waits for take what they used with them.
UNWAITED = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    if os.fork() == 0:
        end = time.process_time() + 0.02
        while time.process_time() < end: pass
        os._exit(0)
    time.sleep(0.02)
"""


RUNGS = [
    pytest.param("cgroup2", marks=pytest.mark.needs("cgroup2-delegated")),
    pytest.param("cgroup1", marks=pytest.mark.needs("cgroup1-delegated")),
    pytest.param("perf-clock", marks=pytest.mark.needs("bwrap", "perf-clock", "gcc")),
    pytest.param("watchdog", marks=pytest.mark.needs("bwrap", "gcc")),
]


@pytest.fixture(params=RUNGS)
def rung(
    request: pytest.FixtureRequest,
    launcher: Path,
    engine_environment: dict[str, str],
    compile_c: Compile,
) -> Rung:
    name = str(request.param)
    env = environment_for(name, engine_environment)
    before = () if name.startswith("cgroup") else NO_GROUPS
    if name != "watchdog":
        return Rung(name, before, launcher, env, (LIMIT,))
    before = (*before, str(compile_c(DENY.read_text())), "perf_event_open", "--")
    return Rung(name, before, launcher, env, (LIMIT, *WEAKER))


def is_late(rung: Rung) -> bool:
    """It may bill too little."""
    return rung.name == "watchdog" or (rung.name == "perf-clock" and stolen_time.happens())


def ended_by_its_limit(rung: Rung, found: dict[str, Any]) -> None:
    assert (found["State"]["EndedBy"], found["State"]["ExitCode"]) == ("cpu-time", 137)
    exactness = "late" if is_late(rung) else "exact"
    assert found["Limits"]["cpu-time"] == {"HeldBy": rung.name, "Exactness": exactness}
    # What a group shows has the set-up in it, which is not billed.
    setup = rung.kept("setup", "host", "true")["Usage"]["cpu_ns"]
    assert LIMIT_NS <= found["Usage"]["cpu_ns"] <= LIMIT_NS + SLACK_NS + 2 * setup


def test_burners_have_it_together(rung: Rung) -> None:
    ended_by_its_limit(rung, rung.kept("together", "host", "python3", "-c", TOGETHER))


def test_what_nobody_waited_for_counts(rung: Rung) -> None:
    if rung.name == "watchdog":
        pytest.skip(
            "what lives for less than 5 ms between two looks is not seen by /proc alone"
        )
    ended_by_its_limit(rung, rung.kept("unwaited", "host", "python3", "-c", UNWAITED))


def test_a_sleeper_uses_none(rung: Rung) -> None:
    found = rung.kept("sleeper", "host", "sleep", "1.5")
    assert (found["State"]["EndedBy"], found["State"]["ExitCode"]) == ("exit", 0)
    # The watchdog counts from its own begin: on a busy machine the program may sleep by then.
    # Of perf's clock two ticks and what a hypervisor took are left out.
    least = 0 if is_late(rung) else 1
    assert least <= found["Usage"]["cpu_ns"] < LIMIT_NS


def test_a_program_that_may_not_be_read_counts(rung: Rung) -> None:
    """perf's clock loses it at its exec, by the kernel's own rule."""
    script = (
        "cd / && cp bin/busybox . && chmod 111 busybox && ./busybox sh -c 'while :; do :; done'"
    )
    if facts.missing("busybox"):
        pytest.skip("needs busybox")
    words = ("--cap-drop=ALL", "host", "sh", "-c", script)
    ended_by_its_limit(rung, rung.kept("unreadable", *words))


# One outer container for all of it: who joins is in the user namespace that made the first.
JOIN = """
P=$1 LIMIT=$2 BURN=$3; shift 3
ID=$($P run -d "$@" "$LIMIT" host sleep 100) || exit 99
$P exec "$ID" python3 -c "$BURN" 2>/dev/null
echo $?
$P inspect "$ID" | grep -e '"Status"' -e '"EndedBy"'
$P rm -f "$ID" >/dev/null
"""


def test_a_joined_program_counts(rung: Rung) -> None:
    """In a group with the rest; where none counts it has the limit for itself."""
    weak = ["--limits=best-effort"] if rung.name == "watchdog" else []
    words = [str(rung.launcher), LIMIT, TOGETHER, *weak]
    done = subprocess.run(
        [*rung.before, "/bin/sh", "-c", JOIN, "sh", *words],
        env=rung.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    code, *state = done.stdout.split()
    assert code == "137", done
    if rung.name.startswith("cgroup"):
        assert '"cpu-time"' in " ".join(state)


SAY = """
import json, pyrootless
found = pyrootless.run("host", ["true"], cpu_time=5)
print(json.dumps([found.enforced, found.exactness]))
"""


@pytest.mark.parametrize("rung", RUNGS[2:3], indirect=True)
@pytest.mark.parametrize(("first", "later", "word"), [(0, 0, "exact"), (5, 5, "late")])
def test_perf_is_not_called_exact_where_time_is_stolen(
    rung: Rung, tmp_path: Path, first: int, later: int, word: str
) -> None:
    """As the sandbox does (test_sandbox_clock.py): what bills too little may be late."""
    words = [*stolen_time.shim(tmp_path), *stolen_time.shown(tmp_path, first, later)]
    done = subprocess.run(
        [*rung.before, *words, sys.executable, "-c", SAY],
        env=rung.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    held = [{"cpu-time": "perf-clock"}, {"cpu-time": word}]
    assert (done.stderr, json.loads(done.stdout)) == ("", held)


@pytest.mark.parametrize("rung", RUNGS[3:], indirect=True)
def test_proc_alone_is_refused(rung: Rung) -> None:
    done = rung.call("run", "--cpu-time=1", "host", "true")
    assert (done.returncode, done.stdout) == (125, "")
    first, remedy = done.stderr.splitlines()[:2]
    assert first.startswith("pyrootless: --cpu-time: no control group for it is delegated")
    assert "watchdog" in first and "--limits=best-effort" in remedy


def test_a_time_in_which_nothing_starts_is_refused(pyrootless: Runner) -> None:
    done = pyrootless("run", "--cpu-time=0", "host", "true")
    assert done.returncode == 125
    assert "--cpu-time: 0 is less than 1ms" in done.stderr


@pytest.mark.parametrize("rung", RUNGS[:3], indirect=True)
def test_the_end_is_told(rung: Rung) -> None:
    done = rung.call("run", "--rm", "--cpu-time=0.2", "host", "sh", "-c", "while :; do :; done")
    said = "the container was killed when it had used its --cpu-time of 0.200 seconds"
    assert (done.returncode, done.stderr) == (137, f"pyrootless: {said} ({rung.name})\n")


@pytest.fixture
def python_environment(
    engine_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in engine_environment.items():
        monkeypatch.setenv(name, value)


BURN = ["sh", "-c", "echo begun; while :; do :; done"]


@pytest.mark.usefixtures("python_environment")
@pytest.mark.timeout(60)
def test_python_holds_it_while_it_carries_the_output() -> None:
    result = package.run("host", BURN, cpu_time=0.2, limits="best-effort")
    assert result.stdout == b"begun\n"
    assert (result.ended_by, result.signal) == ("cpu-time", 9)
    assert result.enforced["cpu-time"] in ("cgroup2", "cgroup1", "perf-clock", "watchdog")
    assert 200_000_000 <= result.usage.cpu_ns <= 200_000_000 + SLACK_NS


@pytest.mark.usefixtures("python_environment")
@pytest.mark.timeout(60)
def test_python_ends_a_container_at_the_earlier_limit() -> None:
    result = package.run("host", BURN, cpu_time=30, timeout=0.3, limits="best-effort")
    assert (result.ended_by, result.stdout) == ("timeout", b"begun\n")


@pytest.mark.usefixtures("python_environment")
@pytest.mark.timeout(60)
def test_python_that_is_interrupted_leaves_nothing() -> None:
    before = threading.active_count()
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with pytest.raises(KeyboardInterrupt):
        package.run("host", BURN, cpu_time=30, limits="best-effort")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert threading.active_count() == before


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt
