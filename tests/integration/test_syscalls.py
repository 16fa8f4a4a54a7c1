"""One run, counted: what docs/kernel.md says of the launcher's system calls, by strace."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CALL = re.compile(r"^(\d+) +([a-z_0-9]+)\((.*)$")
DOCUMENTED = re.compile(r"^\| (launcher|set-up child) \| (\d+) \|", re.MULTILINE)
Call = tuple[int, str, str]
"""(process id, name, the rest of the line)."""


def calls_of(trace: str) -> list[Call]:
    """Each call once: a "resumed" line is the end of one that was counted."""
    found = (CALL.match(line) for line in trace.splitlines())
    return [(int(match[1]), match[2], match[3]) for match in found if match]


@pytest.fixture(scope="module")
def trace(
    launcher: Path, engine_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> list[Call]:
    """The calls of a run whose image was prepared before.

    Its directories are its own: what another test left dead would be swept here, and counted.
    """
    runtime = tmp_path_factory.mktemp("runtime")
    runtime.chmod(0o700)
    store = tmp_path_factory.mktemp("store")
    path = tmp_path_factory.mktemp("strace") / "trace"
    run = [str(launcher), "run", "--rm", "--ephemeral", "host", "true"]
    for command in (run, ["strace", "-f", "-o", str(path), *run]):
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={
                **engine_environment,
                "XDG_RUNTIME_DIR": str(runtime),
                "PYROOTLESS_ROOT": str(store),
            },
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return calls_of(path.read_text())


def split(trace: list[Call]) -> tuple[list[str], list[str]]:
    """Names of the launcher's calls, and of the child's (of both its tasks) up to and with its
    execve."""
    launcher = trace[0][0]
    child = [name for pid, name, _ in trace if pid != launcher]
    return (
        [name for pid, name, _ in trace if pid == launcher],
        child[: child.index("execve") + 1],
    )


needs_strace = pytest.mark.needs("strace", "plain-user", "user-namespaces")


@needs_strace
def test_two_programs_are_executed_and_no_interpreter(trace: list[Call]) -> None:
    executed = [rest for _, name, rest in trace if name in ("execve", "execveat")]
    assert len(executed) == 2
    assert re.match(r'"[^"]*/pyrootless", \["', executed[0])
    assert re.match(r'"/usr/bin/true", \["true"\]', executed[1])
    assert [line for line in executed if "python" in line.split(",")[0]] == []


@needs_strace
def test_one_process_is_made_with_a_second_task_and_no_memory_is_copied(
    trace: list[Call],
) -> None:
    made = [rest for _, name, rest in trace if name in ("clone", "clone3", "fork", "vfork")]
    tasks = 1 if len(os.sched_getaffinity(0)) == 1 else 2
    assert len(made) == tasks
    # In vfork's order: the launcher sleeps until the program is executed.
    assert "CLONE_VM|" in made[0] and "CLONE_VFORK" in made[0]
    assert all(re.match(r"\{flags=CLONE_VM\|CLONE_FILES\|", second) for second in made[1:])
    assert len({pid for pid, _, _ in trace}) == 1 + tasks


@needs_strace
def test_the_second_task_has_another_processor_until_it_is_awaited(trace: list[Call]) -> None:
    placed = [rest for _, name, rest in trace if name == "sched_setaffinity"]
    masks = [re.findall(r"\d+", rest.split("[", 1)[1].split("]")[0]) for rest in placed]
    every = [str(number) for number in sorted(os.sched_getaffinity(0))]
    if len(every) == 1:
        assert masks == []
        return
    there, *back = masks
    assert (len(there), set(there) < set(every)) == (len(every) - 1, True)
    assert len(back) <= 2  # none where it was done before it was waited for
    for mask in back:
        assert mask == every or (len(mask), set(mask) < set(every)) == (1, True)  # not begun
    assert all(rest.startswith("2, ") for rest in placed)


@needs_strace
def test_the_launcher_is_not_woken_for_the_childs_marker(trace: list[Call]) -> None:
    """It asks for the end of the pipe alone, before it reads what stands in it."""
    calls = [(name, rest) for pid, name, rest in trace if pid == trace[0][0]]
    (at,) = (n for n, (name, _) in enumerate(calls) if name == "poll")
    assert re.match(r"\[\{fd=\d+, events=0\}\], 1, -1", calls[at][1])
    assert [name for name, _ in calls[at + 1 : at + 3]] == ["read", "read"]


@needs_strace
def test_the_child_allocates_nothing(trace: list[Call]) -> None:
    _, child = split(trace)
    assert child[-1] == "execve"
    assert set(child) & {"brk", "mmap", "munmap", "mremap", "mprotect"} == set()


@needs_strace
def test_the_child_waits_for_no_lock(trace: list[Call]) -> None:
    """Its futexes say that the second task's namespaces and the launcher's files are there; a
    lock's is private."""
    waits = [rest for _, name, rest in trace if name == "futex"]
    assert [rest for rest in waits if not re.search(r"FUTEX_(WAIT|WAKE), [01]\b", rest)] == []


@needs_strace
def test_the_launcher_does_not_sleep_or_poll_in_turns(trace: list[Call]) -> None:
    launcher, _ = split(trace)
    assert set(launcher) & {"nanosleep", "clock_nanosleep"} == set()
    assert launcher.count("ppoll") == 1


@needs_strace
def test_the_counts_are_the_documented_ones(trace: list[Call]) -> None:
    page = (ROOT / "docs/kernel.md").read_text()
    documented = {name: int(number) for name, number in DOCUMENTED.findall(page)}
    assert sorted(documented) == ["launcher", "set-up child"]
    launcher, child = split(trace)
    assert len(launcher) <= documented["launcher"] * 1.1
    assert len(child) <= documented["set-up child"] * 1.1
    # A documented count far above the truth would let anything pass.
    assert len(launcher) + len(child) >= sum(documented.values()) * 0.7


@needs_strace
@pytest.mark.needs("cgroup1-delegated")
def test_a_group_of_version_1_is_entered_by_the_thread_alone(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path
) -> None:
    """By cgroup.procs it would wait until no process of the machine forks: 10 ms when idle."""
    path = tmp_path / "trace"
    words = ("run", "--rm", "--ephemeral", "--memory=64m", "host", "true")
    done = subprocess.run(
        ["strace", "-f", "-y", "-e", "trace=write", "-o", str(path), str(launcher), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=engine_environment,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    entered = re.findall(
        r"/sys/fs/cgroup/[^>]*/box/([a-z.]+)>, \"0\", 1\) += 1", path.read_text()
    )
    assert entered == ["tasks"]
