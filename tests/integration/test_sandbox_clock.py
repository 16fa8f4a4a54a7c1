"""Which clock bills a box, and what a hypervisor takes meanwhile.

In: the clocks of this machine; a /proc/stat that a test writes itself.
Out: bills, verdicts, what is called exact.
Never: a hypervisor that takes time on purpose: nobody can ask it to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stolen_time

from pyrootless.sandbox import Limits, Outcome, run

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("engine"), pytest.mark.needs("gcc")]
Compile = Callable[[str], Path]

# Children that nobody reaps take what they used with them: /proc shows nothing of it later.
UNREAPED = """
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
int main(void) {
    struct timespec t;
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 10; i++) {
        if (fork() == 0) {
            do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
            while (t.tv_nsec < 20000000);
            _exit(0);
        }
        while (wait(0) > 0);
    }
    return 0;
}
"""
BURNT_NS = 200_000_000

ASK = """
import json, sys
from pyrootless.errors import HostUnsupportedError
from pyrootless.sandbox import Limits, run
limits = Limits(cpu="10s", wall="60s", memory=None)
once = run(["./p"], files={"p": sys.argv[1]}, limits=limits, rungs="no-groups")
try:
    run(["true"], rungs="no-groups", exact=True, limits=limits)
    refused = ""
except HostUnsupportedError as error:
    refused = str(error)
held = once.enforced["cpu"]
print(json.dumps([once.verdict.name, once.cpu_ns, held.rung, held.exact, refused]))
"""


@pytest.fixture
def unreaped(compile_c: Compile) -> Path:
    return compile_c(UNREAPED)


@pytest.fixture
def ask(tmp_path: Path, unreaped: Path) -> Callable[[int, int], list[object]]:
    """Where so many ticks were stolen before and after: verdict, bill, rung, exactness, why."""
    before = stolen_time.shim(tmp_path)

    def answer(first: int, later: int) -> list[object]:
        words = [*before, *stolen_time.shown(tmp_path, first, later)]
        done = subprocess.run(
            [*words, sys.executable, "-c", ASK, str(unreaped)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: list[object] = json.loads(done.stdout)
        return found

    return answer


def perf_bills(program: Path) -> Outcome:
    limits = Limits(cpu="10s", wall="60s")
    outcome = run(["./p"], files={"p": program}, limits=limits, rungs="no-groups")
    if outcome.enforced["cpu"].rung != "perf":
        pytest.skip("the kernel lends this user no clock: perf_event_paranoid is 3 or more")
    return outcome


def test_a_group_bills_where_one_is_delegated(unreaped: Path) -> None:
    """It leaves stolen time out, and no process is so short that it is not on the bill."""
    limits = Limits(cpu="10s", wall="60s", memory=None, procs=None)
    outcome = run(["./p"], files={"p": unreaped}, limits=limits)
    if run(["true"]).enforced["memory"].rung not in ("cgroup1", "cgroup2"):
        pytest.skip("no control group is delegated")
    held = outcome.enforced["cpu"]
    assert (held.rung, held.exact) in [("cgroup1", True), ("cgroup2", True), ("perf", False)]
    assert held.rung != "perf" or not Path("/sys/fs/cgroup/cpuacct").is_dir()
    assert outcome.verdict.name == "OK" and outcome.cpu_ns >= 0.97 * BURNT_NS


def test_perf_is_exact_where_nothing_is_stolen(
    unreaped: Path, ask: Callable[[int, int], list[object]]
) -> None:
    perf_bills(unreaped)
    verdict, cpu_ns, *held = ask(0, 0)
    assert (verdict, held) == ("OK", ["perf", True, ""])
    assert isinstance(cpu_ns, int) and cpu_ns >= 0.97 * BURNT_NS


def test_stolen_time_is_not_billed_and_perf_not_called_exact(
    unreaped: Path, ask: Callable[[int, int], list[object]]
) -> None:
    perf_bills(unreaped)
    verdict, cpu_ns, rung, exact, refused = ask(5, 1000)
    assert (verdict, rung, exact) == ("OK", "perf", False)
    assert "hypervisor" in str(refused)
    assert isinstance(cpu_ns, int) and cpu_ns < 0.9 * BURNT_NS


def test_what_was_surely_used_is_billed_whatever_was_stolen(compile_c: Compile) -> None:
    program = compile_c("int main(void) { for (;;); }")
    limits = Limits(cpu="200ms", wall="60s")
    for rungs in ("best", "no-groups", "least"):
        outcome = run(["./p"], files={"p": program}, limits=limits, rungs=rungs)
        assert (outcome.verdict.name, outcome.cause) == ("TLE", "cpu")
        assert 200_000_000 <= outcome.cpu_ns


# Each process lives until it has made the next; the scheduler gives the idle class what nobody
# else wants.
COMET = """
#define _GNU_SOURCE
#include <sched.h>
#include <unistd.h>
int main(void) {
    struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0) return 9;
    if (fork() != 0) for (;;) pause();
    for (;;) if (fork() > 0) _exit(0);
}
"""
SLEEPER = """
#include <unistd.h>
int main(void) {
    if (fork() != 0) for (;;) pause();
    for (;;) { usleep(50000); if (fork() > 0) _exit(0); }
}
"""


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """So many others want every processor that a program waits most of its time."""
    words = [sys.executable, "-c", "while True: pass"]
    many = 4 * len(os.sched_getaffinity(0))
    others = [subprocess.Popen(words, start_new_session=True) for _ in range(many)]
    yield
    for other in others:
        other.kill()
        other.wait()


@pytest.mark.usefixtures("busy_machine")
@pytest.mark.parametrize("rungs", ["best", "no-groups"])
def test_processes_that_are_gone_waited_for_a_processor_too(
    compile_c: Compile, rungs: str
) -> None:
    limits = Limits(cpu="30s", wall="1500ms")
    files = {"p": compile_c(COMET)}
    outcome = run(["./p"], files=files, limits=limits, rungs=rungs)
    assert (outcome.verdict.name, outcome.cause) == ("TLE", "wall")
    assert outcome.cpu_ns < outcome.wall_ns / 2


def test_processes_that_slept_are_idle(compile_c: Compile) -> None:
    limits = Limits(cpu="30s", wall="1500ms")
    outcome = run(["./p"], files={"p": compile_c(SLEEPER)}, limits=limits)
    assert (outcome.verdict.name, outcome.cause) == ("ILE", "wall")
